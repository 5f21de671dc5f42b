"""Where gates let in what a layer has mixed."""

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from darts_tsformers.explain.findings import middles
from darts_tsformers.explain.pictures.canvas import (
    GREY,
    Canvas,
    chosen_layer,
    figure_of,
    plain,
    shades,
    windows_in_words,
)
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.windows import duration


def gates(e: Recorded, *, layer: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw the share that each span of time gets of what a layer lets in: a line for each layer, or for one."""
    path, part = chosen_layer(e, "gates", "gates over time", layer)
    chosen = e.parts["gates"] if layer is None else {path: part}
    at = middles(part, "time")
    figure = figure_of(9, 4, ax)
    axes = figure.subplots()
    for (name, one), colour in zip(chosen.items(), shades(len(chosen) + 1), strict=False):
        shares = one["weights"].mean(["window", "component"]).to_numpy()
        axes.plot(at, shares, marker="o", markersize=3, linewidth=1.2, color=colour, label=name)
    axes.axhline(1 / len(at), color=GREY, linestyle="--", linewidth=1, label="all alike")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_ylabel("share of what is let in")
    axes.set_xlabel(f"steps from the last one seen (one step: {duration(1, e.freq)})")
    plain(axes)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(f"{e.model}: where a layer lets in what it has mixed\n{windows_in_words(e)}", fontsize=12)
    return figure
