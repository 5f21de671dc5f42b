"""The classical forecasters every comparison shows, refitted at the start of each window."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from darts import TimeSeries, concatenate
from darts.models import ExponentialSmoothing, NaiveSeasonal
from darts.utils.missing_values import fill_missing_values
from darts.utils.utils import SeasonalityMode

_MAX_HISTORY = 500
_MAX_SEASON = 200

Baseline: TypeAlias = Callable[[TimeSeries, int], TimeSeries]
"""From a history without gaps and a horizon to a forecast; a dataclass of plain data, so that it can be kept."""


def without_gaps(history: TimeSeries) -> TimeSeries:
    """Fill gaps by linear interpolation: classical forecasters have no other way with them."""
    return fill_missing_values(history)


@dataclass(frozen=True)
class SeasonalNaive:
    """Repeat the last season; with ``season`` 1, the last value."""

    season: int

    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Forecast."""
        return NaiveSeasonal(self.season).fit(history).predict(horizon)


@dataclass(frozen=True)
class Smoothing:
    """Smooth each component by Holt and Winters, with an additive trend, on its last 500 rows.

    Attributes
    ----------
    period
        Steps in a seasonal period; None for no seasons.
    seasonality
        For each component whether its seasons are ``"additive"`` or ``"multiplicative"``; None for no seasons.
        Multiplicative ones need positive values, and are additive where a history has others.
    """

    period: int | None
    seasonality: tuple[str | None, ...]

    @classmethod
    def choose(cls, season: int, history: TimeSeries) -> Self:
        """Choose the seasonality with the lower AIC on a history.

        Seasons of more than 200 steps, which would take too long, are left out.
        """
        period = season if 1 < season <= _MAX_SEASON else None
        components = (history.univariate_component(k) for k in range(history.n_components))
        return cls(period, tuple(_seasonality(one, period).value for one in components))

    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Forecast."""
        forecasts = [
            _fitted(history.univariate_component(k), self.period, SeasonalityMode(kind)).predict(horizon)
            for k, kind in enumerate(self.seasonality)
        ]
        return concatenate(forecasts, axis="component")


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
