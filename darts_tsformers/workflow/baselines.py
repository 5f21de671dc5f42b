"""The classical forecasters every comparison shows, refitted at the start of each window."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from darts import TimeSeries, concatenate
from darts.models import ExponentialSmoothing, NaiveSeasonal
from darts.utils.missing_values import fill_missing_values
from darts.utils.utils import SeasonalityMode

_MAX_HISTORY = 500
_MAX_SEASON = 200

Baseline: TypeAlias = Callable[[TimeSeries, int], TimeSeries]


def without_gaps(history: TimeSeries) -> TimeSeries:
    """Fill gaps by linear interpolation: classical forecasters have no other way with them."""
    return fill_missing_values(history)


def naive_seasonal(season: int) -> Baseline:
    """Repeat the last season; with ``season`` 1, the last value."""
    return lambda history, horizon: NaiveSeasonal(season).fit(history).predict(horizon)


def exponential_smoothing(season: int, first_history: TimeSeries) -> Baseline:
    """Smooth each component by Holt and Winters, with an additive trend, on its last 500 rows.

    Seasons are additive or multiplicative, whichever has the lower AIC on ``first_history``; multiplicative ones need
    positive values, and are additive where a history has others. Seasons of more than 200 steps, which would take too
    long, are left out.

    Parameters
    ----------
    season
        Steps in a seasonal period.
    first_history
        What is known before the first window.
    """
    period = season if 1 < season <= _MAX_SEASON else None
    modes = [_seasonality(first_history.univariate_component(k), period) for k in range(first_history.n_components)]

    def forecast(history: TimeSeries, horizon: int) -> TimeSeries:
        return concatenate(
            [_fitted(history.univariate_component(k), period, mode).predict(horizon) for k, mode in enumerate(modes)],
            axis="component",
        )

    return forecast


def _seasonality(history: TimeSeries, period: int | None) -> SeasonalityMode:
    if period is None:
        return SeasonalityMode.NONE
    modes = [SeasonalityMode.ADDITIVE]
    if _is_positive(history):
        modes.append(SeasonalityMode.MULTIPLICATIVE)
    return min(modes, key=lambda mode: _fitted(history, period, mode).model.aic)


def _fitted(history: TimeSeries, period: int | None, seasonality: SeasonalityMode) -> ExponentialSmoothing:
    recent = history[-_MAX_HISTORY:]
    if seasonality is SeasonalityMode.MULTIPLICATIVE and not _is_positive(recent):
        seasonality = SeasonalityMode.ADDITIVE
    return ExponentialSmoothing(seasonal=seasonality, seasonal_periods=period).fit(recent)


def _is_positive(history: TimeSeries) -> bool:
    return bool(np.all(history.values(copy=False) > 0))
