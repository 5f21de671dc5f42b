"""Quantiles around a forecast that has none: those of the forecaster, moved there and fitted to the errors."""

from collections.abc import Sequence

import numpy as np
from darts import TimeSeries

from darts_tsformers.workflow.windows import Forecast

_NARROWEST, _WIDEST = 0.25, 4.0


def around(point: TimeSeries, own: Forecast, width: float) -> dict[float, TimeSeries]:
    """Move the quantiles of the forecaster so that their median is the point, ``width`` times as far from it."""
    values, median = point.values(copy=False), own.point.values(copy=False)
    return {
        q: point.with_values(values + width * (one.values(copy=False) - median)) for q, one in own.quantiles.items()
    }


def fitted_width(points: Sequence[TimeSeries], own: Sequence[Forecast], target: TimeSeries) -> float:
    """Return the width at which the outermost quantiles hold as many values as they promise, and some more.

    The forecast was chosen on these windows, which flatters it. Of :math:`W` windows, a share of
    :math:`p + (1 - p) / W` has to be held to promise :math:`p`: all values of a single window, little more than
    promised of many.

    Parameters
    ----------
    points, own
        The forecast, and that of the forecaster, of each window.
    target
        A series that covers the windows; its gaps are left out.

    Returns
    -------
    float
        Between 0.25 and 4; 1 where there are no quantiles, or nothing was observed.
    """
    levels = list(own[0].quantiles)
    if len(levels) < 2:
        return 1.0
    low, high = min(levels), max(levels)
    below, above = (_values([one.quantiles[q] for one in own]) for q in (low, high))
    median = _values([one.point for one in own])
    error = _values([target.slice_intersect(point) for point in points]) - _values(points)
    reach = np.where(error < 0, median - below, above - median)
    known = (reach > 0) & ~np.isnan(error)
    if not known.any():
        return 1.0
    promised = high - low
    share = promised + (1 - promised) / len(points)
    return float(np.clip(np.quantile(np.abs(error[known]) / reach[known], share), _NARROWEST, _WIDEST))


def _values(series: Sequence[TimeSeries]) -> np.ndarray:
    return np.concatenate([one.values(copy=False).ravel() for one in series])
