"""The picture of a comparison: what was, what the model would have said, and what it says now."""

from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from darts_tsformers.workflow.comparison import Comparison

_MAX_PANELS = 8
_HISTORY = 6
_MIN_STEPS = 48
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
_BLACK, _ORANGE, _BLUE, _GREY = "#1a1a1a", "#d55e00", "#0072b2", "#8c8c8c"
"""From the palette of Okabe and Ito, which colour-blind readers can tell apart."""


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
        _draw_panel(axes, comparison, name)
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


def _draw_panel(axes: Axes, comparison: Comparison, name: str) -> None:
    target, horizon = comparison.table.target[name], comparison.settings.horizon
    first_drawn = max(0, len(target) - max(_HISTORY * horizon, _MIN_STEPS))
    history = target[first_drawn:]
    axes.plot(history.time_index, history.values().ravel(), color=_BLACK, linewidth=1.2, label="observed")

    alone = _isolated(history.values().ravel())
    axes.plot(history.time_index, alone, color=_BLACK, linestyle="none", marker=".", markersize=3)

    tested = [one for one in comparison.backtests[comparison.best] if one.start_time() >= history.start_time()]
    for position, window in enumerate(tested):
        label = "backtest on held-back data" if position == 0 else None
        axes.plot(*_line(window, name), color=_BLUE, linewidth=1.4, linestyle=(0, (4, 1.5)), label=label)
    _draw_bands(axes, comparison, name, tested)

    axes.plot(*_line(comparison.forecast, name, after=target), color=_ORANGE, linewidth=1.8, label="forecast")
    axes.axvline(target.end_time(), color=_GREY, linewidth=0.8)
    axes.set_ylabel(name, fontsize=11, parse_math=False)
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
    if isinstance(target.time_index, pd.DatetimeIndex):
        locator = AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _draw_bands(axes: Axes, comparison: Comparison, name: str, tested: list[TimeSeries]) -> None:
    quantiles = comparison.settings.quantiles
    if len(quantiles) < 2:
        return
    low, high = quantiles[0], quantiles[-1]
    backtests = comparison.backtest_quantiles
    pairs = list(zip(backtests[low], backtests[high], strict=True))[-len(tested) :] if tested else []
    for lower, upper in pairs:
        _fill(axes, lower, upper, name, color=_BLUE, label=None)
    lower, upper = comparison.forecast_quantiles[low], comparison.forecast_quantiles[high]
    _fill(axes, lower, upper, name, color=_ORANGE, label=f"quantiles {low:g} to {high:g}")


def _fill(axes: Axes, lower: TimeSeries, upper: TimeSeries, name: str, *, color: str, label: str | None) -> None:
    times, low = _line(lower, name)
    axes.fill_between(times, low, _line(upper, name)[1], color=color, alpha=0.2, linewidth=0, label=label)


def _line(series: TimeSeries, name: str, after: TimeSeries | None = None) -> tuple[pd.Index, np.ndarray]:
    """Return times and values of a component, joined to the last value of the series it comes after."""
    times, values = series.time_index, series[name].values().ravel()
    if after is None:
        return times, values
    return times.insert(0, after.end_time()), np.insert(values, 0, after.values()[-1, 0])


def _isolated(values: np.ndarray) -> np.ndarray:
    """Keep the values without a neighbour, which a line does not show; NaN elsewhere."""
    missing = np.isnan(np.pad(values, 1, constant_values=np.nan))
    return np.where(missing[:-2] & missing[2:], values, np.nan)


def step_name(freq: pd.DateOffset | int) -> str:
    """Say in words how long a step is: ``"1 month"``, ``"30 minutes"``; pandas' name for what has no word."""
    if isinstance(freq, int):
        return str(freq)
    code = freq.rule_code.split("-")[0]
    unit = _UNITS.get(code)
    if unit is None:
        return str(freq.freqstr)
    return f"{freq.n} {unit}" if freq.n == 1 else f"{freq.n} {unit}s"
