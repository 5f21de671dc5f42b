"""What of a series tells which forecaster suits it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from darts import TimeSeries

from darts_tsformers.seasonality import seasonal_period

LONGEST = 20_000
"""Rows that are looked at, the last ones: a season is as strong in these as in more."""
FEWEST_SEASONS = 3
USUAL_LOOKBACK = 96
ROUNDING = 1e-12

Values = np.ndarray
"""``(rows, components)``, NaN where nothing was observed."""


@dataclass(frozen=True)
class Facts:
    """What the rules ask of one series or of several.

    Attributes
    ----------
    horizon
        Steps to forecast.
    lookback
        Steps that a model would look back on: as many as it forecasts, but at least 96 where the longest series has
        four times as many.
    n_steps
        How many steps all series have together.
    n_windows
        How many windows of look-back and horizon they have together; 0 where each is too short for one.
    n_components
        Of each series.
    season
        Steps of the period that the frequency suggests; 1 for none.
    seasonal_strength
        Share of the variance around the moving mean of a season that the mean season explains beyond chance, 0 to 1,
        averaged over components (after Wang, Smith and Hyndman, 2006); 0 without a season, or where fewer than four
        were seen.
    missing_share
        Share of the values that were not observed.
    has_future
        Whether there are covariates that are known over the horizon.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.recommendation.facts import measure
    >>> days = pd.date_range("2024-01-01", periods=91, freq="D")
    >>> week = np.sin(np.arange(91) * 2 * np.pi / 7)
    >>> facts = measure([TimeSeries.from_times_and_values(days, week)], horizon=7, has_future=False)
    >>> facts.season, round(facts.seasonal_strength, 3), facts.n_windows
    (7, 1.0, 63)
    """

    horizon: int
    lookback: int
    n_steps: int
    n_windows: int
    n_components: int
    season: int
    seasonal_strength: float
    missing_share: float
    has_future: bool


def measure(series: Sequence[TimeSeries], horizon: int, *, has_future: bool) -> Facts:
    """Look at series of the same components and frequency."""
    season = seasonal_period(series[0].freq)
    lengths = [len(one) for one in series]
    lookback = max(horizon, min(USUAL_LOOKBACK, max(lengths) // 4))
    recent = [one.values(copy=False)[-LONGEST:].astype(np.float64) for one in series]
    sizes = np.array([values.size for values in recent])
    return Facts(
        horizon=horizon,
        lookback=lookback,
        n_steps=sum(lengths),
        n_windows=sum(max(length - lookback - horizon + 1, 0) for length in lengths),
        n_components=series[0].n_components,
        season=season,
        seasonal_strength=float(np.average([seasonal_strength(values, season) for values in recent], weights=sizes)),
        missing_share=float(np.average([np.isnan(values).mean() for values in recent], weights=sizes)),
        has_future=has_future,
    )


def seasonal_strength(values: Values, season: int) -> float:
    """Return the mean over components of the share of the variance around the trend that the mean season explains.

    Of noise a mean over n seasons explains one n-th; that is taken off.
    """
    if season == 1 or len(values) < (FEWEST_SEASONS + 1) * season:
        return 0.0
    around = _around_trend(_scaled(values), season)
    n_seasons = len(around) // season
    by_season = around[len(around) - n_seasons * season :].reshape(n_seasons, season, -1)
    whole = _mean(by_season**2, (0, 1))
    rest = _mean((by_season - _mean(by_season, 0)) ** 2, (0, 1)) * n_seasons / (n_seasons - 1)
    share = 1 - np.divide(rest, whole, out=np.ones_like(rest), where=whole > ROUNDING**2)
    return float(share.clip(0, 1).mean())


def _scaled(values: Values) -> Values:
    """Bring each component to deviations of at most 1 from its mean, so that no square is too large or all rounding."""
    largest = np.nanmax(np.abs(values), axis=0, initial=0)
    part = values / np.where(largest > 0, largest, 1)
    return part - _mean(part, 0)


def _around_trend(values: Values, season: int) -> Values:
    """Take off the moving mean of a season; rows without a whole season around them fall away."""
    seen = ~np.isnan(values)
    sums, counts = (
        np.lib.stride_tricks.sliding_window_view(one, season, axis=0).sum(axis=-1)
        for one in (np.where(seen, values, 0.0), seen)
    )
    start = season // 2
    around = values[start : start + len(sums)] - sums / np.maximum(counts, 1)
    return around - _mean(around, 0)  # what a window of an even number of steps leaves of a slope


def _mean(values: Values, axis: int | tuple[int, ...]) -> Values:
    """Return means of what was observed, 0 where nothing was, with axes kept."""
    seen = ~np.isnan(values)
    return np.where(seen, values, 0).sum(axis, keepdims=True) / np.maximum(seen.sum(axis, keepdims=True), 1)
