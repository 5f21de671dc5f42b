"""What a forecast rests on, as bars."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from darts_tsformers.checks import require_at_least
from darts_tsformers.explain.changes import Changes
from darts_tsformers.explain.pictures.canvas import BLACK, Canvas, figure_of, kind_bars, kind_handles

_MARKERS = {"past": ("<", "its look-back alone"), "horizon": (">", "its horizon alone")}


def reliance(r: Changes, *, component: str | None = None, top: int = 30, ax: Axes | None = None) -> Canvas:
    """Draw how far the forecast moves when each variable is exchanged, and how much its error grows."""
    require_at_least(1, top=top)
    ranking = r.ranking(component=component)
    shown = ranking.head(top)
    relative = "relative_" if "change" not in ranking else ""
    columns = [f"{relative}change", f"{relative}error_growth"]
    columns = columns[: 2 if shown[columns[1]].notna().any() else 1]
    figure = figure_of(5.5 + 3 * len(columns), 2.2 + 0.26 * len(shown), ax)
    panels = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    for axes, column in zip(panels, columns, strict=True):
        kind_bars(axes, shown, column)
        axes.axvline(0, color=BLACK, linewidth=0.8)
        if relative:
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes.locator_params(axis="x", nbins=6)
        axes.tick_params(axis="y", left=False)
    handles = kind_handles(panels[0], set(shown["kind"]))
    known = shown[shown["kind"] == "future"]
    if len(known):
        heights = len(shown) - 1 - known.index.to_numpy()
        for part in _MARKERS:
            alone = r.ranking(part, component).set_index(["kind", "variable"])[columns[0]]
            values = [alone["future", name] for name in known["variable"]]
            handles.append(_marks(panels[0], values, heights, part))
    panels[0].set_xlabel("change of the forecast" + (", share of that when all are" if relative else ""))
    if len(panels) > 1:
        panels[1].set_xlabel("growth of the mean absolute error" + (", share of it" if relative else ""))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    left_out = f" (the first {top} of {len(ranking)})" if len(ranking) > top else ""
    of = r.data["component"].to_numpy().tolist() if component is None else [component]
    what = f"forecast of {of[0]}" if len(of) == 1 else f"mean over {len(of)} components"
    figure.suptitle(
        f"{r.model}: what the forecast rests on{left_out}\n{what}, each variable exchanged among "
        f"{r.data.sizes['window']} windows",
        fontsize=12,
        parse_math=False,
    )
    return figure


def _marks(axes: Axes, values: Sequence[float], heights: np.ndarray, part: str) -> Artist:
    """Mark on the bars of future covariates what a part of them does."""
    marker, label = _MARKERS[part]
    (marks,) = axes.plot(values, heights, marker, color="white", markeredgecolor=BLACK, label=label, clip_on=False)
    return marks
