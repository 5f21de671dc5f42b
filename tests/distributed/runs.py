"""What two processes train and one trains again, to compare. Lightning starts this file once for each process."""

import logging
import sys
import warnings
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression
from pytorch_lightning import Callback
from torch.utils.data import DistributedSampler

from darts_tsformers import pretrain
from darts_tsformers.models import ITransformerModel, PatchTSTModel, TSFormerModel
from tests.adapter.prepared import SeasonalModel
from tests.adapter.students import SchooledModel, StudentModel
from tests.contracts.cases import CASES, MAIN, Case, H, L, make_data

N_WINDOWS = 14  # as many for each of two processes
TWO_PROCESSES = {"devices": 2, "strategy": "ddp"}
GENTLE = {name: {"optimizer_kwargs": {"lr": 1e-3}} for name in ("LMUFormerModel-published", "PatchTSMixerModel-mix")}
"""Their loss rises at the rate of the others, so that differences of rounding grow with it."""
OF_ITS_OWN = {case.name for case in CASES if case.learns_from_noise} | {"TimeMoEModel"}
"""What each process learns from is its own: noise that it draws, or how its own batch spreads over experts."""
LAYER_NORM = {"norm": "layer", "distil_norm": "layer"}


@dataclass(frozen=True)
class Run:
    """A training whose outcome the number of processes must not change, unless it says so."""

    name: str
    case: Case
    arguments: dict[str, Any] = field(default_factory=dict)
    has_gaps: bool = False
    is_like_one_process: bool = True
    learns_before: dict[str, Any] | None = None
    """How it is pre-trained, where it is that, and not a forecast, that is learnt."""


def case_of(model_class: type[TSFormerModel]) -> Case:
    return next(case for case in CASES if case.model_class is model_class)


def layer_norm(case: Case) -> dict[str, Any]:
    return {name: value for name, value in LAYER_NORM.items() if case.takes(name)}


def all_runs() -> list[Run]:
    inverted, patched = case_of(ITransformerModel), case_of(PatchTSTModel)
    quantiles, summed = QuantileRegression([0.1, 0.5, 0.9]), torch.nn.L1Loss(reduction="sum")
    of_a_sum = {"loss_fn": summed, "optimizer_kwargs": {"lr": 1e-4}}
    of_forms = {case.name: layer_norm(case) | GENTLE.get(case.name, {}) for case in MAIN}
    return [
        *(Run(case.name, case, of_forms[case.name], True, case.name not in OF_ITS_OWN) for case in MAIN),
        Run("no gaps", inverted),
        Run("quantiles", inverted, {"likelihood": quantiles}, has_gaps=True),
        Run("sum of errors", inverted, of_a_sum),
        Run("lessons", Case(StudentModel, {}), {"likelihood": quantiles}, has_gaps=True),
        Run("sum of lessons", Case(StudentModel, {}), of_a_sum),
        Run("lessons alone", Case(SchooledModel, {"forecasts": False})),
        Run("prepared", Case(SeasonalModel, {}), {"optimizer_kwargs": {"lr": 1e-5}}, has_gaps=True),
        Run("hidden patches", patched, {"norm": "layer"}, has_gaps=True, learns_before={"mask": "last"}),
        Run("batch norm", patched, {"norm": "batch"}, is_like_one_process=False),
        Run("dropout", inverted, {"dropout": 0.5, "train_variates": 1}, is_like_one_process=False),
    ]


def with_a_long_gap(series: TimeSeries) -> TimeSeries:
    """Hide some of all values and more than a forecast in a row: there are windows with nothing to learn from."""
    values = series.values(copy=True)
    values[np.random.default_rng(0).random(values.shape) < 0.3] = np.nan
    values[L + 3 : L + 2 * H + 3] = np.nan
    return series.with_values(values)


class Draws(Callback):
    """Notes a random number before each batch."""

    def __init__(self) -> None:
        self.numbers: list[float] = []

    def on_train_batch_start(self, *args: Any) -> None:
        self.numbers.append(float(torch.rand(())))


def train(run: Run, n_processes: int) -> dict[str, Any]:
    """Train on the batches that two processes make together: of one window each, so that one may learn nothing."""
    data, draws = make_data(2, length=L + H + N_WINDOWS - 1), Draws()
    series = with_a_long_gap(data.series) if run.has_gaps else data.series
    still = {"dropout": 0.0} if run.case.takes("dropout") else {}
    arguments = {"optimizer_cls": torch.optim.SGD, "optimizer_kwargs": {"lr": 0.01}, **still, **run.arguments}
    trainer = {"callbacks": [draws]} | (TWO_PROCESSES if n_processes == 2 else {})
    order = DistributedSampler(range(N_WINDOWS), num_replicas=1, rank=0)
    alone = {"sampler": order, "shuffle": False} if n_processes == 1 else None
    model = run.case.model(batch_size=2 // n_processes, n_epochs=2, pl_trainer_kwargs=trainer, **arguments)
    learn = model.fit if run.learns_before is None else partial(pretrain, model, **run.learns_before)
    learn(
        series,
        val_series=series,
        dataloader_kwargs=alone,
        **data.covariates(),
        **{f"val_{name}": value for name, value in data.covariates().items()},
    )
    return {
        "process": model.trainer.global_rank,
        "losses": model.model.loss_history,
        "logged": float(model.trainer.callback_metrics["val_loss"]),
        "weights": {name: p.detach() for name, p in model.model.named_parameters()},
        "draws": draws.numbers,
    }


def main(folder: Path) -> None:
    warnings.simplefilter("error")
    harmless = "Grad strides|pin_memory|LeafSpec|many workers|eval mode|self.log|across ranks"  # strides: of sizes of 1
    warnings.filterwarnings("ignore", message=rf".*({harmless})")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    trained = {run.name: train(run, n_processes=2) for run in all_runs()}
    torch.save(trained, folder / f"{trained['dropout']['process']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
