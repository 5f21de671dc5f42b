"""The report: what was aimed at and what was reached, then every table, written from the stored results alone."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.core.goals import Figures, Goal
from benchmarks.core.registered import Benchmark, finished, lacking, stored
from benchmarks.core.speed import Speed
from benchmarks.core.speed_section import MARKED, reason, section, was_busy
from benchmarks.core.tables import number, table
from benchmarks.core.trial import Trials
from benchmarks.core.where import where

Results = Mapping[str, Figures]
"""By the name of the benchmark."""

MET, MISSED, OPEN = "met", "**missed**", "not measured"


def write(
    benchmarks: Collection[Benchmark],
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
    by_name = stored(benchmarks, results)
    known = {name: finished(figures) for name, figures in by_name.items()}
    aimed = [(goal, known) for goal in goals] + [(goal, known[one.name]) for one in benchmarks for goal in one.goals]
    rows = [reached(goal, figures) for goal, figures in aimed]
    is_remarked = [bool(goal.remarked(figures)) for goal, figures in aimed]
    missed = [
        (goal.what, goal.reason(figures)) for (goal, figures), row in zip(aimed, rows, strict=True) if row[-1] == MISSED
    ]
    measured = [one for one in benchmarks if by_name[one.name]]
    folder.mkdir(parents=True, exist_ok=True)
    first = headline(known) if headline else ""
    sections = [
        "# What was measured",
        first,
        _contents([one.title for one in measured]),
        _goals(rows, is_remarked),
        _missed(missed),
        _not_run(benchmarks, by_name),
        _busy(by_name.values()),
    ]
    for benchmark in measured:
        sections += [f"## {benchmark.title}", benchmark.note, *_section(benchmark, by_name[benchmark.name], folder)]
    sections += ["## Where", where({one.name: by_name[one.name] for one in measured})]
    (folder / "README.md").write_text("\n\n".join(part for part in sections if part) + "\n")


def reached(goal: Goal, figures: Figures) -> list[str]:
    """Return a row: the goal, its bound, the figure and whether it is met."""
    value = goal.figure(figures)
    verdict = OPEN if value is None else MET if goal.is_met(value) else MISSED
    return [goal.what, goal.bound, number(value) + goal.remarked(figures), verdict]


def _contents(titles: Iterable[str]) -> str:
    """Link the sections, by the anchors that Markdown's readers make of titles."""
    dropped = str.maketrans("", "", ":,.'()")
    return (
        "Below: " + "; ".join(f"[{one}](#{one.lower().translate(dropped).replace(' ', '-')})" for one in titles) + "."
    )


def _goals(rows: list[list[str]], is_remarked: list[bool]) -> str:
    verdicts = [row[-1] for row in rows]
    remarked = sum(verdict == MET and said for verdict, said in zip(verdicts, is_remarked, strict=True))
    said = f"{verdicts.count(MET)} of {len(rows)} goals are met, {verdicts.count(MISSED)} are missed, "
    said += f"{verdicts.count(OPEN)} were not measured."
    if remarked:
        said += f" {remarked} of those met have a remark beside the figure that says what the comparison is worth."
    return "\n\n".join(["## Goals", said, table(["goal", "bound", "figure", ""], rows)])


def _missed(missed: list[tuple[str, str]]) -> str:
    """Say why, goals of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for what, why in missed:
        by_reason.setdefault(why, []).append(what)
    lines = [f"- {'; '.join(goals)}. {why}" for why, goals in by_reason.items()]
    return "\n\n".join(["### Why goals are missed", "\n".join(lines)]) if lines else ""


def _not_run(benchmarks: Collection[Benchmark], found: Results) -> str:
    """Name what was never run: benchmarks of which there is nothing together, of the others what they lack."""
    nothing = [one.name for one in benchmarks if not found[one.name]]
    lines = [f"- {', '.join(nothing)}: nothing was."] if nothing else []
    lines += [
        f"- {one.name}: {left}." for one in benchmarks if found[one.name] and (left := lacking(one, found[one.name]))
    ]
    return "\n\n".join(["### Not run yet", "\n".join(lines)]) if lines else ""


def _busy(found: Iterable[Figures]) -> str:
    points = [point for figures in found for point in figures.get("points", [])]
    return MARKED if any(map(was_busy, points)) else ""


def _section(benchmark: Benchmark, figures: Figures, folder: Path) -> list[str]:
    if isinstance(benchmark, Speed):
        return section(benchmark, figures["points"], folder)
    return _of_trials(benchmark, figures, folder)


def _of_trials(benchmark: Trials, figures: Figures, folder: Path) -> list[str]:
    missing = [f"{name}: {reason(case)}" for name, case in figures["cases"].items() if "result" not in case]
    said = "Not measured: " + "; ".join(missing) + "." if missing else ""
    return [_results(benchmark, finished(figures)), _drawn(benchmark, finished(figures), folder), said]


def _drawn(benchmark: Trials, figures: Figures, folder: Path) -> str:
    """Draw results, if there are any to be drawn."""
    if benchmark.picture is None or not figures["cases"]:
        return ""
    benchmark.picture(figures, folder / f"{benchmark.name}.png")
    return f"![{benchmark.title}]({benchmark.name}.png)"


def _results(benchmark: Trials, figures: Figures) -> str:
    """Lay out results, if there are any."""
    if not figures["cases"]:
        return ""
    return benchmark.summary(figures) if benchmark.summary else every_case(figures, benchmark.columns)


def every_case(figures: Figures, columns: Sequence[str] = ()) -> str:
    """Lay out each case in a row: the columns asked for, or all numbers."""
    results = {name: case["result"] for name, case in figures["cases"].items()}
    first = next(iter(results.values()))
    shown = columns or [key for key, value in first.items() if isinstance(value, int | float)]
    rows = [[name, *(_entry(result.get(column)) for column in shown)] for name, result in results.items()]
    return table(["case", *shown], rows)


def _entry(value: float | str | None) -> str:
    return value if isinstance(value, str) else number(value, 4)
