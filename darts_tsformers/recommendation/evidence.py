"""What was measured, as far as the rules rest on it: written by ``python -m benchmarks report``."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

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

    Examples
    --------
    >>> from darts_tsformers.recommendation.evidence import Evidence
    >>> evidence = Evidence({"ETTh1 96": {"A": 0.4, "B": 0.5}, "weather 96": {"A": 0.3}}, {"A": 20.0})
    >>> evidence.excess("ETTh1 96")
    {'A': 1.0, 'B': 1.25}
    """

    errors: Mapping[str, Mapping[str, float]]
    seconds: Mapping[str, float]

    def excess(self, benchmark: str) -> dict[str, float]:
        """Return errors as multiples of the lowest."""
        found = self.errors.get(benchmark, {})
        return {name: error / min(found.values()) for name, error in found.items()}

    def without(self, benchmarks: Collection[str]) -> "Evidence":
        """Return what would be known had some benchmarks not been run."""
        kept = {name: errors for name, errors in self.errors.items() if name not in benchmarks}
        return Evidence(kept, self.seconds)


@cache
def measured() -> Evidence:
    """Return what the package comes with."""
    stored = json.loads((files(__package__) / "evidence.json").read_text(encoding="utf-8"))
    return Evidence(MappingProxyType(stored["errors"]), MappingProxyType(stored["seconds"]))
