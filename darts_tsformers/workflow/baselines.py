"""The classical forecasters every comparison shows, refitted at the start of each window."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from darts import TimeSeries, concatenate
from darts.models import ExponentialSmoothing, NaiveSeasonal
from darts.models import Theta as DartsTheta
from darts.utils.missing_values import fill_missing_values
from darts.utils.utils import SeasonalityMode

_MAX_HISTORY = 500
_MAX_SEASON = 200


class Baseline(ABC):
    """Forecasts a history without gaps. Subclasses are dataclasses of plain data, so that they can be kept."""

    @abstractmethod
    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Fit to the history, and forecast what comes after it."""

    def windows(self, target: TimeSeries, rows: Sequence[int], horizon: int) -> Iterator[TimeSeries]:
        """Forecast the windows that begin at these rows, ascending, each from all rows before it."""
        return (self(without_gaps(target[:row]), horizon) for row in rows)


def without_gaps(history: TimeSeries) -> TimeSeries:
    """Fill gaps by linear interpolation: classical forecasters have no other way with them."""
    return fill_missing_values(history)


@dataclass(frozen=True)
class SeasonalNaive(Baseline):
    """Repeat the last season; with ``season`` 1, the last value."""

    season: int

    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Forecast."""
        return NaiveSeasonal(self.season).fit(history).predict(horizon)


@dataclass(frozen=True)
class Smoothing(Baseline):
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
        period = _period(season)
        components = (history.univariate_component(k) for k in range(history.n_components))
        return cls(period, tuple(_seasonality(one, period).value for one in components))

    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Forecast."""
        kinds = iter(self.seasonality)
        return _each(history, lambda one: _fitted(one, self.period, SeasonalityMode(next(kinds))).predict(horizon))


@dataclass(frozen=True)
class Theta(Baseline):
    """Extrapolate each component by the theta method, on its last 500 rows.

    Seasons are multiplicative where all values are positive, and additive elsewhere.

    Attributes
    ----------
    period
        Steps in a seasonal period; None for no seasons.
    """

    period: int | None

    @classmethod
    def choose(cls, season: int) -> Self:
        """Leave out seasons of more than 200 steps."""
        return cls(_period(season))

    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Forecast."""
        return _each(history[-_MAX_HISTORY:], lambda one: DartsTheta(**self._seasons(one)).fit(one).predict(horizon))

    def _seasons(self, history: TimeSeries) -> dict[str, Any]:
        if self.period is None:
            return {"season_mode": SeasonalityMode.NONE}
        mode = SeasonalityMode.MULTIPLICATIVE if _is_positive(history) else SeasonalityMode.ADDITIVE
        return {"season_mode": mode, "seasonality_period": self.period}


def _period(season: int) -> int | None:
    return season if 1 < season <= _MAX_SEASON else None


def _each(history: TimeSeries, forecast: Callable[[TimeSeries], TimeSeries]) -> TimeSeries:
    """Forecast each component by itself."""
    components = (history.univariate_component(k) for k in range(history.n_components))
    return concatenate([forecast(one) for one in components], axis="component")


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
