"""What ``suggest_attention`` rests on, taken from the results of the suite."""

from pathlib import Path
from typing import Any

from benchmarks.core.store import load
from benchmarks.longrange.cases import COST
from benchmarks.longrange.summary import TO_FORECAST, Row, rows, unfinished
from benchmarks.longrange.tasks import SEASONAL

SHIPPED = Path(__file__).parents[2] / "darts_tsformers" / "recommendation" / "mechanisms.json"


def collect(results: Path) -> dict[str, Any]:
    """Return errors and costs, at each length and form on the tasks that all mechanisms went through there."""
    figures = load(results / "long_range.json")
    found, lacking = rows(figures), unfinished(figures)

    def is_whole(row: Row, task: str) -> bool:
        return (row.length, row.causal, task) not in lacking

    errors = [(row, {task: round(e, 4) for task, e in row.errors.items() if is_whole(row, task)}) for row in found]
    return {
        "tasks": TO_FORECAST,
        "seasonal": list(SEASONAL),
        "errors": [named(row) | {"errors": each} for row, each in errors if each],
        "costs": [
            named(row) | {"time": round(row.time, 3), "megabytes": round(row.megabytes, 2)}
            for row in found
            if row.time is not None and is_whole(row, COST)
        ],
    }


def named(row: Row) -> dict[str, Any]:
    """Return what a row is of."""
    return {name: getattr(row, name) for name in ("length", "causal", "mechanism", "season_as")}
