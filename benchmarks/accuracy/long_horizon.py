"""The long-horizon tables: every model on six public data sets, three seeds each, with what was published.

Every model has the look-back of the table its published figure stands in.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.accuracy.models import MODELS
from benchmarks.accuracy.protocol import actual, forecasts, repeated, scores, train
from benchmarks.accuracy.published import TABLES, Published
from benchmarks.core import data
from benchmarks.core.figures import mean_of
from benchmarks.core.goals import Goal
from benchmarks.core.trial import Trials

SEEDS = (1, 2, 3)
DROPPED = {"PatchTST": 128}
"""Batch that a paper tests with, where it is not 32."""


@dataclass(frozen=True)
class Task:
    """A data set at a horizon."""

    name: str
    data: str
    horizon: int
    lookback: int
    longer: int
    """Look-back of the models that are published with a longer one: PatchTST, DLinear, NLinear."""
    season: int
    stride: int = 1
    """Steps between two windows of training."""


LONGER = ("PatchTST", "DLinear", "NLinear")
TASKS = [
    Task("ETTh1 96", "ETTh1", 96, 96, 336, 24),
    Task("ETTh2 96", "ETTh2", 96, 96, 336, 24),
    Task("ETTm1 96", "ETTm1", 96, 96, 336, 96, stride=3),
    Task("weather 96", "weather", 96, 96, 336, 144, stride=8),
    Task("exchange_rate 96", "exchange_rate", 96, 96, 96, 5),
    Task("national_illness 24", "national_illness", 24, 36, 104, 52),
]


def trial(task: Task, model: str, seed: int) -> dict[str, Any]:
    """Train and score a model."""
    given = data.read(task.data)
    made = MODELS[model](task.longer if model in LONGER else task.lookback, task.horizon, seed)
    seconds = train(made, given, task.stride)
    found = scores(forecasts(made, given), actual(given, task.horizon), DROPPED.get(model, 32))
    return {"model": model, "seed": seed, "lookback": made.input_chunk_length} | found | {"seconds": seconds}


def naive(task: Task, season: int) -> dict[str, Any]:
    """Score the last season, or the last value."""
    given = data.read(task.data)
    model = "last value" if season == 1 else "last season"
    found = scores(repeated(given, task.horizon, season), actual(given, task.horizon))
    return {"model": model, "seed": 0, "lookback": season} | found


def against(published: dict[str, Published], bounds: dict[str, float]) -> list[Goal]:
    """Return the goals that a model is at most 5 % worse than published, or within a bound of its own."""
    most = {model: 1.05 * one.mse for model, one in published.items() if model in MODELS} | bounds
    return [
        Goal(f"{model}, MSE (published: {published[model].mse:g})" if model in published else f"{model}, MSE",
             mean_of(model), at_most=bound)
        for model, bound in most.items()
    ]  # fmt: skip


def trials(task: Task, models: list[str], bounds: dict[str, float]) -> Trials:
    seasons = {"last value": 1, "last season": task.season}
    return Trials(
        name=f"accuracy_{task.name.replace(' ', '_')}",
        title=f"Accuracy: {task.data}, {task.horizon} steps",
        cases={name: partial(naive, task, season) for name, season in seasons.items()}
        | {f"{model}, seed {seed}": partial(trial, task, model, seed) for seed in SEEDS for model in models},
        goals=against(TABLES[task.name], bounds),
        threads=1,
        seconds=5400,
        note="All components from all; MSE and MAE on the standardised scale, over all test windows.",
    )


ETTH1 = {"PatchTST": 0.385, "iTransformer": 0.395, "FEDformer": 0.41, "Autoformer": 0.48}
BENCHMARKS = [
    *(trials(task, list(MODELS), ETTH1 if task.name == "ETTh1 96" else {}) for task in TASKS),
    trials(Task("ETTh1 24", "ETTh1", 24, 48, 48, 24), ["Informer", "Informer, instance norm"], {"Informer": 0.65}),
]
