"""Pictures of the report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.core.figures import of_case

COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999", "#8B4513", "#6A3D9A"]
"""Okabe and Ito's and three more, which the colour-blind tell apart."""
MARKERS = "osD^vP*X<>"
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.10g}")


def lines(points: Sequence[dict[str, Any]], cases: Sequence[str], along: str, path: Path) -> None:
    """Draw time and memory along a size, both logarithmic."""
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    for ax, what, unit in zip(axes, ("time", "memory"), ("ms", "MB"), strict=True):
        for i, name in enumerate(cases):
            pairs = [(point["size"][along], of_case(point, what, name)) for point in points]
            known = [(x, y) for x, y in pairs if y is not None]
            if known:
                style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
                ax.plot(*zip(*known, strict=True), label=name, markersize=5, linewidth=1.4, **style)
        _logarithmic(ax, sorted({point["size"][along] for point in points}))
        ax.set(xlabel=along, ylabel=f"{what}, {unit}")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def places(points: Mapping[str, tuple[float, float]], x: str, y: str, path: Path) -> None:
    """Draw a named point for each case, the first axis logarithmic."""
    figure, ax = plt.subplots(figsize=(8, 4.8), layout="constrained")
    for i, (name, place) in enumerate(points.items()):
        marker, colour = MARKERS[i % len(MARKERS)], COLOURS[(i + i // len(MARKERS)) % len(COLOURS)]
        ax.plot(*place, label=name, color=colour, marker=marker, markersize=8, linestyle="none")
    ax.set(xscale="log", xlabel=x, ylabel=y)
    ax.xaxis.set_major_formatter(_PLAIN)
    ax.xaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    ax.xaxis.set_minor_formatter(_PLAIN)
    ax.grid(alpha=0.3)
    figure.legend(loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _logarithmic(ax: Axes, ticks: Sequence[int]) -> None:
    ax.set(xscale="log", yscale="log", xticks=ticks)
    ax.xaxis.set_major_formatter(_PLAIN)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(_PLAIN)
    ax.yaxis.set_minor_formatter(NullFormatter())
    low, high = ax.get_ylim()
    if high < 100 * low:
        ax.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        ax.yaxis.set_minor_formatter(_PLAIN)
    ax.tick_params(axis="x", labelrotation=30)
    ax.grid(alpha=0.3)
