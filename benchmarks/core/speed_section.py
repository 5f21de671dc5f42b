"""What the report says of a benchmark of speed."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.core import plots
from benchmarks.core.figures import BUSY, exponent, of_case
from benchmarks.core.process import TURN
from benchmarks.core.sizes import named, several, varied
from benchmarks.core.speed import Speed
from benchmarks.core.tables import number, table

Point = dict[str, Any]

CLOCKS = {"processor": "Processor time of the one thread", "wall": "Time by the clock"}
MARK = r"\*"
MARKED = (
    f"A size with {MARK} was measured while the one thread had to wait for the processor: by the clock a case took "
    f"more than {BUSY} times its processor time, which is what counts."
)


def section(benchmark: Speed, points: Sequence[Point], folder: Path) -> list[str]:
    """Lay out times and memory, draw them into a folder, and say how they were taken and what is missing."""
    along = varied(_sizes(points))
    parts = [_laid_out(points, benchmark, what, unit) for what, unit in (("time", "ms"), ("memory", "MB"))]
    if along and len(points) > 2:
        plots.lines(points, list(benchmark.cases), along, folder / f"{benchmark.name}.png")
        parts.append(f"![{benchmark.title}]({benchmark.name}.png)")
    return [*parts, " ".join(filter(None, (_clock(points), _spread(points), _repeated(points)))), _blanks(points)]


def was_busy(point: Point) -> bool:
    """Whether a case on one thread had to wait for the processor."""
    both = [(one["wall"]["median"], one["processor"]["median"]) for one in point["cases"].values() if "wall" in one]
    return point["clock"] == "processor" and any(wall > BUSY * processor for wall, processor in both)


def _laid_out(points: Sequence[Point], benchmark: Speed, what: str, unit: str) -> str:
    along = varied(_sizes(points))
    rows = []
    for name in benchmark.cases:
        values = [of_case(point, what, name) for point in points]
        if all(value is None for value in values):
            continue
        slope = exponent(what, name, along=along)({"points": points}) if along else None
        rows.append([name, *map(number, values), *([number(slope)] if along else [])])
    if not rows:
        return ""
    sizes = [named(point["size"], _sizes(points)) + _mark(point, what) for point in points]
    return table([f"{what}, {unit}", *sizes, *(["exponent"] if along else [])], rows)


def _mark(point: Point, what: str) -> str:
    return f" {MARK}" if what == "time" and was_busy(point) else ""


def _clock(points: Sequence[Point]) -> str:
    """Say on which clock times are, and how busy the machine was."""
    said = " and ".join(CLOCKS[clock] for clock in dict.fromkeys(point["clock"] for point in points))
    loads = [point["load"] for point in points if "load" in point]
    return said + (f", at a load of at most {max(loads):.1f}." if loads else ".")


def _repeated(points: Sequence[Point]) -> str:
    """Say how steps shorter than a turn were measured."""
    short = [point for point in points if any(wall < TURN for wall in _walls(point))]
    once = [named(point["size"], _sizes(points)) for point in short if "turn" not in point]
    said = [f"A step shorter than {TURN:g} s is repeated for as long in each turn."] if len(short) > len(once) else []
    said += [f"Not repeated in a turn, though as short: at {'; '.join(once)}."] if once else []
    return " ".join(said)


def _walls(point: Point) -> list[float]:
    """Return the seconds of all cases by the clock."""
    return [outcome["wall"]["median"] / 1e3 for outcome in point["cases"].values() if "wall" in outcome]


def _spread(points: Sequence[Point]) -> str:
    """Say how far the turns of a case lie apart, and of what there was one turn."""
    turns = {
        f"{name} at {named(point['size'], _sizes(points))}": found
        for point in points
        for name, outcome in point["cases"].items()
        if "n" in (found := outcome.get(point["clock"], {}))
    }
    once = [name for name, found in turns.items() if found["n"] == 1]
    apart = {name: (found["max"] - found["min"]) / found["median"] for name, found in turns.items() if found["n"] > 1}
    return " ".join(said for said in (_widest(apart), _one_turn(once, turns)) if said)


def _widest(apart: dict[str, float]) -> str:
    if not apart:
        return ""
    widest = max(apart, key=apart.__getitem__)
    return (
        f"From the fastest turn of a case to its slowest it is {statistics.median(apart.values()):.0%} of the middle "
        f"one in the median, at most {apart[widest]:.0%} ({widest})."
    )


def _one_turn(once: Sequence[str], among: Iterable[str]) -> str:
    if not once:
        return ""
    return "Each figure is of one turn." if len(once) == len(list(among)) else f"Of one turn: {'; '.join(once)}."


def _blanks(points: Sequence[Point]) -> str:
    """Say why times are missing, and where, case by case."""
    names = dict.fromkeys(name for point in points for name in point["cases"])
    found = [said for name in names if (said := _blanks_of(name, points))]
    return "Not measured: " + "; ".join(found) + "." if found else ""


def _blanks_of(name: str, points: Sequence[Point]) -> str:
    sizes: dict[str, list[dict[str, int]]] = {}
    for point in points:
        if of_case(point, "time", name) is None:
            sizes.setdefault(_why(point["cases"].get(name)), []).append(point["size"])
    reasons = [
        f"at {several(each, _sizes(points))}: {'not tried' if _is_said(why, sizes) else why}"
        for why, each in sizes.items()
    ]
    return f"{name} {', '.join(reasons)}" if reasons else ""


def _why(outcome: dict[str, Any] | None) -> str:
    return "not run yet" if outcome is None else reason(outcome)


def _is_said(why: str, others: Iterable[str]) -> bool:
    return why.removeprefix("not tried: ") in others and why.startswith("not tried: ")


def reason(outcome: dict[str, Any]) -> str:
    """Return why a case came to nothing."""
    return outcome.get("over") or outcome["broken"].splitlines()[-1]


def _sizes(points: Iterable[Point]) -> list[dict[str, int]]:
    return [point["size"] for point in points]
