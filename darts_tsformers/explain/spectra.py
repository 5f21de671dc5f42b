"""What an explanation says about lengths of time: periods, levels of a tree, moving averages."""

import math

import numpy as np
import pandas as pd
import xarray as xr

from darts_tsformers.explain.recorded import Recorded
from darts_tsformers.explain.windows import duration_range


def period_weights(part: xr.Dataset) -> pd.Series:
    """Return the share of weight that each period gets over all windows; a delay of 0 is no period."""
    frame = pd.DataFrame({"period": part["period"].to_numpy().ravel(), "share": part["weight"].to_numpy().ravel()})
    frame = frame[np.isfinite(frame["period"])]
    total = frame["share"].sum()
    shares = frame[frame["period"] > 0].groupby("period")["share"].sum() / (total if total > 0 else 1)
    return shares.sort_index()


def period_bands(e: Recorded) -> pd.DataFrame:
    """Return the energy of each octave of periods: from 2 up to 4 steps, from 4 up to 8, and so on.

    Columns ``layer``, ``first`` and ``end`` in steps, ``periods`` in words and ``share`` of what is not mean. Empty if
    no modes were recorded.
    """
    found = []
    for path, part in e.parts.get("modes", {}).items():
        weights = period_weights(part)
        octaves = np.floor(np.log2(weights.index.to_numpy(dtype=float)) + 1e-9).astype(int)
        for octave, share in weights.groupby(octaves).sum().items():
            first, end = 2 ** int(str(octave)), 2 ** (int(str(octave)) + 1)
            found.append((path, first, end, duration_range(first, end, e.freq), share))
    return pd.DataFrame(found, columns=["layer", "first", "end", "periods", "share"])


def shares_by_duration(e: Recorded, kind: str) -> pd.DataFrame:
    """Return how much each level of a tree adds (``"levels"``), or each moving average (``"experts"``).

    Columns ``layer``, ``steps``, ``duration`` in words and ``share``, a mean over windows and steps. Shares of one
    layer sum to 1. Empty if nothing of the kind was recorded.
    """
    dim, name = {"levels": ("level", "weight"), "experts": ("kernel", "weights")}[kind]
    found = []
    for path, part in e.parts.get(kind, {}).items():
        weights = part[name].mean([other for other in part[name].dims if other != dim]).to_numpy()
        total = weights.sum()
        shares = weights / total if total > 0 else weights
        found += [(path, *row) for row in zip(part[dim].values, part[f"{dim}_duration"].values, shares, strict=True)]
    return pd.DataFrame(found, columns=["layer", "steps", "duration", "share"])


def mode_pairs(e: Recorded) -> pd.DataFrame:
    """Return which periods attend to which, of modes that attend to each other, the strongest pair of a layer first.

    Columns ``layer``, ``query`` and ``key`` in steps (infinite: the mean), both in words, and ``share`` of all weight
    of the layer, a mean over heads and windows.
    """
    columns = ["layer", "query", "key", "query_duration", "key_duration", "share"]
    frames = [pd.DataFrame(columns=columns)]
    for path, part in e.parts.get("mode_attention", {}).items():
        weights = part["weights"].mean(["window", "head"])
        total = float(weights.sum())
        frame = weights.rename("share").to_dataframe().reset_index()
        frame["share"] /= total if total > 0 and math.isfinite(total) else 1
        frames.append(frame.assign(layer=path)[columns].sort_values("share", ascending=False, kind="stable"))
    return pd.concat(frames[1:] or frames, ignore_index=True)
