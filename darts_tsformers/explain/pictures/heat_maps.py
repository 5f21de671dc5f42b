"""Attention as heat maps: queries down, keys across."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.explain import findings
from darts_tsformers.explain.pictures.canvas import (
    COLOUR_MAP,
    Canvas,
    chosen_layer,
    figure_of,
    one_or_mean,
    require_head,
    windows_in_words,
)
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.ticks import name_ticks, period_ticks, time_ticks


def attention(
    e: Recorded,
    *,
    layer: str | None = None,
    head: int | None = None,
    window: int | None = None,
    component: str | None = None,
    top: int = 30,
    ax: Axes | None = None,
) -> Canvas:
    """Draw the map of a layer of attention."""
    path, weights = chosen_map(e, layer)
    values, which = values_of(e, path, weights, head, window, component)
    rows, columns = (np.arange(n) for n in values.shape)
    note = "\nas it was before heads and steps changed places (mix=True)" if weights.attrs["mixed"] else ""
    require_at_least(1, top=top)
    if not findings.is_over_time(weights, "key") and len(columns) > top:
        columns = np.sort(np.argsort(-values.sum(axis=0), kind="stable")[:top])
        rows = columns if values.shape[0] == values.shape[1] else rows[:top]
        values = values[np.ix_(rows, columns)]
        note += f"\nthe {top} most attended of {weights.sizes['key']} variables"
    figure, (across, down) = _heat_map(
        values, "attention" if weights.attrs["exact"] else "attention (reconstructed)", ax
    )
    window_shown = 0 if len(e.origins) == 1 else window
    for axis, dim, kept in ((across, "key", columns), (down, "query", rows)):
        words = "attended to" if dim == "key" else "from"
        if findings.is_over_time(weights, dim):
            time_ticks(axis, weights, dim, window_shown)
            words += ", steps from the last one seen" if window_shown is None else ""
        else:
            name_ticks(axis, [str(name) for name in weights[dim].to_numpy()[kept]])
        axis.set_label_text(words, fontsize=11)
    figure.suptitle(f"{e.model}: {path}\n{which}{note}", fontsize=12, parse_math=False)
    return figure


def mode_attention(
    e: Recorded, *, layer: str | None = None, head: int | None = None, window: int | None = None, ax: Axes | None = None
) -> Canvas:
    """Draw the map of a layer whose frequencies attend to each other, by their periods."""
    path, part = chosen_layer(e, "mode_attention", "modes that attend to each other", layer)
    values, which = one_or_mean(e, part["weights"], head, window)
    figure, (across, down) = _heat_map(values, "absolute value of the weight", ax)
    for axis, dim in ((across, "key"), (down, "query")):
        period_ticks(axis, part[f"{dim}_duration"].to_numpy().tolist())
        axis.set_label_text("attended to, by period" if dim == "key" else "from, by period", fontsize=11)
    figure.suptitle(f"{e.model}: {path}\n{which}", fontsize=12, parse_math=False)
    return figure


def chosen_map(e: Recorded, layer: str | None) -> tuple[str, xr.DataArray]:
    """Return path and map of a layer of attention, the last one by default.

    Raises
    ------
    ValueError
        If no map was recorded, or none of the layer.
    """
    path, _ = chosen_layer(e, "attention", "attention maps", layer)
    return path, e.maps[path]


def values_of(
    e: Recorded, path: str, weights: xr.DataArray, head: int | None, window: int | None, component: str | None
) -> tuple[np.ndarray, str]:
    """Return one map, a mean over what is not chosen, and words for what it is.

    Raises
    ------
    ValueError
        If there is no such head, window or component.
    """
    e.check_window(window)
    require_head(weights, head)
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
        words.append(windows_in_words(e))
    return (by_head[head - 1] if head else by_head.mean(axis=0)), ", ".join(words)


def _heat_map(values: np.ndarray, what: str, ax: Axes | None) -> tuple[Canvas, tuple[XAxis, YAxis]]:
    n_rows, n_columns = values.shape
    figure = figure_of(8.5, float(np.clip(2.2 + 6.3 * n_rows / n_columns, 3.4, 9)), ax)
    axes = figure.subplots()
    axes.grid(visible=False)
    largest = float(np.quantile(values, 0.998)) or float(values.max())
    image = axes.imshow(values, cmap=COLOUR_MAP, vmin=0, vmax=largest, aspect="auto")
    bar = figure.colorbar(image, ax=axes, extend="max" if values.max() > largest else "neither", pad=0.02)
    bar.set_label(what)
    return figure, (axes.xaxis, axes.yaxis)
