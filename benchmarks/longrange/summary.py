"""What came of the suite: by mechanism its errors, its time and its memory, as rows, tables, a picture and words."""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.core import plots
from benchmarks.core.goals import Figures
from benchmarks.core.tables import table
from benchmarks.longrange.cases import COST
from benchmarks.longrange.tasks import SEASONAL, TASKS

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

    def mean(self, tasks: Iterable[str] = TO_FORECAST) -> float | None:
        """Return the mean error over tasks, if it has all of them."""
        found = [self.errors.get(task) for task in tasks]
        return None if None in found else statistics.mean(found)


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


def summary(figures: Figures) -> str:
    """Lay out a table for each length, causal forms apart."""
    return "\n\n".join(tables(rows(figures)))


def tables(found: Sequence[Row]) -> Iterator[str]:
    """Lay out a table for each length and form, each after a line that names it."""
    for length, causal in dict.fromkeys((row.length, row.causal) for row in found):
        yield f"{length:,} steps, {'causal' if causal else 'every step sees all others'}:"
        yield tabulated([row for row in found if (row.length, row.causal) == (length, causal)])


def tabulated(found: Iterable[Row]) -> str:
    """Lay out a row a mechanism, the lowest mean error first."""
    ordered = sorted(found, key=lambda row: math.inf if row.mean() is None else row.mean())
    head = ["error", *TASKS, "mean", "time / exact", "MB"]
    return table(head, ([row.label, *map(_short, _numbers(row))] for row in ordered))


def _numbers(row: Row) -> list[float | None]:
    return [*(row.errors.get(task) for task in TASKS), row.mean(), row.time, row.megabytes]


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def picture(figures: Figures, path: Path) -> None:
    """Draw mean error against time, at the shortest length, of what is not causal."""
    places = {row.label: (row.time, row.mean()) for row in ranked(figures)}
    plots.places(places, "time of a training step / with exact attention", "mean error, share of the variance", path)


def ranked(figures: Figures, tasks: Sequence[str] = TO_FORECAST) -> list[Row]:
    """Return what is not causal at the shortest length and has all these tasks, the lowest mean error first."""
    found = rows(figures)
    shortest = min((row.length for row in found), default=0)
    ours = [row for row in found if row.length == shortest and not row.causal]
    return sorted((row for row in ours if row.time and row.mean(tasks) is not None), key=lambda r: r.mean(tasks))


def told(figures: Figures) -> str:
    """Say in three sentences what the figures at the shortest length say; nothing where no mechanism has all."""
    found = ranked(figures)
    if not found:
        return ""
    first, quickest = found[0], min(found, key=lambda row: row.time)
    exact = next((row for row in found if row.mechanism == "full"), first)
    season = ranked(figures, SEASONAL)[0]
    return (
        f"At {first.length:,} steps `{first.mechanism}` has the lowest mean error, {_cost(first)}; exact attention has "
        f"{exact.mean():.2f}. The quickest is `{quickest.mechanism}`, with {_cost(quickest)}. On the series with a "
        f"season, `{season.label}` has the lowest error, {_cost(season, SEASONAL)}."
    )


def _cost(row: Row, tasks: Sequence[str] = TO_FORECAST) -> str:
    return f"{row.mean(tasks):.2f} in {row.time:.2f} of the time of exact attention"
