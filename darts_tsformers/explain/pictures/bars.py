"""Importance as bars: of variables, and of lengths of time."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.explain import findings, patterns
from darts_tsformers.explain.pictures.canvas import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    Canvas,
    chosen_layer,
    figure_of,
    kind_bars,
    kind_handles,
    plain,
    shades,
    windows_in_words,
)
from darts_tsformers.explain.pictures.heat_maps import chosen_map
from darts_tsformers.explain.prototypes import prototype_shares
from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.routes import expert_shares
from darts_tsformers.explain.spectra import shares_by_duration
from darts_tsformers.explain.ticks import date_ticks
from darts_tsformers.explain.windows import duration

_READABLE = 0.06  # the smallest share that has room for its figure


def importance(e: Recorded, *, layer: str | None = None, top: int = 30, ax: Axes | None = None) -> Canvas:
    """Draw bars of the variables, or the share of attention over the look-back."""
    require_at_least(1, top=top)
    shares = findings.variable_importance(e)
    if len(shares):
        return _variable_bars(e, shares, layer, top, ax)
    if layer is not None:
        chosen_map(e, layer)
    profile = findings.time_profile(e, layer)
    if profile is None:
        raise ValueError("kind='importance' needs tokens that stand for variables or time; none were recorded")
    figure = figure_of(9, 4, ax)
    axes = figure.subplots()
    one = len(e.origins) == 1
    at = e.origins[0].times(list(profile.index)) if one else profile.index.to_numpy()
    axes.fill_between(at, profile.to_numpy(), step="mid", color=BLUE, alpha=0.35, linewidth=0)
    axes.plot(at, profile.to_numpy(), drawstyle="steps-mid", color=BLUE, linewidth=1.2)
    axes.axhline(1 / len(profile), color=GREY, linestyle="--", linewidth=1, label="all steps alike")
    half = patterns.densest_span(profile.to_numpy())
    if half.stop - half.start <= findings.EVEN_ABOVE * len(profile):
        axes.axvspan(at[half.start], at[half.stop - 1], color=ORANGE, alpha=0.15, label="holds half of the attention")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_ylabel("share of attention a step")
    axes.set_xlabel("" if one else f"steps from the last one seen (one step: {duration(1, e.freq)})")
    if one:
        date_ticks(axes.xaxis, at)
    plain(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    what = "mean over layers and heads" if layer is None else layer
    figure.suptitle(f"{e.model}: what part of the look-back is attended to\n{what}, {windows_in_words(e)}", fontsize=12)
    return figure


def levels(e: Recorded, *, layer: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw what each level of a wavelet tree adds."""
    words = "what each level of a wavelet tree adds", "share of the energy, by the length of the pieces of a level"
    return _stacked_bars(e, "levels", "a wavelet tree", layer, *words, ax)


