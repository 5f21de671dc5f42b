"""The picture of a comparison: what was, what the model would have said, and what it says now."""

from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from darts_tsformers.workflow.comparison import Comparison

_MAX_PANELS = 8
_UNITS = {
    "s": "second",
    "min": "minute",
    "h": "hour",
    "D": "day",
    "B": "business day",
    "W": "week",
    "MS": "month",
    "ME": "month",
    "QS": "quarter",
    "QE": "quarter",
    "YS": "year",
    "YE": "year",
}


def draw(comparison: Comparison) -> Figure:
    """Draw one panel for each target, at most eight.

    Each shows the last part of the series, the forecasts of the held-back windows, the forecast, and the interval
    between the outermost quantiles if there are any.
    """
    names = [str(name) for name in comparison.table.target.components]
    shown = names[:_MAX_PANELS]
    figure = Figure(figsize=(10, 1.4 + 2.6 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, name in zip(panels, shown, strict=True):
        comparison.plot(axes, target=name, legend=False)
    step = step_name(comparison.table.target.freq)
    left_out = len(names) - len(shown)
    note = f"   ({left_out} of {len(names)} targets left out)" if left_out else ""
    figure.suptitle(
        f"{comparison.best}: forecast of {comparison.settings.horizon} steps of {step}{note}",
        fontsize=13,
        fontweight="bold",
    )
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=10)
    panels[-1].set_xlabel(f"{comparison.table.time_name} (one step: {step})", fontsize=11, parse_math=False)
    return figure


def save_picture(comparison: Comparison, path: Path) -> None:
    """Draw and write a PNG."""
    draw(comparison).savefig(path, dpi=150)


def step_name(freq: pd.DateOffset | int) -> str:
    """Say in words how long a step is: ``"1 month"``, ``"30 minutes"``; pandas' name for what has no word."""
    if isinstance(freq, int):
        return str(freq)
    code = freq.rule_code.split("-")[0]
    unit = _UNITS.get(code)
    if unit is None:
        return str(freq.freqstr)
    return f"{freq.n} {unit}" if freq.n == 1 else f"{freq.n} {unit}s"
