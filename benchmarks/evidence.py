"""What ``darts_tsformers.recommendation`` rests on, taken from the results."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.accuracy.models import MODELS
from benchmarks.accuracy.tasks import TASKS
from benchmarks.core.figures import by_model, value
from benchmarks.core.store import load
from darts_tsformers.recommendation.ranking import CANDIDATES, SIMPLER

SHIPPED = Path(__file__).parents[1] / "darts_tsformers" / "recommendation" / "evidence.json"

Errors = dict[str, float]


def collect(results: Path) -> dict[str, Any]:
    """Return the errors of the benchmarks in which every candidate was measured, and the seconds of an epoch."""
    found = {task.name: errors(load(results / f"{task.file}.json")) for task in TASKS}
    epoch = load(results / "fit_epoch.json")
    milliseconds = {name: value(epoch, "time", name.removesuffix(", instance norm")) for name in CANDIDATES}
    return {
        "errors": {name: each for name, each in found.items() if each.keys() >= CANDIDATES.keys() | SIMPLER.keys()},
        "seconds": {name: round(time / 1e3, 1) for name, time in milliseconds.items() if time is not None},
    }


def errors(figures: dict[str, Any]) -> Errors:
    """Return the mean squared error of each forecaster over its seeds, without variants made to find out why."""
    return {
        name: round(statistics.mean(one["mse"] for one in results), 4)
        for name, results in by_model(figures).items()
        if name in MODELS.keys() | SIMPLER.keys()
    }
