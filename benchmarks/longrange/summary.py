"""What came of the suite: by mechanism its errors, its time and its memory, as rows, tables, a picture and words."""

import itertools
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.core import plots
from benchmarks.core.goals import Figures
from benchmarks.core.tables import table
from benchmarks.longrange.cases import COST, cases
from benchmarks.longrange.tasks import SEASONAL, TASKS
from benchmarks.longrange.training import EXACT

NOTHING = "noise"
"""The task in which there is nothing to forecast."""
TO_FORECAST = [task for task in TASKS if task != NOTHING]


class Row(NamedTuple):
    """All that was measured of a mechanism at a length."""

    length: int
    causal: bool
    mechanism: str
    season_as: str | None
    errors: dict[str, float]
    time: float | None
    """Of a training step, as a share of what it takes with exact attention."""
    megabytes: float | None

    @property
    def label(self) -> str:
        """What tables call it."""
        return f"{self.mechanism}, {self.season_as} = season" if self.season_as else self.mechanism

    def mean(self, tasks: Sequence[str]) -> float | None:
        """Return the mean error over tasks, if there are any and it has all of them."""
        has_all = tasks and self.errors.keys() >= set(tasks)
        return statistics.mean(self.errors[task] for task in tasks) if has_all else None


def rows(figures: Figures) -> list[Row]:
    """Put together what belongs to one mechanism, in the order of the cases."""
    found: dict[tuple[Any, ...], Row] = {}
    for case in figures.get("cases", {}).values():
        if "result" in case:
            one = case["result"]
            key = tuple(one[name] for name in Row._fields[:4])
            row = found.get(key, Row(*key, {}, None, None))
            if one["task"] == COST:
                found[key] = row._replace(time=one["time"], megabytes=one["megabytes"])
            else:
                found[key] = row._replace(errors=row.errors | {one["task"]: one["error"]})
    return list(found.values())


def unfinished(figures: Figures) -> set[tuple[int, bool, str]]:
    """Return length, form and task of each case that lacks an outcome, of mechanisms that were run at all."""
    run = figures.get("cases", {})
    known = {(row.mechanism, row.season_as) for row in rows(figures)}
    return {
        (one.length, one.causal, one.task)
        for one in cases()
        if (one.mechanism, one.season_as) in known and not run.get(one.name, {}).keys() & {"result", "over"}
    }


def compared(figures: Figures, length: int, causal: bool, tasks: Iterable[str] = TO_FORECAST) -> list[str]:
    """Return the tasks that all mechanisms were tried on."""
    lacking = unfinished(figures)
    return [task for task in tasks if (length, causal, task) not in lacking]


def summary(figures: Figures) -> str:
    """Lay out a table for each length, causal forms apart."""
    return "\n\n".join(tables(figures, dict.fromkeys(row.length for row in rows(figures))))


def tables(figures: Figures, lengths: Iterable[int]) -> Iterator[str]:
    """Lay out a table for each of these lengths and each form, after a line that names it."""
    found = rows(figures)
    for length, causal in itertools.product(lengths, (False, True)):
        some = [row for row in found if (row.length, row.causal) == (length, causal)]
        if some:
            yield f"{length:,} steps, {'causal' if causal else 'every step sees all others'}:"
            yield tabulated(some, compared(figures, length, causal))


def tabulated(found: Iterable[Row], tasks: Sequence[str]) -> str:
    """Lay out a row a mechanism, the lowest mean error over these tasks first."""
    ordered = sorted(found, key=lambda row: math.inf if row.mean(tasks) is None else row.mean(tasks))
    head = ["error", *TASKS, "mean", "time / exact", "MB"]
    return table(head, ([row.label, *map(_short, _numbers(row, tasks))] for row in ordered))


def _numbers(row: Row, tasks: Sequence[str]) -> list[float | None]:
    return [*(row.errors.get(task) for task in TASKS), row.mean(tasks), row.time, row.megabytes]


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def picture(figures: Figures, path: Path) -> None:
    """Draw mean error against time, at the shortest length, of what is not causal."""
    places = {row.label: (row.time, mean) for row, mean in ranked(figures)}
    plots.places(places, "time of a training step / with exact attention", "mean error, share of the variance", path)


def ranked(figures: Figures, tasks: Iterable[str] = TO_FORECAST) -> list[tuple[Row, float]]:
    """Return what is not causal at the shortest length, with its mean error over these tasks, the lowest first."""
    found = rows(figures)
    shortest = min((row.length for row in found), default=0)
    counted = compared(figures, shortest, False, tasks)
    means = [(row, row.mean(counted)) for row in found if row.length == shortest and not row.causal and row.time]
    return sorted(((row, mean) for row, mean in means if mean is not None), key=lambda one: one[1])


def told(figures: Figures) -> str:
    """Say in three sentences what the figures at the shortest length say; nothing where there are none."""
    found = ranked(figures)
    exact = next((mean for row, mean in found if row.mechanism == EXACT), None)
    others, seasonal = (_without_exact(one) for one in (found, ranked(figures, SEASONAL)))
    if exact is None or not others or not seasonal:
        return ""
    best, least = others[0]
    quickest = min(others, key=lambda one: one[0].time)
    return (
        f"At {best.length:,} steps exact attention has a mean error of {exact:.2f}; of the others `{best.label}` has "
        f"the lowest, {least:.2f}, in {best.time:.2f} of its time. The quickest, `{quickest[0].label}`, has "
        f"{quickest[1]:.2f} in {quickest[0].time:.2f} of its time. Of the series with a season alone, "
        f"`{seasonal[0][0].label}` has the lowest error, {seasonal[0][1]:.2f} in {seasonal[0][0].time:.2f} of its time."
    )


def _without_exact(found: Iterable[tuple[Row, float]]) -> list[tuple[Row, float]]:
    return [(row, mean) for row, mean in found if row.mechanism != EXACT]
