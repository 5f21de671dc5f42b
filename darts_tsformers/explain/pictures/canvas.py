"""What all pictures share: colours that colour-blind readers can tell apart, paper and words."""

from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib import colormaps, pyplot
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure, SubFigure

from darts_tsformers.checks import require_one_of
from darts_tsformers.explain.recorded import Recorded

BLUE, ORANGE, BLACK, GREY = "#0072b2", "#d55e00", "#1a1a1a", "#8c8c8c"
"""From the palette of Okabe and Ito."""
KIND_COLOURS = {"target": BLUE, "past": ORANGE, "future": "#009e73", "static": "#cc79a7"}
COLOUR_MAP = "cividis"


class Picture(Figure):
    """A figure that a notebook shows, whether or not pyplot has been set up there."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


Canvas: TypeAlias = Figure | SubFigure
"""What a picture is drawn on: a figure of its own, or the place of axes in another one."""


def figure_of(width: float, height: float, ax: Axes | None = None) -> Canvas:
    """Return an empty figure that needs no window system, or the place of axes that are given.

    Raises
    ------
    ValueError
        If the axes have no place in a grid, as those of ``subplots`` have.
    """
    if ax is not None:
        figure, place = ax.get_figure(), ax.get_subplotspec()
        if figure is None or place is None:
            raise ValueError(f"ax={ax!r} must be axes of a grid, such as those of matplotlib's subplots()")
        ax.set_axis_off()
        return figure.add_subfigure(place)
    picture = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(picture)
    return picture


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on: those given, or the only ones of a new figure of pyplot, which shows it."""
    return pyplot.figure(figsize=(width, height), layout="constrained").subplots() if ax is None else ax


def plain(axes: Axes) -> None:
    """Leave of the frame what is needed to read values."""
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.01)


def kind_bars(axes: Axes, rows: pd.DataFrame, column: str) -> None:
    """Draw a bar for each variable, the first on top, in the colour of its kind."""
    at = np.arange(len(rows))[::-1]
    axes.barh(at, rows[column], color=[KIND_COLOURS.get(kind, GREY) for kind in rows["kind"]])
    axes.set_yticks(at, [str(name) for name in rows["variable"]], fontsize=9, parse_math=False)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    plain(axes)


def kind_handles(axes: Axes, kinds: Collection[str]) -> list[Any]:
    """Return what a legend needs to name the colours of the kinds."""
    known = [kind for kind in KIND_COLOURS if kind in kinds]
    return [axes.barh([0], [0], color=KIND_COLOURS[kind], label=kind) for kind in known]


def shades(n: int) -> list[str]:
    """Return colours from dark to light."""
    return [to_hex(colour) for colour in colormaps[COLOUR_MAP](np.linspace(0, 1, n))]


def windows_in_words(e: Recorded) -> str:
    """Say which window, or how many, a picture is of."""
    return f"window {e.window_names[0]}" if len(e.origins) == 1 else f"mean over {len(e.origins)} windows"


def chosen_layer(e: Recorded, kind: str, what: str, layer: str | None) -> tuple[str, xr.Dataset]:
    """Return path and data of a layer, the last one by default.

    Raises
    ------
    ValueError
        If nothing of the kind was recorded, or the layer recorded nothing of it.
    """
    parts: Mapping[str, xr.Dataset] = e.parts.get(kind, {})
    if not parts:
        raise ValueError(f"this picture needs {what}; recorded were {list(e.parts)}")
    path = next(reversed(list(parts))) if layer is None else layer
    require_one_of(list(parts), layer=path)
    return path, parts[path]


def one_or_mean(e: Recorded, weights: xr.DataArray, head: int | None, window: int | None) -> tuple[np.ndarray, str]:
    """Return a map, ``(L, M)``, a mean over the heads and windows that are not chosen, and words for what it is.

    Raises
    ------
    ValueError
        If there is no such head or window.
    """
    require_head(weights, head)
    e.check_window(window)
    by_head = (weights.mean("window") if window is None else weights.isel(window=window)).to_numpy()
    words = f"head {head}" if head else "mean over heads"
    which = windows_in_words(e) if window is None else f"window {e.window_names[window]}"
    return (by_head[head - 1] if head else by_head.mean(axis=0)), f"{words}, {which}"


def require_head(weights: xr.DataArray, head: int | None) -> None:
    """Raise ``ValueError`` if there is no such head."""
    n_heads = weights.sizes["head"]
    if head is not None and not 1 <= head <= n_heads:
        raise ValueError(f"head={head} must be from 1 to {n_heads}")
