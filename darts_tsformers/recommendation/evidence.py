"""What was measured, as far as the rules rest on it: written by ``python -m benchmarks report``."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple

WINDOWS, LENGTH, COMPONENTS = 8449, 96, 7
"""Of the epoch that was measured: windows, steps of the look-back, and components."""


@dataclass(frozen=True)
class Evidence:
    """Figures of the benchmarks.

    Attributes
    ----------
    errors
        Mean squared error over the seeds, by benchmark and forecaster, standardised; over all test windows. A benchmark
        is there once all that can be recommended was measured in it.
    seconds
        Of an epoch of 8,449 windows on one core, by forecaster: look-back and horizon 96, seven components, width 64.
    steps
        Milliseconds of a training step, by forecaster and number of components, ascending: at least two numbers, seven
        among them.

    Examples
    --------
    >>> from darts_tsformers.recommendation.evidence import Evidence
    >>> errors = {"ETTh1 96": {"A": 0.4, "B": 0.5}, "weather 96": {"A": 0.3}}
    >>> evidence = Evidence(errors, seconds={"A": 20.0}, steps={"A": {7: 5.0, 70: 20.0}})
    >>> evidence.excess("ETTh1 96")
    {'A': 1.0, 'B': 1.25}
    >>> round(evidence.growth("A", 70), 3)
    4.0
    """

    errors: Mapping[str, Mapping[str, float]]
    seconds: Mapping[str, float]
    steps: Mapping[str, Mapping[int, float]]

    def excess(self, benchmark: str) -> dict[str, float]:
        """Return errors as multiples of the lowest."""
        found = self.errors.get(benchmark, {})
        return {name: error / min(found.values()) for name, error in found.items()}

    def without(self, benchmarks: Collection[str]) -> "Evidence":
        """Return what would be known had some benchmarks not been run."""
        kept = {name: errors for name, errors in self.errors.items() if name not in benchmarks}
        return Evidence(kept, self.seconds, self.steps)

    def growth(self, name: str, n_components: int) -> float:
        """Return how many times the time at seven components a forecaster takes at another number of them.

        Between two numbers that were measured, and beyond them, it grows as a power of the number.
        """
        steps = self.steps[name]
        if n_components == COMPONENTS:
            return 1.0
        (fewer, before), (more, after) = _around(n_components, list(steps.items()))
        power = math.log(after / before) / math.log(more / fewer)
        return before * (n_components / fewer) ** power / steps[COMPONENTS]


def _around(n: int, measured_at: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], tuple[int, float]]:
    """Return the two neighbours of a number among those measured, or the two nearest on one side."""
    pairs = list(pairwise(measured_at))
    return next((pair for pair in pairs if n <= pair[1][0]), pairs[-1])


class Candidate(NamedTuple):
    """A model by the name of its class, as it was measured."""

    model: str
    arguments: Mapping[str, Any]


def candidates() -> dict[str, Candidate]:
    """Return the models that were measured on every data set, by their names in the evidence."""
    return {name: Candidate(**one) for name, one in _shipped()["candidates"].items()}


@cache
def measured() -> Evidence:
    """Return what the package comes with."""
    stored = _shipped()
    steps = {name: {int(n): step for n, step in found.items()} for name, found in stored["steps"].items()}
    return Evidence(*map(MappingProxyType, (stored["errors"], stored["seconds"], steps)))


@cache
def _shipped() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((files(__package__) / "evidence.json").read_text(encoding="utf-8"))
    return found
