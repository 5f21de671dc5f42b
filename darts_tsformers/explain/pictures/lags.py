"""What is known by lag or period, as lines and stems."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain import findings, patterns
from darts_tsformers.explain.pictures.canvas import (
    BLUE,
    GREY,
    ORANGE,
    Canvas,
    figure_of,
    plain,
    windows_in_words,
)
from darts_tsformers.explain.pictures.heat_maps import chosen_map, values_of
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.spectra import period_weights
from darts_tsformers.explain.windows import duration

_MAX_PERIODS = 12
_WIDE = 16  # longest over shortest period, from which on octaves get the same room

Marks = list[tuple[float, str]]


def lags(e: Recorded, *, layer: str | None = None, head: int | None = None, ax: Axes | None = None) -> Canvas:
    """Draw attention, the correlation at each delay, or the weight of delays or modes, by lag."""
    by_kind = {kind: e.parts.get(kind, {}) for kind in ("modes", "delays", "correlation")}
    paths = list(dict.fromkeys(path for parts in by_kind.values() for path in parts))
    figure = figure_of(9, 4, ax)
    axes = figure.subplots()
    if not paths:
        path, found, which = _attention_line(e, axes, layer, head)
    else:
        path, which = paths[-1] if layer is None else layer, windows_in_words(e)
        require_one_of(paths, layer=path)
        if head is not None:
            raise ValueError(f"head={head} needs attention maps: {path!r} has its lags or periods for all heads")
        found = _correlation_line(e, axes, path) if path in by_kind["correlation"] else _stems(e, axes, path)
    for lag, words in found:
        axes.axvline(lag, color=ORANGE, linewidth=1.2, linestyle="--", label=words)
    what = "period" if path in by_kind["modes"] else "lag"
    axes.set_xlabel(f"{what} in steps (one step: {duration(1, e.freq)})")
    plain(axes)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(loc="outside lower center", frameon=False, ncols=2)
    figure.suptitle(f"{e.model}: {path}\nby {what}, {which}", fontsize=12, parse_math=False)
    return figure


def _stems(e: Recorded, axes: Axes, path: str) -> Marks:
    """Draw the share of weight of each delay or mode."""
    modes = e.parts.get("modes", {})
    weights = period_weights(modes[path] if path in modes else e.parts["delays"][path])
    axes.vlines(weights.index, 0, weights.to_numpy(), color=BLUE, linewidth=2)
    axes.plot(weights.index, weights.to_numpy(), "o", color=BLUE, markersize=4)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_ylabel("share of the weight")
    axes.set_ylim(bottom=0)
    if not len(weights):
        return []
    if path in modes and weights.index[-1] >= _WIDE * weights.index[0]:
        _by_octaves(axes, weights.index.to_numpy(dtype=float))
    most = float(weights.index[int(weights.to_numpy().argmax())])
    return [(most, f"most weight: {duration(most, e.freq)}")]


def _by_octaves(axes: Axes, periods: np.ndarray) -> None:
    axes.set_xscale("log", base=2)
    shown = 2.0 ** np.arange(np.ceil(np.log2(periods[0])), np.floor(np.log2(periods[-1])) + 1)
    axes.xaxis.set_major_locator(FixedLocator(shown.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda at, _: f"{at:g}")


def _correlation_line(e: Recorded, axes: Axes, path: str) -> Marks:
    """Draw the correlation of queries and keys at all delays, and on it the delays that were chosen."""
    curve = e.parts["correlation"][path]["correlation"]
    values = curve.mean([dim for dim in curve.dims if dim != "lag"]).to_numpy()
    axes.axhline(0, color=GREY, linewidth=1)
    axes.plot(curve["lag"], values, color=BLUE, linewidth=1.4, label="correlation of queries and keys")
    axes.set_ylabel("correlation R")
    delays = e.parts.get("delays", {})
    if path not in delays:
        return []
    frame = delays[path][["period", "weight"]].to_dataframe()
    shares = frame.groupby("period")["weight"].sum() / frame["weight"].sum()
    at = shares.index.to_numpy(dtype=int)
    sizes = 15 + 150 * shares.to_numpy()
    words = "chosen delays, larger for more weight"
    axes.scatter(at, values[at], s=sizes, color=ORANGE, edgecolor="white", zorder=3, label=words)
    return []


def _attention_line(e: Recorded, axes: Axes, layer: str | None, head: int | None) -> tuple[str, Marks, str]:
    """Draw attention by lag, with the period if one stands out; by default of the last layer over time."""
    over_time = [path for path, *_ in findings.maps_over_time(e)]
    path, weights = chosen_map(e, over_time[-1] if layer is None and over_time else layer)
    if not (findings.is_over_time(weights, "query") and findings.is_over_time(weights, "key")):
        raise ValueError(f"kind='lags' needs tokens that stand for time; those of layer={path!r} stand for variables")
    values, which = values_of(e, path, weights, head, None, None)
    at, profile = findings.lag_profile(e, path, values)
    axes.plot(at, profile, color=BLUE, linewidth=1.4, marker="o" if len(at) < 60 else None, markersize=3)
    axes.axhline(1, color=GREY, linewidth=1)
    axes.set_ylabel("attention\n(1: all keys alike)")
    axes.set_ylim(bottom=0)
    period = patterns.find_period(at, profile)
    if period is None or period.strength < findings.CLEAR_PERIOD:
        return path, [], which
    words = f"period {duration(period.steps, e.freq)}, explains {period.strength:.0%} of the variation"
    repeats = range(period.steps, int(at[-1]) + 1, period.steps)[:_MAX_PERIODS]
    return path, [(lag, words if lag == period.steps else "_") for lag in repeats], which
