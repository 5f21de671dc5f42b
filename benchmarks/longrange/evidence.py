"""What ``suggest_attention`` rests on, taken from the results of the suite."""

from pathlib import Path
from typing import Any

from benchmarks.core.goals import Figures
from benchmarks.core.store import load
from benchmarks.longrange.cases import cases
from benchmarks.longrange.summary import TO_FORECAST, Row, rows
from benchmarks.longrange.tasks import SEASONAL

SHIPPED = Path(__file__).parents[2] / "darts_tsformers" / "recommendation" / "mechanisms.json"


def collect(results: Path) -> dict[str, Any]:
    """Return the errors and costs of the lengths and forms, causal or not, that were run in full."""
    figures = load(results / "long_range.json")
    left_out = unfinished(figures)
    whole = [row for row in rows(figures) if (row.length, row.causal) not in left_out]
    return {
        "tasks": TO_FORECAST,
        "seasonal": list(SEASONAL),
        "errors": [
            named(row) | {"errors": {task: round(error, 4) for task, error in row.errors.items()}}
            for row in whole
            if row.errors
        ],
        "costs": [
            named(row) | {"time": round(row.time, 3), "megabytes": round(row.megabytes, 2)}
            for row in whole
            if row.time is not None
        ],
    }


def named(row: Row) -> dict[str, Any]:
    """Return what a row is of."""
    return {name: getattr(row, name) for name in ("length", "causal", "mechanism", "season_as")}


def unfinished(figures: Figures) -> set[tuple[int, bool]]:
    """Return the lengths and forms that lack a case of a mechanism that was run at all."""
    run = figures.get("cases", {})
    known = {(row.mechanism, row.season_as) for row in rows(figures)}
    return {
        (one.length, one.causal)
        for one in cases()
        if (one.mechanism, one.season_as) in known and not run.get(one.name, {}).keys() & {"result", "over"}
    }
