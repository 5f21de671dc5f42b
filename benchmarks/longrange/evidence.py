"""What ``suggest_attention`` rests on, taken from the results of the suite."""

from pathlib import Path
from typing import Any

from benchmarks.core.goals import Figures
from benchmarks.core.store import load
from benchmarks.longrange.cases import COST, cases
from benchmarks.longrange.summary import TO_FORECAST, Row, rows
from benchmarks.longrange.tasks import SEASONAL

SHIPPED = Path(__file__).parents[2] / "darts_tsformers" / "recommendation" / "mechanisms.json"


def collect(results: Path) -> dict[str, Any]:
    """Return the errors and the costs of the lengths and forms, causal or not, of which all were measured."""
    figures = load(results / "long_range.json")
    found = rows(figures)
    lacks_errors, lacks_costs = (unfinished(figures, costs=costs) for costs in (False, True))
    return {
        "tasks": TO_FORECAST,
        "seasonal": list(SEASONAL),
        "errors": [
            named(row) | {"errors": {task: round(error, 4) for task, error in row.errors.items()}}
            for row in found
            if row.errors and (row.length, row.causal) not in lacks_errors
        ],
        "costs": [
            named(row) | {"time": round(row.time, 3), "megabytes": round(row.megabytes, 2)}
            for row in found
            if row.time is not None and (row.length, row.causal) not in lacks_costs
        ],
    }


def named(row: Row) -> dict[str, Any]:
    """Return what a row is of."""
    return {name: getattr(row, name) for name in ("length", "causal", "mechanism", "season_as")}


def unfinished(figures: Figures, *, costs: bool) -> set[tuple[int, bool]]:
    """Return the lengths and forms that lack an error, or a cost, of a mechanism that was run at all."""
    run = figures.get("cases", {})
    known = {(row.mechanism, row.season_as) for row in rows(figures)}
    return {
        (one.length, one.causal)
        for one in cases()
        if (one.mechanism, one.season_as) in known
        and (one.task == COST) == costs
        and not run.get(one.name, {}).keys() & {"result", "over"}
    }
