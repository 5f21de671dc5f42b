"""One target of a comparison, drawn: what was, what would have been forecast of it, and what comes next."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from darts import TimeSeries
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from darts_tsformers.explain.pictures.canvas import BLACK, BLUE, GREY, ORANGE

_HISTORY = 6
_MIN_STEPS = 48


def draw_target(
    axes: Axes,
    target: TimeSeries,
    windows: Sequence[TimeSeries],
    window_quantiles: Mapping[float, Sequence[TimeSeries]],
    forecast: TimeSeries,
    quantiles: Mapping[float, TimeSeries],
) -> None:
    """Draw the last part of a series, forecasts of windows held back, and the forecast; all have this one component."""
    history = target[max(0, len(target) - max(_HISTORY * len(forecast), _MIN_STEPS)) :]
    observed = history.values(copy=False).ravel()
    axes.plot(history.time_index, observed, color=BLACK, linewidth=1.2, label="observed")
    axes.plot(history.time_index, _isolated(observed), color=BLACK, linestyle="none", marker=".", markersize=3)

    shown = [k for k, window in enumerate(windows) if window.start_time() >= history.start_time()]
    for k in shown:
        label = "backtest on held-back data" if k == shown[0] else None
        axes.plot(*_line(windows[k]), color=BLUE, linewidth=1.4, linestyle=(0, (4, 1.5)), label=label)
        _fill(axes, {q: several[k] for q, several in window_quantiles.items()}, color=BLUE)
    _fill(axes, quantiles, color=ORANGE, label="quantiles")
    axes.plot(*_line(forecast, after=target), color=ORANGE, linewidth=1.8, label="forecast")
    axes.axvline(target.end_time(), color=GREY, linewidth=0.8)
    _dress(axes, str(target.components[0]), target.time_index)


def _fill(axes: Axes, quantiles: Mapping[float, TimeSeries], *, color: str, label: str | None = None) -> None:
    """Fill between the outermost quantiles, if there are two."""
    if len(quantiles) < 2:
        return
    low, high = min(quantiles), max(quantiles)
    times, lower = _line(quantiles[low])
    said = label and f"{label} {low:g} to {high:g}"
    axes.fill_between(times, lower, _line(quantiles[high])[1], color=color, alpha=0.2, linewidth=0, label=said)


def _dress(axes: Axes, name: str, times: pd.Index) -> None:
    axes.set_ylabel(name, fontsize=11, parse_math=False)
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
    if isinstance(times, pd.DatetimeIndex):
        locator = AutoDateLocator(minticks=4, maxticks=9)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _line(series: TimeSeries, after: TimeSeries | None = None) -> tuple[pd.Index, np.ndarray]:
    """Return times and values, joined to the last value of the series it comes after."""
    times, values = series.time_index, series.values(copy=False).ravel()
    if after is None:
        return times, values
    return times.insert(0, after.end_time()), np.insert(values, 0, after.values(copy=False)[-1, 0])


def _isolated(values: np.ndarray) -> np.ndarray:
    """Keep the values without a neighbour, which a line does not show; NaN elsewhere."""
    missing = np.isnan(np.pad(values, 1, constant_values=np.nan))
    return np.where(missing[:-2] & missing[2:], values, np.nan)
