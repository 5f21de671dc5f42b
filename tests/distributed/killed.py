"""A training that stops in the middle of an epoch and waits to be killed; run as a script."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DistributedSampler

from darts_tsformers.models import PatchTSTModel, TSFormerModel
from tests.contracts.cases import Case, H, L, make_data
from tests.distributed.runs import case_of

N_WINDOWS, N_EPOCHS, KILLED_IN = 30, 5, 3
REACHED = "in the middle of an epoch"


class Order(DistributedSampler):
    """The order of an epoch, whichever run it is in. Lightning tells which epoch it is."""

    def __init__(self) -> None:
        super().__init__(range(N_WINDOWS), num_replicas=1, rank=0)


class Stops(Order):
    """Says when half of an epoch is done, and does not go on."""

    def __iter__(self) -> Iterator[int]:
        for i, window in enumerate(super().__iter__()):
            if self.epoch == KILLED_IN and i == N_WINDOWS // 2:
                print(REACHED, flush=True)
                time.sleep(600)
            yield window


def new_model(case: Case, folder: Path, **overrides: Any) -> TSFormerModel:
    """Make a model with much to restore: an optimiser with moments, a schedule of its rate."""
    schedule = {"lr_scheduler_cls": torch.optim.lr_scheduler.ExponentialLR, "lr_scheduler_kwargs": {"gamma": 0.5}}
    place = {"model_name": "run", "work_dir": str(folder), "save_checkpoints": True}
    arguments = {"n_epochs": N_EPOCHS, "batch_size": 5, "dropout": 0.0, **schedule, **place, **overrides}
    return case.model(optimizer_kwargs={"lr": 0.01}, **arguments)


def fit(model: TSFormerModel, order: Order, **arguments: Any) -> TSFormerModel:
    data = make_data(2, length=L + H + N_WINDOWS - 1)
    validation = {f"val_{name}": value for name, value in data.covariates().items()} | {"val_series": data.series}
    given = {"sampler": order, "shuffle": False}
    return model.fit(data.series, dataloader_kwargs=given, **data.covariates(), **validation, **arguments)


if __name__ == "__main__":
    torch.set_num_threads(1)  # as the tests: Adam makes whole steps of what rounding leaves of a gradient that is zero
    fit(new_model(case_of(PatchTSTModel), Path(sys.argv[1])), Stops())
