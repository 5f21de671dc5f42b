"""What of the stored results belongs to the benchmarks as they are now, and what those lack."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.core.goals import Figures
from benchmarks.core.sizes import several
from benchmarks.core.speed import Speed
from benchmarks.core.store import load
from benchmarks.core.trial import Trials

Benchmark = Speed | Trials
MANY = 20
"""Cases that nobody reads the names of."""
SEEDED = re.compile(r"(.+), seed (\d+)")


def stored(benchmarks: Iterable[Benchmark], folder: Path) -> dict[str, Figures]:
    """Return what a folder holds of benchmarks, by their names; nothing where there is no file."""
    return {one.name: registered(one, load(folder / f"{one.name}.json")) for one in benchmarks}


def registered(benchmark: Benchmark, figures: Figures) -> Figures:
    """Return figures without the sizes and cases that are not, or no longer, the benchmark's."""
    if isinstance(benchmark, Speed):
        ours = [point for point in figures.get("points", []) if point["size"] in list(benchmark.sizes)]
        points = [point | {"cases": _of(benchmark, point["cases"])} for point in ours]
        return figures | {"points": points} if points else {}
    cases = _of(benchmark, figures.get("cases", {}))
    return figures | {"cases": cases} if cases else {}


def finished(figures: Figures) -> Figures:
    """Return figures of trials without the cases that came to no result."""
    if "cases" not in figures:
        return figures
    return figures | {"cases": {name: case for name, case in figures["cases"].items() if "result" in case}}


def lacking(benchmark: Benchmark, figures: Figures) -> str:
    """Name the cases and sizes that were never run; nothing where all were."""
    points = figures.get("points", [])
    run = {name for point in points for name in point["cases"]} | figures.get("cases", {}).keys()
    cases = few([name for name in benchmark.cases if name not in run], benchmark.cases)
    sizes = benchmark.sizes if isinstance(benchmark, Speed) else []
    left = [size for size in sizes if size not in [point["size"] for point in points]]
    return "; ".join(said for said in (cases, several(left, sizes)) if said)


def few(names: Sequence[str], among: Collection[str]) -> str:
    """Name cases among all, or only say how many they are where they are many."""
    said = by_seeds(names, among)
    return said if said.count("; ") < MANY else f"{len(names)} of {len(among)} cases"


def by_seeds(names: Sequence[str], among: Iterable[str]) -> str:
    """Name cases among all: by their seeds where those are of every model."""
    of_seed = _models(names)
    whole = [seed for seed, models in _models(among).items() if of_seed.get(seed) == models]
    rest = [name for name in names if not ((match := SEEDED.fullmatch(name)) and match[2] in whole)]
    seeds = [f"seed{'s' if len(whole) > 1 else ''} {', '.join(whole)} of every model"] if whole else []
    return "; ".join([*rest, *seeds])


def _models(names: Iterable[str]) -> dict[str, list[str]]:
    """Return of which models there are cases, by seed."""
    models: dict[str, list[str]] = {}
    for match in filter(None, map(SEEDED.fullmatch, names)):
        models.setdefault(match[2], []).append(match[1])
    return models


def _of(benchmark: Benchmark, cases: Mapping[str, Any]) -> dict[str, Any]:
    return {name: cases[name] for name in benchmark.cases if name in cases}
