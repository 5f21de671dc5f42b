"""What ``darts_tsformers.recommendation`` rests on, taken from the results."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks.accuracy.models import EVERYWHERE, SIMPLE
from benchmarks.accuracy.tasks import TASKS
from benchmarks.core.figures import by_model, of_case, value
from benchmarks.core.store import load
from darts_tsformers.recommendation.ranking import SIMPLER

SHIPPED = Path(__file__).parents[1] / "darts_tsformers" / "recommendation" / "evidence.json"

Errors = dict[str, float]


STRUCTURAL = ("mode", "use_instance_norm")
"""Arguments without which a model is another one."""
WORSE = {"Informer"}
"""Forms that did worse than another of the same model."""


def candidates() -> dict[str, dict[str, Any]]:
    """Return what can be recommended: what every data set is forecast by, with structural arguments."""
    builds = {name: build for name, build in EVERYWHERE.items() if name not in SIMPLE.keys() | WORSE}
    return {
        name: {
            "model": build.args[0].__name__,
            "arguments": {key: build.keywords[key] for key in STRUCTURAL if key in build.keywords},
        }
        for name, build in builds.items()
    }


def collect(results: Path) -> dict[str, Any]:
    """Return the candidates, errors of the benchmarks that have them all, seconds of an epoch, and how steps grow."""
    named = candidates()
    found = {task.name: errors(load(results / f"{task.file}.json")) for task in TASKS}
    epoch = load(results / "fit_epoch.json")
    milliseconds = {name: value(epoch, "time", case_of(name)) for name in named}
    components = load(results / "components.json")
    return {
        "candidates": named,
        "errors": {name: each for name, each in found.items() if each.keys() >= named.keys() | SIMPLER.keys()},
        "seconds": {name: round(time / 1e3, 1) for name, time in milliseconds.items() if time is not None},
        "steps": {name: steps(components, case_of(name)) for name in named},
    }


def case_of(candidate: str) -> str:
    """Return what a candidate is called among the cases of speed."""
    return candidate.removesuffix(", instance norm")


def steps(figures: dict[str, Any], case: str) -> dict[str, float]:
    """Return the milliseconds of a step by the number of components, as far as it was measured."""
    found = {str(point["size"]["targets"]): of_case(point, "time", case) for point in figures.get("points", [])}
    return {targets: round(time, 2) for targets, time in found.items() if time is not None}


def errors(figures: dict[str, Any]) -> Errors:
    """Return the mean squared error of each forecaster over its seeds, without variants made to find out why."""
    return {
        name: round(statistics.mean(one["mse"] for one in results), 4)
        for name, results in by_model(figures).items()
        if name in EVERYWHERE.keys() | SIMPLER.keys()
    }
