"""Explanations as pictures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from darts_tsformers.explain import findings, patterns
from darts_tsformers.explain.explanation import Explanation
from darts_tsformers.explain.ticks import date_ticks, name_ticks, time_ticks
from darts_tsformers.explain.windows import duration
from darts_tsformers.layers.checks import require_at_least, require_one_of

_BLUE, _ORANGE, _BLACK, _GREY = "#0072b2", "#d55e00", "#1a1a1a", "#8c8c8c"
"""From the palette of Okabe and Ito, which colour-blind readers can tell apart."""
_KIND_COLOURS = {"target": _BLUE, "past": _ORANGE, "future": "#009e73", "static": "#cc79a7"}
_COLOUR_MAP = "cividis"
_MAX_PERIODS = 12


def plot(e: Explanation, kind: str | None, **options: Any) -> Figure:
    """Draw a picture of a kind; see :meth:`~darts_tsformers.explain.Explanation.plot`."""
    kind = _first_kind(e) if kind is None else kind
    require_one_of(PICTURES, kind=kind)
    picture = PICTURES[kind]
    known = picture.__annotations__.keys() - {"e", "return"}
    for name in options:
        if name not in known:
            raise ValueError(f"{name}={options[name]!r} is no option of plot({kind!r}), which has {sorted(known)}")
    return picture(e, **options)


def attention(
    e: Explanation,
    *,
    layer: str | None = None,
    head: int | None = None,
    window: int | None = None,
    component: str | None = None,
    top: int = 30,
) -> Figure:
    """Draw the heat map of a layer: queries down, keys across."""
    path, weights = _chosen_layer(e, layer)
    values, which = _values(e, path, weights, head, window, component)
    rows, columns = (np.arange(n) for n in values.shape)
    note = ""
    require_at_least(1, top=top)
    if not findings.is_over_time(weights, "key") and len(columns) > top:
        columns = np.sort(np.argsort(-values.sum(axis=0), kind="stable")[:top])
        rows = columns if values.shape[0] == values.shape[1] else rows[:top]
        values = values[np.ix_(rows, columns)]
        note = f"\nthe {top} most attended of {weights.sizes['key']} variables"
    n_rows, n_columns = values.shape
    figure = _figure(8.5, float(np.clip(2.2 + 6.3 * n_rows / n_columns, 3.4, 9)))
    axes = figure.subplots()
    largest = float(np.quantile(values, 0.998)) or float(values.max())
    image = axes.imshow(values, cmap=_COLOUR_MAP, vmin=0, vmax=largest, aspect="auto")
    bar = figure.colorbar(image, ax=axes, extend="max" if values.max() > largest else "neither", pad=0.02)
    bar.set_label("attention" if weights.attrs["exact"] else "attention (reconstructed)")
    window_shown = 0 if len(e.origins) == 1 else window
    for axis, dim, kept in ((axes.xaxis, "key", columns), (axes.yaxis, "query", rows)):
        words = "attended to" if dim == "key" else "from"
        if findings.is_over_time(weights, dim):
            time_ticks(axis, weights, dim, window_shown)
            words += ", steps from the last one seen" if window_shown is None else ""
        else:
            name_ticks(axis, [str(name) for name in weights[dim].to_numpy()[kept]])
        axis.set_label_text(words, fontsize=11)
    figure.suptitle(f"{e.model}: {path}\n{which}{note}", fontsize=12, parse_math=False)
    return figure


def importance(e: Explanation, *, layer: str | None = None, top: int = 30) -> Figure:
    """Draw bars of the variables, or the share of attention over the look-back."""
    require_at_least(1, top=top)
    shares = findings.variable_importance(e)
    if len(shares):
        return _variable_bars(e, shares, layer, top)
    if layer is not None:
        _chosen_layer(e, layer)
    profile = findings.time_profile(e, layer)
    if profile is None:
        raise ValueError("kind='importance' needs tokens that stand for variables or time; none were recorded")
    figure = _figure(9, 4)
    axes = figure.subplots()
    one = len(e.origins) == 1
    at = e.origins[0].times(list(profile.index)) if one else profile.index.to_numpy()
    axes.fill_between(at, profile.to_numpy(), step="mid", color=_BLUE, alpha=0.35, linewidth=0)
    axes.plot(at, profile.to_numpy(), drawstyle="steps-mid", color=_BLUE, linewidth=1.2)
    axes.axhline(1 / len(profile), color=_GREY, linestyle="--", linewidth=1, label="all steps alike")
    half = patterns.densest_span(profile.to_numpy())
    if half.stop - half.start <= findings.EVEN_ABOVE * len(profile):
        axes.axvspan(at[half.start], at[half.stop - 1], color=_ORANGE, alpha=0.15, label="holds half of the attention")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_ylabel("share of attention a step")
    axes.set_xlabel("" if one else f"steps from the last one seen (one step: {duration(1, e.freq)})")
    if one:
        date_ticks(axes.xaxis, at)
    _plain(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    what = "mean over layers and heads" if layer is None else layer
    figure.suptitle(f"{e.model}: what part of the look-back is attended to\n{what}, {_windows(e)}", fontsize=12)
    return figure


def _variable_bars(e: Explanation, shares: pd.DataFrame, layer: str | None, top: int) -> Figure:
    layers = list(dict.fromkeys(shares["layer"]))
    if layer is not None:
        require_one_of(layers, layer=layer)
        layers = [layer]
    groups = {name: shares[shares["layer"] == name].sort_values("share", ascending=False) for name in layers}
    heights = [min(top, len(group)) + 1.5 for group in groups.values()]
    figure = _figure(8.5, 1.6 + 0.24 * sum(heights))
    panels = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, group) in zip(panels, groups.items(), strict=True):
        shown = group.head(top)[::-1]
        colours = [_KIND_COLOURS.get(kind, _GREY) for kind in shown["kind"]]
        axes.barh(np.arange(len(shown)), shown["share"], color=colours)
        axes.axvline(1 / len(group), color=_GREY, linestyle="--", linewidth=1)
        axes.set_yticks(np.arange(len(shown)), [str(v) for v in shown["variable"]], fontsize=9, parse_math=False)
        axes.set_ylim(-0.6, len(shown) - 0.4)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        left_out = f" (the first {top} of {len(group)})" if len(group) > top else ""
        axes.set_title(f"{name}{left_out}", fontsize=10, loc="left", parse_math=False)
        _plain(axes)
    panels[-1].set_xlabel("share; dashed: all variables alike")
    kinds = [kind for kind in _KIND_COLOURS if (shares["kind"] == kind).any()]
    handles = [panels[0].barh([0], [0], color=_KIND_COLOURS[kind], label=kind) for kind in kinds]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(kinds), frameon=False)
    figure.suptitle(f"{e.model}: most important variables\n{_windows(e)}", fontsize=12)
    return figure


def lags(e: Explanation, *, layer: str | None = None, head: int | None = None) -> Figure:
    """Draw attention, or the weight of delays or modes, by lag."""
    figure = _figure(9, 4)
    axes = figure.subplots()
    spectra = {path: part for kind in ("delays", "modes") for path, part in e.parts.get(kind, {}).items()}
    if spectra:
        path = next(reversed(spectra)) if layer is None else layer
        require_one_of(spectra, layer=path)
        weights = findings.period_weights(spectra[path])
        axes.vlines(weights.index, 0, weights.to_numpy(), color=_BLUE, linewidth=2)
        axes.plot(weights.index, weights.to_numpy(), "o", color=_BLUE, markersize=4)
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.set_ylabel("share of the weight")
        axes.set_ylim(bottom=0)
        most = float(weights.index[int(weights.to_numpy().argmax())]) if len(weights) else 0.0
        found = [(most, f"most weight: {duration(most, e.freq)}")] if len(weights) else []
        which = "means over windows"
    else:
        path, found, which = _lag_line(e, axes, layer, head)
    for period, words in found:
        axes.axvline(period, color=_ORANGE, linewidth=1.2, linestyle="--", label=words)
    axes.set_xlabel(f"lag in steps (one step: {duration(1, e.freq)})")
    _plain(axes)
    if found:
        figure.legend(loc="outside lower center", frameon=False)
    figure.suptitle(f"{e.model}: {path}\nby lag, {which}", fontsize=12, parse_math=False)
    return figure


def _lag_line(
    e: Explanation, axes: Axes, layer: str | None, head: int | None
) -> tuple[str, list[tuple[float, str]], str]:
    path, weights = _chosen_layer(e, layer)
    if not (findings.is_over_time(weights, "query") and findings.is_over_time(weights, "key")):
        raise ValueError(f"kind='lags' needs tokens that stand for time; those of layer={path!r} stand for variables")
    values, which = _values(e, path, weights, head, None, None)
    at, profile = findings.lag_profile(e, path, values)
    axes.plot(at, profile, color=_BLUE, linewidth=1.4, marker="o" if len(at) < 60 else None, markersize=3)
    axes.axhline(1, color=_GREY, linewidth=1)
    axes.set_ylabel("attention\n(1: all keys alike)")
    axes.set_ylim(bottom=0)
    period = patterns.find_period(at, profile)
    if period is None or period.strength < findings.CLEAR_PERIOD:
        return path, [], which
    words = f"period {duration(period.steps, e.freq)}, explains {period.strength:.0%} of the variation"
    repeats = range(period.steps, int(at[-1]) + 1, period.steps)[:_MAX_PERIODS]
    return path, [(lag, words if lag == period.steps else "_") for lag in repeats], which


def decomposition(e: Explanation, *, window: int = 0, component: str | None = None) -> Figure:
    """Draw trend and remainder of a forecast."""
    if "trend" not in e.parts:
        raise ValueError("kind='decomposition' needs a model that forecasts a trend; none was recorded")
    e.check_window(window)
    ((_, part),) = e.parts["trend"].items()
    components = list(part["component"].to_numpy())
    component = components[0] if component is None else component
    require_one_of(components, component=component)
    chosen = part.isel(window=window, component=components.index(component), parameter=e.level)
    at = chosen["time_start"].to_numpy()
    trend, whole = chosen["trend"].to_numpy(), chosen["forecast"].to_numpy()
    figure = _figure(9, 5)
    upper, lower = figure.subplots(2, 1, sharex=True)
    upper.plot(at, whole, color=_BLACK, linewidth=1.4, label="forecast")
    upper.plot(at, trend, color=_ORANGE, linewidth=1.6, label="trend")
    upper.set_ylabel(component, parse_math=False)
    lower.axhline(0, color=_GREY, linewidth=1)
    lower.plot(at, whole - trend, color=_BLUE, linewidth=1.4, label="seasonal part: forecast less trend")
    lower.set_ylabel("seasonal")
    date_ticks(lower.xaxis, at)
    for axes in (upper, lower):
        _plain(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{e.model}: parts of the forecast from {e.window_names[window]}", fontsize=12, parse_math=False)
    return figure


PICTURES: dict[str, Callable[..., Figure]] = {
    "attention": attention,
    "importance": importance,
    "lags": lags,
    "decomposition": decomposition,
}


def _first_kind(e: Explanation) -> str:
    shown = {"attention": "attention", "variables": "importance", "delays": "lags", "modes": "lags"}
    return next((picture for kind, picture in shown.items() if kind in e.parts), "decomposition")


def _chosen_layer(e: Explanation, layer: str | None) -> tuple[str, xr.DataArray]:
    maps = e.maps
    if not maps:
        raise ValueError(f"this picture needs attention maps; recorded were {list(e.parts)}")
    path = next(reversed(maps)) if layer is None else layer
    require_one_of(maps, layer=path)
    return path, maps[path]


def _values(
    e: Explanation, path: str, weights: xr.DataArray, head: int | None, window: int | None, component: str | None
) -> tuple[np.ndarray, str]:
    """Return one map, a mean over what is not chosen, and words for what it is."""
    e.check_window(window)
    n_heads = weights.sizes["head"]
    if head is not None and not 1 <= head <= n_heads:
        raise ValueError(f"head={head} must be from 1 to {n_heads}")
    words = [f"head {head}" if head else "mean over heads"]
    if component is not None:
        names = list(weights["component"].to_numpy()) if "component" in weights.dims else []
        require_one_of(names, component=component)
        weights = weights.isel(component=names.index(component))
        words.append(component)
    elif weights.sizes.get("component", 1) > 1:
        words.append("mean over components")
    if window is not None:
        by_head = weights.isel(window=window).mean([d for d in ("component",) if d in weights.dims]).to_numpy()
        words.append(f"window {e.window_names[window]}")
    else:
        by_head = e.mean_maps[path] if component is None else weights.mean("window").to_numpy()
        words.append(_windows(e))
    return (by_head[head - 1] if head else by_head.mean(axis=0)), ", ".join(words)


def _windows(e: Explanation) -> str:
    return f"window {e.window_names[0]}" if len(e.origins) == 1 else f"mean over {len(e.origins)} windows"


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _plain(axes: Axes) -> None:
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)
