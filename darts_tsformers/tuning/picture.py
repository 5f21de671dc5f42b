"""The picture of a search."""

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_GREY, _BLACK = "#8c8c8c", "#1a1a1a"
_WIDEST = 3.0
"""What is more than so many times the lowest error is drawn at the edge."""


def draw(trials: pd.DataFrame, metric: str) -> Figure:
    """Draw a point for each complete trial, a mark below for each other, and the lowest error so far as a line."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    done = trials.dropna(subset="error")
    top = done["error"].min() * _WIDEST
    for colour, (name, group) in zip(_COLOURS * len(done), done.groupby("name", sort=False), strict=False):
        axes.plot(group.index, group["error"].clip(upper=top), "o", color=colour, label=name)
    axes.step(done.index, done["error"].cummin(), where="post", color=_BLACK, linewidth=1.2, label="lowest so far")
    others = trials.index[trials["error"].isna()]
    axes.plot(
        others, [0.02] * len(others), "|", color=_GREY, transform=axes.get_xaxis_transform(), label="not complete"
    )
    axes.set_xlabel("trial")
    axes.set_ylabel(f"{metric} of the validation windows")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure
