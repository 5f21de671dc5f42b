"""Running a benchmark of speed: the checks, then size by size, case by case in turns."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmarks.core.environment import circumstances
from benchmarks.core.process import TURN, BrokenCaseError, Ceilings, OverCeilingError, Worker, once
from benchmarks.core.speed import Size, Speed
from benchmarks.core.store import load, update

Outcome = dict[str, Any]
Outcomes = Mapping[str, Outcome]
"""By the name of the case."""


def run(benchmark: Speed, path: Path, *, device: str = "cpu", repeats: int | None = None) -> Iterator[Outcome]:
    """Measure what the file does not hold yet, and keep it there; yield each point.

    A point is a size with all cases, so that what is compared was measured in the same minutes. One in which a case
    lacks turns or is broken is measured again; the old one stays until then.
    """
    refused = cache(partial(_refused, benchmark, device))
    dropped: Outcomes = {}
    for size in benchmark.sizes:
        point = _points(load(path)).get(_key(size), {})
        if not _is_complete(point, benchmark, dropped):
            left_out = dropped | refused()
            if not _is_complete(point, benchmark, left_out):
                found = measure(benchmark, size, left_out, device=device, repeats=repeats or benchmark.repeats)
                point = _keep(path, benchmark, found, left_out)
                yield point
        dropped |= _to_drop(point)


def measure(benchmark: Speed, size: Size, left_out: Outcomes, *, device: str, repeats: int) -> Outcome:
    """Measure all cases at a size, in turns or one after the other."""
    began = circumstances(device)
    names = [name for name in benchmark.cases if name not in left_out]
    outcomes = dict(left_out)
    for together in [names] if benchmark.in_turns else [[name] for name in names]:
        outcomes |= _race(benchmark, together, size, device=device, repeats=repeats)
    clock = "processor" if device == "cpu" and benchmark.threads == 1 else "wall"
    return {
        "size": dict(size),
        "clock": clock,
        "turn": TURN,
        **began,
        "cases": {name: outcomes[name] for name in benchmark.cases},
    }


def _race(benchmark: Speed, names: Sequence[str], size: Size, *, device: str, repeats: int) -> Outcomes:
    """Measure cases side by side: a turn to warm up, one for memory, then turns in rounds, each in another order."""
    racers = {name: _Racer() for name in names}
    with ExitStack() as stack:
        for name, racer in racers.items():
            stack.callback(racer.end)
            racer.start(benchmark, name, size, device)
        for i in range(repeats):
            for racer in _rotated(list(racers.values()), i):
                racer.turn()
    return {name: racer.outcome() for name, racer in racers.items()}


class _Racer:
    """A case at a size: its process, which ends where the case gives up, and what came of it."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._found: Outcome = {}
        self._turns: list[tuple[float, float]] = []

    def start(self, benchmark: Speed, name: str, size: Size, device: str) -> None:
        """Make the case ready."""
        try:
            self._worker = Worker(
                benchmark.cases[name], size, threads=benchmark.threads, device=device, ceilings=_ceilings(benchmark)
            )
            if benchmark.warm_up:
                self._worker.turn()
                self._found["megabytes"] = self._worker.memory()
        except (OverCeilingError, BrokenCaseError) as error:
            self._give_up(error)

    def turn(self) -> None:
        """Take a turn, unless the case gave up."""
        if self._worker is not None:
            try:
                self._turns.append(self._worker.turn())
            except (OverCeilingError, BrokenCaseError) as error:
                self._give_up(error)

    def end(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def outcome(self) -> Outcome:
        """Return the times of all turns, or why there are none."""
        if _gave_up(self._found):
            return self._found
        wall, processor = zip(*self._turns, strict=True)
        return self._found | {"wall": _spread(wall), "processor": _spread(processor)}

    def _give_up(self, error: OverCeilingError | BrokenCaseError) -> None:
        self._found["over" if isinstance(error, OverCeilingError) else "broken"] = str(error)
        self.end()


def _refused(benchmark: Speed, device: str) -> Outcomes:
    """Run every check once, in a fresh process; return what is said of the cases that do not pass theirs."""
    failed = {}
    for check in dict.fromkeys(benchmark.checks.values()):
        try:
            once(check, threads=benchmark.threads, device=device, ceilings=_ceilings(benchmark))
        except (OverCeilingError, BrokenCaseError) as error:
            failed[check] = {"broken": f"check: {str(error).splitlines()[-1]}"}
    return {name: failed[check] for name, check in benchmark.checks.items() if check in failed}


def _keep(path: Path, benchmark: Speed, point: Outcome, left_out: Outcomes) -> Outcome:
    """Put a point into the file, unless another run completed it there meanwhile; return the one that is there."""
    key = _key(point["size"])

    def change(results: dict[str, Any]) -> dict[str, Any]:
        points = _points(results)
        if not _is_complete(points.get(key, {}), benchmark, left_out):
            points[key] = point
        order = dict.fromkeys([*map(_key, benchmark.sizes), *points])
        return results | {"title": benchmark.title, "points": [points[one] for one in order if one in points]}

    return _points(update(path, change))[key]


def _is_complete(point: Outcome, benchmark: Speed, left_out: Outcomes) -> bool:
    """Whether each case has its turns, is over a ceiling, or would be left out with the same words."""
    outcomes = point.get("cases", {})
    return all(
        name in outcomes
        and (
            _turns(outcomes[name]) >= benchmark.repeats
            or _is_over(outcomes[name])
            or outcomes[name] == left_out.get(name)
        )
        for name in benchmark.cases
    )


def _to_drop(point: Outcome) -> Outcomes:
    """Return what is said of cases at the sizes that follow one at which they broke a ceiling."""
    return {name: {"over": f"not tried: {one['over']}"} for name, one in point["cases"].items() if _is_over(one)}


def _turns(outcome: Outcome) -> int:
    return outcome.get("wall", {}).get("n", 0)


def _is_over(outcome: Outcome) -> bool:
    return not outcome.get("over", "not tried").startswith("not tried")


def _gave_up(outcome: Outcome) -> bool:
    return "over" in outcome or "broken" in outcome


def _ceilings(benchmark: Speed) -> Ceilings:
    return Ceilings(benchmark.seconds, benchmark.gigabytes)


def _spread(seconds: tuple[float, ...]) -> dict[str, float]:
    """Summarise seconds as milliseconds."""
    low, middle, high = (1e3 * of(seconds) for of in (min, statistics.median, max))
    return {"median": middle, "min": low, "max": high, "n": len(seconds)}


def _points(results: dict[str, Any]) -> dict[tuple[tuple[str, int], ...], Outcome]:
    return {_key(point["size"]): point for point in results.get("points", [])}


def _key(size: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(size.items())


def _rotated(racers: list[_Racer], by: int) -> list[_Racer]:
    start = by % len(racers) if racers else 0
    return racers[start:] + racers[:start]
