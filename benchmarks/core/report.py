"""The report: what was aimed at and what was reached, then every table, written from the stored results alone."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.core import plots
from benchmarks.core.figures import exponent, of_case
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.speed import Speed
from benchmarks.core.store import load
from benchmarks.core.tables import number, table
from benchmarks.core.trial import Trials

Benchmark = Speed | Trials
Results = Mapping[str, Figures]
"""By the name of the benchmark."""

MET, MISSED, OPEN = "met", "**missed**", "not measured"


def write(
    benchmarks: Iterable[Benchmark],
    results: Path,
    folder: Path,
    *,
    headline: Callable[[Results], str] | None = None,
    goals: Iterable[Goal] = (),
) -> None:
    """Write ``README.md`` and the pictures of all benchmarks that have results into a folder.

    Parameters
    ----------
    benchmarks
        In the order of the report.
    results
        Where their files are.
    folder
        Made where it is not there.
    headline
        Writes what comes first, from the results of all.
    goals
        Those that several benchmarks have together.
    """
    found = [(one, load(results / f"{one.name}.json")) for one in benchmarks]
    by_name = {one.name: figures for one, figures in found}
    aimed = [(goal, by_name) for goal in goals] + [(goal, figures) for one, figures in found for goal in one.goals]
    rows = [reached(goal, figures) for goal, figures in aimed]
    missed = [
        (goal.what, goal.reason(figures)) for (goal, figures), row in zip(aimed, rows, strict=True) if row[-1] == MISSED
    ]
    measured = [(one, figures) for one, figures in found if figures]
    folder.mkdir(parents=True, exist_ok=True)
    first = headline(by_name) if headline else ""
    sections = [
        "# What was measured",
        first,
        _contents([one.title for one, _ in measured]),
        _goals(rows),
        _missed(missed),
    ]
    for benchmark, figures in measured:
        is_speed = isinstance(benchmark, Speed)
        sections += [f"## {benchmark.title}", benchmark.note]
        sections += _of_speed(benchmark, figures, folder) if is_speed else _of_trials(benchmark, figures)
    sections += ["## Where", _environment(measured)]
    (folder / "README.md").write_text("\n\n".join(section for section in sections if section) + "\n")


def reached(goal: Goal, figures: Figures) -> list[str]:
    """Return a row: the goal, its bound, the figure and whether it is met."""
    value = goal.figure(figures)
    verdict = OPEN if value is None else MET if goal.is_met(value) else MISSED
    return [goal.what, goal.bound, number(value), verdict]


def _contents(titles: Iterable[str]) -> str:
    """Link the sections, by the anchors that Markdown's readers make of titles."""
    dropped = str.maketrans("", "", ":,.'()")
    return (
        "Below: " + "; ".join(f"[{one}](#{one.lower().translate(dropped).replace(' ', '-')})" for one in titles) + "."
    )


def _goals(rows: list[list[str]]) -> str:
    verdicts = [row[-1] for row in rows]
    said = f"{verdicts.count(MET)} of {len(rows)} goals are met, {verdicts.count(MISSED)} are missed, "
    said += f"{verdicts.count(OPEN)} were not measured."
    return "\n\n".join(["## Goals", said, table(["goal", "bound", "figure", ""], rows)])


