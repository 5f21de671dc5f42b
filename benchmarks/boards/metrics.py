"""The metrics of the boards, from what is kept of each window.

MASE is the absolute error of the median over the seasonal error of the history. CRPS, as GIFT-Eval calls it, is the
quantile loss of the deciles summed over everything, over the sum of the absolute values: columns of large numbers
decide. SQL is the quantile loss over the seasonal error, where each column has the same weight.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.boards.board import DECILES, Window

Sums = Mapping[str, float]
"""What a window adds to each sum: ``quantile loss``, ``size``, ``scaled loss``, ``scaled error`` and ``counted``."""


def sums(window: Window, forecast: np.ndarray, season: int) -> dict[str, float]:
    """Return the sums of a window over series, steps and columns; the losses are means of the nine deciles.

    Parameters
    ----------
    window
        What came, and what came before.
    forecast
        Deciles, ``(items, H, C, 9)``.
    season
        Rows between two values of the seasonal error.

    Raises
    ------
    ValueError
        If the forecast has another shape or is not finite.
    """
    expected = (*window.truth.shape, len(DECILES))
    if forecast.shape != expected:
        raise ValueError(f"forecast has the shape {forecast.shape}, must have {expected}")
    if not np.isfinite(forecast).all():
        raise ValueError(f"forecast has {np.sum(~np.isfinite(forecast))} values that are not finite")
    scale = np.stack([seasonal_error(item.target.values(copy=False), season) for item in window.histories])[:, None]
    error = window.truth[..., None] - forecast
    loss = 2 * np.maximum(DECILES * error, (np.array(DECILES) - 1) * error).mean(axis=-1)
    median = np.abs(error[..., DECILES.index(0.5)])
    counts = np.isfinite(window.truth) & (scale > 0)
    scale = np.where(scale > 0, scale, 1.0)
    return {
        "quantile loss": float(np.nansum(loss)),
        "size": float(np.nansum(np.abs(window.truth))),
        "scaled loss": float((loss / scale)[counts].sum()),
        "scaled error": float((median / scale)[counts].sum()),
        "counted": int(counts.sum()),
    }


def seasonal_error(history: np.ndarray, season: int) -> np.ndarray:
    """Return the mean absolute difference between values a season apart, ``(C,)``; pairs with a gap do not count."""
    return np.nanmean(np.abs(history[season:] - history[:-season]), axis=0)


def metrics(windows: Sequence[Sums]) -> dict[str, float]:
    """Return MASE, CRPS and SQL of all windows."""
    total = {what: sum(window[what] for window in windows) for what in windows[0]}
    return {
        "MASE": total["scaled error"] / total["counted"],
        "CRPS": total["quantile loss"] / total["size"],
        "SQL": total["scaled loss"] / total["counted"],
    }