def experts(e: Recorded, *, layer: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw what each moving average makes of the trends."""
    words = "what each moving average makes of a trend", "mean weight, by the length of the average"
    return _stacked_bars(e, "experts", "a mixture of moving averages", layer, *words, ax)


def routing(e: Recorded, *, layer: str | None = None, ax: Axes | None = None) -> Canvas:
    """Draw what share of the tokens' routes leads to each expert."""
    chosen_layer(e, "routing", "a mixture of experts", layer)
    shares = expert_shares(e)
    names = [f"expert {i}" for i in sorted(set(shares["expert"]))]
    shares["expert"] = [f"expert {i}" for i in shares["expert"]]
    words = "which experts tokens go to", "share of the routes of all tokens"
    return _bars(e, shares, "expert", names, layer, *words, ax)


def prototypes(e: Recorded, *, layer: str | None = None, top: int = 12, ax: Axes | None = None) -> Canvas:
    """Draw how much of the attention goes to each prototype, those with the most."""
    require_at_least(1, top=top)
    path, _ = chosen_layer(e, "prototypes", "attention to prototypes", layer)
    shares = prototype_shares(e)
    shares = shares[shares["layer"] == path]
    shown = shares.head(top)
    at = np.arange(len(shown))[::-1]
    figure = figure_of(8.5, 1.9 + 0.26 * len(shown), ax)
    axes = figure.subplots()
    axes.barh(at, shown["share"], color=BLUE)
    axes.axvline(1 / len(shares), color=GREY, linestyle="--", linewidth=1)
    axes.set_yticks(at, [str(name) for name in shown["prototype"]], fontsize=9, parse_math=False)
    plain(axes)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_xlabel("share of the attention; dashed: all prototypes alike")
    left_out = f" (the first {top} of {len(shares)})" if len(shares) > top else ""
    figure.suptitle(f"{e.model}: prototypes attended to by {path}{left_out}\n{windows_in_words(e)}", fontsize=12)
    return figure


def _stacked_bars(
    e: Recorded, kind: str, needed: str, layer: str | None, title: str, what: str, ax: Axes | None
) -> Canvas:
    """Draw a bar for each layer, cut into the shares of each length of time."""
    chosen_layer(e, kind, needed, layer)
    shares = shares_by_duration(e, kind)
    shares = shares if layer is None else shares[shares["layer"] == layer]
    lengths = shares[["steps", "duration"]].drop_duplicates().sort_values("steps", kind="stable")["duration"]
    return _bars(e, shares, "duration", list(lengths), layer, title, what, ax)


def _bars(
    e: Recorded,
    shares: pd.DataFrame,
    of: str,
    names: list[str],
    layer: str | None,
    title: str,
    what: str,
    ax: Axes | None,
) -> Canvas:
    """Draw a bar for each layer, or for one, cut into the shares of what the column ``of`` names."""
    shares = shares if layer is None else shares[shares["layer"] == layer]
    paths = list(dict.fromkeys(shares["layer"]))
    table = shares.pivot_table("share", "layer", of, aggfunc="sum", sort=False).loc[paths, names].fillna(0)
    figure = figure_of(9, 1.9 + 0.4 * len(paths) + 0.25 * -(-len(names) // 5), ax)
    axes = figure.subplots()
    left = np.zeros(len(paths))
    for i, (name, colour) in enumerate(zip(names, shades(len(names)), strict=True)):
        share = table[name].to_numpy()
        bars = axes.barh(np.arange(len(paths)), share, left=left, color=colour, edgecolor="white", label=name)
        texts = [f"{one:.0%}" if one >= _READABLE else "" for one in share]
        ink = "white" if i < len(names) / 2 else BLACK
        axes.bar_label(bars, texts, label_type="center", color=ink, fontsize=9)
        left += share
    axes.set_yticks(np.arange(len(paths)), paths, fontsize=9, parse_math=False)
    axes.invert_yaxis()
    plain(axes)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    axes.set_xlabel(what)
    figure.legend(loc="outside lower center", ncols=min(5, len(names)), frameon=False)
    figure.suptitle(f"{e.model}: {title}\n{windows_in_words(e)}", fontsize=12)
    return figure


def _variable_bars(e: Recorded, shares: pd.DataFrame, layer: str | None, top: int, ax: Axes | None) -> Canvas:
    layers = list(dict.fromkeys(shares["layer"]))
    if layer is not None:
        require_one_of(layers, layer=layer)
        layers = [layer]
    groups = {name: shares[shares["layer"] == name].sort_values("share", ascending=False) for name in layers}
    heights = [min(top, len(group)) + 1.5 for group in groups.values()]
    figure = figure_of(8.5, 1.6 + 0.24 * sum(heights), ax)
    panels = figure.subplots(len(groups), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, (name, group) in zip(panels, groups.items(), strict=True):
        kind_bars(axes, group.head(top), "share")
        axes.axvline(1 / len(group), color=GREY, linestyle="--", linewidth=1)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        left_out = f" (the first {top} of {len(group)})" if len(group) > top else ""
        axes.set_title(f"{name}{left_out}", fontsize=10, loc="left", parse_math=False)
    panels[-1].set_xlabel("share; dashed: all variables alike")
    handles = kind_handles(panels[0], set(shares["kind"]))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    figure.suptitle(f"{e.model}: most important variables\n{windows_in_words(e)}", fontsize=12)
    return figure
