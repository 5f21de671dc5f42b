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
        A series that covers the windows and what is before them.
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
    absolute = np.abs(error).mean(axis=1)
    scaled = np.divide(absolute, scale, out=np.full_like(scale, np.nan), where=scale > 0)
    return {
        "MAE": float(absolute.mean()),
        "RMSE": float(np.sqrt((error**2).mean(axis=(0, 1))).mean()),
        "MASE": float(scaled.mean()),
    }


def _seasonal_difference(history: TimeSeries, season: int) -> np.ndarray:
    values = history.values(copy=False).astype(float)
    return np.abs(values[season:] - values[:-season]).mean(axis=0)
