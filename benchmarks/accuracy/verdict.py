"""Is the forecast that the workflow writes as good as the best of the methods it compares, on short series?

The last horizon of each series is held back from the workflow, its test part included, and every forecast it makes is
scored there.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

from darts import TimeSeries

from benchmarks.boards.files import archive
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.tables import number, table
from benchmarks.core.trial import Trials
from darts_tsformers.workflow import Table, compare
from darts_tsformers.workflow.names import ENSEMBLE, NAIVE
from darts_tsformers.workflow.scores import score

WRITTEN, OWN, SINGLE = "written", "forecaster", "best single method"


def series(file: str, position: int, step: str = "", how: str = "mean") -> TimeSeries:
    """Return a series of the Monash archive, binned by a step if one is given, without bins that are not full."""
    binning = {"step": step, "how": how, "drop": "both"} if step else {}
    return archive(f"{file}_dataset.tsf", **binning)[position].target


def births(step: str) -> TimeSeries:
    return series("us_births", 0, step, "sum")


SERIES: dict[str, tuple[Callable[[], TimeSeries], int]] = {
    **{f"hospital {k}, months": (partial(series, "hospital", k), 12) for k in (0, 250, 500)},
    **{f"tourism {k}, months": (partial(series, "tourism_monthly", k), 24) for k in (0, 120, 240)},
    **{f"fred_md {k}, months": (partial(series, "fred_md", k), 12) for k in (0, 35, 70)},
    **{f"fred_md {k}, years": (partial(series, "fred_md", k, "YS"), 4) for k in (10, 50)},
    "births, months": (partial(births, "MS"), 12),
    "river, months": (partial(series, "saugeenday", 0, "MS"), 12),
    "river, years": (partial(series, "saugeenday", 0, "YS"), 4),
}


def trial(read: Callable[[], TimeSeries], horizon: int) -> dict[str, Any]:
    """Compare on all but the last horizon, and score each forecast there."""
    whole = read()
    found = compare(Table(whole[:-horizon]), horizon, quantiles=(0.1, 0.5, 0.9), verbose=False)
    errors = {
        label: score([forecast], whole, found.settings.season)["MASE"] for label, forecast in found.forecasts.items()
    }
    truth = whole[-horizon:].values(copy=False)
    low, high = (found.forecast_quantiles[q].values(copy=False) for q in (0.1, 0.9))
    return {
        "best": found.best,
        "rows": len(whole) - horizon,
        "look-back": found.settings.lookback,
        WRITTEN: errors[found.best],
        OWN: errors[found.name],
        "held by 80 %": float(((low <= truth) & (truth <= high)).mean()),
        "errors": {OWN if label == found.name else label: error for label, error in errors.items()},
        "weights": {OWN if label == found.name else label: weight for label, weight in found.weights.items()},
        "windows learnt on": len(found.settings.split.ensemble_windows),
    }


def means(figures: Figures) -> dict[str, float]:
    """Return geometric means of MASE over the series: of what is written, and of each method that all of them have."""
    found = [case["result"] for case in figures.get("cases", {}).values() if "result" in case]
    if not found:
        return {}
    columns = [one["errors"] | {WRITTEN: one[WRITTEN]} for one in found]
    common = [label for label in columns[0] if all(label in column for column in columns)]
    return {label: statistics.geometric_mean(column[label] for column in columns) for label in common}


def of_best_single(figures: Figures) -> float | None:
    """Return what is written as a multiple of the single method with the lowest mean."""
    found = means(figures)
    singles = [mean for label, mean in found.items() if label not in (WRITTEN, ENSEMBLE)]
    return found[WRITTEN] / min(singles) if found else None


def summary(figures: Figures) -> str:
    """Lay out the means, and a row a series."""
    found = means(figures)
    rows = [[label, number(mean), number(mean / found[NAIVE])] for label, mean in sorted(found.items(), key=_mean)]
    cases = {name: case["result"] for name, case in figures.get("cases", {}).items() if "result" in case}
    shown = ["rows", "windows learnt on", "look-back", WRITTEN, OWN, "held by 80 %"]
    of_series = [[name, one["best"], *(number(one[what]) for what in shown)] for name, one in cases.items()]
    return "\n".join(
        [
            table(["geometric mean of MASE", "MASE", f"of {NAIVE}"], rows),
            table(["series", "written is", *shown], of_series),
        ]
    )


def _mean(item: tuple[str, float]) -> float:
    return item[1]


BENCHMARKS = [
    Trials(
        name="verdict",
        title="What the workflow writes, on short series",
        cases={name: partial(trial, read, horizon) for name, (read, horizon) in SERIES.items()},
        goals=[
            Goal(
                "Short series: MASE of what the workflow writes / that of the best single method, geometric means",
                of_best_single,
                at_most=1.02,
            )
        ],
        summary=summary,
        note="The last horizon of each series is held back from the workflow, which chooses by windows before its own "
        "test part. The forecaster is the one that `recommend` puts first.",
    )
]
