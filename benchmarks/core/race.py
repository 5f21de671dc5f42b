"""Running a benchmark of speed: the check, then size by size, case by case in turns."""

import statistics
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.core.environment import environment, moment
from benchmarks.core.process import BrokenCaseError, Ceilings, OverCeilingError, Worker
from benchmarks.core.speed import Size, Speed
from benchmarks.core.store import load, save

Outcome = dict[str, Any]


def run(benchmark: Speed, path: Path, *, device: str = "cpu", repeats: int | None = None) -> Iterator[Outcome]:
    """Measure what the file does not hold yet, and keep it there; yield each point.

    A point is a size with all cases, so that what is compared was measured in the same minutes. One that lacks a case
    is measured again.

    Raises
    ------
    AssertionError
        If the forms to be measured disagree.
    """
    known = load(path)
    points = {_key(point["size"]): point for point in known.get("points", [])}
    missing = [size for size in benchmark.sizes if not _is_complete(points.get(_key(size)), benchmark)]
    if not missing:
        return
    benchmark.check()
    dropped = {name: reason for point in points.values() for name, reason in _over(point).items()}
    for size in missing:
        points[_key(size)] = measure(benchmark, size, dropped, device=device, repeats=repeats or benchmark.repeats)
        dropped |= _over(points[_key(size)])
        ordered = [points[_key(one)] for one in benchmark.sizes if _key(one) in points]
        save(path, {"title": benchmark.title, "environment": environment(device), "points": ordered})
        yield points[_key(size)]


def measure(benchmark: Speed, size: Size, dropped: Mapping[str, str], *, device: str, repeats: int) -> Outcome:
    """Measure all cases at a size: a turn to warm up, one for memory, then turns in rounds, each in another order."""
    outcomes: dict[str, Outcome] = {name: {"over": f"not tried: {reason}"} for name, reason in dropped.items()}
    began = moment()
    with ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for name in benchmark.cases:
            if name in outcomes:
                continue
            try:
                worker = stack.enter_context(_worker(benchmark, name, size, device))
                outcomes[name] = _warmed_up(worker) if benchmark.warm_up else {}
                workers[name] = worker
            except (OverCeilingError, BrokenCaseError) as error:
                outcomes[name] = _why(error)
        turns: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}
        for i in range(repeats):
            for name in _rotated(list(workers), i):
                if name in turns:
                    try:
                        turns[name].append(workers[name].turn())
                    except (OverCeilingError, BrokenCaseError) as error:
                        outcomes[name] |= _why(error)
                        del turns[name]
    for name, each in turns.items():
        outcomes[name] |= {"wall": _spread([w for w, _ in each]), "processor": _spread([p for _, p in each])}
    clock = "processor" if device == "cpu" and benchmark.threads == 1 else "wall"
    return {"size": dict(size), "clock": clock, **began, "cases": {name: outcomes[name] for name in benchmark.cases}}


def _warmed_up(worker: Worker) -> Outcome:
    worker.turn()
    return {"megabytes": worker.memory()}


def _worker(benchmark: Speed, case: str, size: Size, device: str) -> Worker:
    ceilings = Ceilings(benchmark.seconds, benchmark.gigabytes)
    return Worker(benchmark.cases[case], size, threads=benchmark.threads, device=device, ceilings=ceilings)


def _spread(values: list[float]) -> dict[str, float]:
    """Summarise seconds as milliseconds."""
    low, middle, high = (1e3 * of(values) for of in (min, statistics.median, max))
    return {"median": middle, "min": low, "max": high, "n": len(values)}


def _why(error: OverCeilingError | BrokenCaseError) -> Outcome:
    return {"over" if isinstance(error, OverCeilingError) else "broken": str(error)}


def _over(point: Outcome) -> dict[str, str]:
    found = {name: case.get("over") for name, case in point["cases"].items()}
    return {name: why.removeprefix("not tried: ") for name, why in found.items() if why}


def _is_complete(point: Outcome | None, benchmark: Speed) -> bool:
    return point is not None and set(point["cases"]) >= set(benchmark.cases)


def _key(size: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(size.items())


def _rotated(names: list[str], by: int) -> list[str]:
    start = by % len(names) if names else 0
    return names[start:] + names[:start]
