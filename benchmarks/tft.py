"""What a training step of the Temporal Fusion Transformer costs, against that of Darts' TFTModel.

    python -m benchmarks.tft --repeats 5 --out benchmarks/results/tft.json

A step is forward, quantile loss, backward and Adam, at hidden size 160 with 4 heads, 7 targets, 3 past, 3 future and 2
static covariates and a horizon of 24. Darts' model has a size of its own for single variables, which is 8 by default;
with 160 it is the paper's. So both models run with both, as equals. One thread; all models take turns, so that a busy
machine slows all of them. Times are medians of the processor time, memory is the largest total of the tensors alive at
any time of a step.
"""

import argparse
import json
import logging
import os
import platform
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.models import TFTModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from darts.utils.likelihood_models.torch import QuantileRegression
from torch import nn

from benchmarks._measure import megabytes, milliseconds
from darts_tsformers import TemporalFusionTransformerModel
from darts_tsformers.models import TSFormerModel

HORIZON, HIDDEN, HEADS, DROPOUT = 24, 160, 4, 0.1
TARGETS, PAST, FUTURE, STATIC = 7, 3, 3, 2
QUANTILES = [0.1, 0.5, 0.9]
QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}

Model = TFTModel | TSFormerModel


def models(length: int) -> dict[str, Model]:
    shared = {"dropout": DROPOUT, "n_epochs": 1, "batch_size": 1, "pl_trainer_kwargs": QUIET}

    def darts(width: int) -> Model:
        likelihood = QuantileRegression(QUANTILES)
        sizes = {"hidden_size": HIDDEN, "num_attention_heads": HEADS, "hidden_continuous_size": width}
        return TFTModel(length, HORIZON, likelihood=likelihood, **sizes, **shared)

    def ours(width: int, *, recompute: bool = False) -> Model:
        likelihood = QuantileRegression(QUANTILES)
        sizes = {"d_model": HIDDEN, "n_heads": HEADS, "d_variable": width, "recompute": recompute}
        return TemporalFusionTransformerModel(length, HORIZON, likelihood=likelihood, **sizes, **shared)

    return {
        "Darts, variables of width 8": darts(8),
        "ours, variables of width 8": ours(8),
        "ours, variables of width 8, recompute": ours(8, recompute=True),
        "Darts, variables of width 160": darts(160),
        "ours, variables of width 160": ours(160),
        "ours, variables of width 160, recompute": ours(160, recompute=True),
    }


def built(model: Model, length: int) -> nn.Module:
    """Have Darts build the module, with a single window."""
    rng = np.random.default_rng(0)
    n = length + HORIZON

    def series(width: int) -> TimeSeries:
        return TimeSeries.from_values(rng.normal(size=(n, width)).astype(np.float32))

    static = pd.DataFrame(rng.normal(size=(1, STATIC)).astype(np.float32), columns=["a", "b"])
    target = series(TARGETS).with_static_covariates(static)
    model.fit(target, past_covariates=series(PAST), future_covariates=series(FUTURE), verbose=False)
    return model.model.train()


def window(batch: int, length: int) -> PLModuleInput:
    draw = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    return PLModuleInput(
        past_target=draw(batch, length, TARGETS),
        past_covariates=draw(batch, length, PAST),
        historic_future_covariates=draw(batch, length, FUTURE),
        future_covariates=draw(batch, HORIZON, FUTURE),
        static_covariates=draw(batch, 1, STATIC),
        future_target=draw(batch, HORIZON, TARGETS),
        stage=ModuleStage.TRAIN,
    )


def training_step(module: nn.Module, given: PLModuleInput) -> Callable[[], None]:
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        module.likelihood.compute_loss(module(given).prediction, given.future_target, None).backward()
        optimizer.step()

    return step


def compare(length: int, batch: int, repeats: int) -> dict[str, dict[str, float]]:
    given = window(batch, length)
    steps = {name: training_step(built(model, length), given) for name, model in models(length).items()}
    times, memory = milliseconds(steps, repeats), {name: megabytes(step) for name, step in steps.items()}
    results = {}
    for name in steps:
        rival = "Darts, " + name.split(", ")[1]
        results[name] = {
            "milliseconds": times[name],
            "megabytes": memory[name],
            "share of time": times[name] / times[rival],
            "share of memory": memory[name] / memory[rival],
        }
        print(f"L {length}, batch {batch}, {name:40s}", *(f"{value:10.2f}" for value in results[name].values()))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--lengths", type=int, nargs="+", default=[168, 2048])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 4], help="one for each length")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise
    results = {
        f"L {length}, batch {batch}": compare(length, batch, arguments.repeats)
        for length, batch in zip(arguments.lengths, arguments.batches, strict=True)
    }
    if arguments.out:
        machine = {"torch": torch.__version__, "python": platform.python_version(), "repeats": arguments.repeats}
        arguments.out.write_text(json.dumps(machine | results, indent=2) + "\n")


if __name__ == "__main__":
    main()