def _missed(missed: list[tuple[str, str]]) -> str:
    """Say why, goals of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for what, why in missed:
        by_reason.setdefault(why, []).append(what)
    lines = [f"- {'; '.join(goals)}. {why}" for why, goals in by_reason.items()]
    return "\n\n".join(["### Why goals are missed", "\n".join(lines)]) if lines else ""


def _environment(measured: Iterable[tuple[Benchmark, Figures]]) -> str:
    """Say where the figures come from, and which from where."""
    machines: dict[str, list[str]] = {}
    for one, figures in measured:
        machine = ", ".join(f"{name} {value}" for name, value in sorted(_machine(figures).items()))
        machines.setdefault(machine, []).append(one.name)
    return "\n".join(f"- {', '.join(names)}: {machine}." for machine, names in machines.items())


def _machine(figures: Figures) -> dict[str, Any]:
    """Describe where figures were measured, on one processor or on several."""
    measured = [*figures.get("points", []), *figures.get("cases", {}).values()]
    processors = {one["processor"]: None for one in measured if "processor" in one}
    return figures["environment"] | ({"processor": " and ".join(processors)} if processors else {})


def _of_speed(benchmark: Speed, figures: Figures, folder: Path) -> list[str]:
    points = figures["points"]
    sections = [_laid_out(points, benchmark, what, unit) for what, unit in (("time", "ms"), ("memory", "MB"))]
    reasons = "\n\n".join(said for said in (_spread(points), _reasons(points)) if said)
    along = _varied(points)
    if along and len(points) > 2:
        plots.lines(points, list(benchmark.cases), along, folder / f"{benchmark.name}.png")
        sections.append(f"![{benchmark.title}]({benchmark.name}.png)")
    return [*sections, reasons]


def _laid_out(points: list[dict[str, Any]], benchmark: Speed, what: str, unit: str) -> str:
    along = _varied(points)
    rows = []
    for name in benchmark.cases:
        values = [of_case(point, what, name) for point in points]
        if all(value is None for value in values):
            continue
        slope = exponent(what, name, along=along)({"points": points}) if along else None
        rows.append([name, *map(number, values), *([number(slope)] if along else [])])
    if not rows:
        return ""
    head = [f"{what}, {unit}", *(_named(point["size"], points) for point in points), *(["exponent"] if along else [])]
    return table(head, rows)


def _spread(points: list[dict[str, Any]]) -> str:
    """Say how far the turns of a case lie apart."""
    found = {
        f"{name} at {_named(point['size'], points)}": (turns["max"] - turns["min"]) / turns["median"]
        for point in points
        for name, outcome in point["cases"].items()
        if (turns := outcome.get(point["clock"], {})).get("n", 1) > 1
    }
    if not found:
        return ""
    widest = max(found, key=found.__getitem__)
    return (
        f"From the fastest turn of a case to its slowest it is {statistics.median(found.values()):.0%} of the middle "
        f"one in the median, at most {found[widest]:.0%} ({widest})."
    )


def _reasons(points: list[dict[str, Any]]) -> str:
    """Say why figures are missing."""
    found = [
        f"{name} at {_named(point['size'], points)}: {_reason(outcome)}"
        for point in points
        for name, outcome in point["cases"].items()
        if "broken" in outcome or not outcome.get("over", "not tried").startswith("not tried")
    ]
    return "Not measured: " + "; ".join(found) + "." if found else ""


def _reason(outcome: dict[str, Any]) -> str:
    return outcome.get("over") or outcome["broken"].splitlines()[-1]


def _varied(points: list[dict[str, Any]]) -> str | None:
    """Return the only entry of the size that differs from point to point."""
    names = [name for name in points[0]["size"] if len({point["size"].get(name) for point in points}) > 1]
    return names[0] if len(names) == 1 else None


def _named(size: dict[str, int], points: list[dict[str, Any]]) -> str:
    """Name a size by what differs."""
    differing = [name for name in size if len({point["size"].get(name) for point in points}) > 1]
    return ", ".join(f"{name} {size[name]:,}" for name in differing or size)


def _of_trials(benchmark: Trials, figures: Figures) -> list[str]:
    missing = [f"{name}: {_reason(case)}" for name, case in figures["cases"].items() if "result" not in case]
    laid_out = benchmark.summary(figures) if benchmark.summary else every_case(figures, benchmark.columns)
    return [laid_out, "Not measured: " + "; ".join(missing) + "." if missing else ""]


def every_case(figures: Figures, columns: Sequence[str] = ()) -> str:
    """Lay out each case in a row: the columns asked for, or all numbers."""
    results = {name: case["result"] for name, case in figures["cases"].items() if "result" in case}
    first = next(iter(results.values()), {})
    shown = columns or [key for key, value in first.items() if isinstance(value, int | float)]
    rows = [[name, *(_entry(result.get(column)) for column in shown)] for name, result in results.items()]
    return table(["case", *shown], rows)


def _entry(value: float | str | None) -> str:
    return value if isinstance(value, str) else number(value, 4)
