"""Errors of forecasts of several windows, in the units of the data."""

from collections.abc import Sequence

import numpy as np
from darts import TimeSeries


def score(forecasts: Sequence[TimeSeries], target: TimeSeries, season: int) -> dict[str, float]:
    """Score the forecasts of one model.

    Parameters
    ----------
    forecasts
        One for each window.
    target
        A series that covers the windows and what is before them; its gaps do not count.
    season
        Steps in a seasonal period, for MASE.

    Returns
    -------
    dict of str to float
        ``MAE`` and ``RMSE`` over all steps of all windows, and ``MASE``: the absolute error over the mean absolute
        seasonal difference of all data before the window (NaN where that is zero). Averaged over components.
    """
    truth = np.stack([target.slice_intersect(one).values(copy=False) for one in forecasts]).astype(float)
    error = np.stack([one.values(copy=False) for one in forecasts]) - truth  # (windows, horizon, C)
    scale = np.stack([_seasonal_difference(target.drop_after(one.start_time()), season) for one in forecasts])
    absolute = _mean(np.abs(error), axis=1)
    scaled = np.divide(absolute, scale, out=np.full_like(scale, np.nan), where=scale > 0)
    undefined = bool((np.isnan(scaled) & ~np.isnan(absolute)).any())
    return {
        "MAE": float(_mean(np.abs(error), axis=(0, 1)).mean()),
        "RMSE": float(np.sqrt(_mean(error**2, axis=(0, 1))).mean()),
        "MASE": float("nan") if undefined else float(_mean(scaled, axis=(0, 1))),
    }


def _seasonal_difference(history: TimeSeries, season: int) -> np.ndarray:
    values = history.values(copy=False).astype(float)
    return _mean(np.abs(values[season:] - values[:-season]), axis=0)


def _mean(values: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    """Average what was observed; NaN where nothing was."""
    observed = ~np.isnan(values)
    count = observed.sum(axis=axis)
    total = np.where(observed, values, 0.0).sum(axis=axis)
    return np.divide(total, count, out=np.full(np.shape(total), np.nan), where=count > 0)
