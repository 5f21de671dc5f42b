"""What of a series tells which forecaster suits it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from darts import TimeSeries

from darts_tsformers.seasonality import seasonal_period

LONGEST = 20_000
"""Rows that are looked at, the last ones: a season is as strong in these as in more."""
WINDOWS = 500
"""Windows that are looked at, at most."""

Values = np.ndarray
"""``(rows, components)``, NaN where nothing was observed."""


@dataclass(frozen=True)
class Facts:
    """What the rules ask of one series or of several.

    Attributes
    ----------
    horizon
        Steps to forecast.
    n_series, n_steps
        How many series, and how many steps they have together.
    n_components
        Of each series.
    season
        Steps of the period that the frequency suggests; 1 for none.
    seasonal_strength
        Share of the variance around each season's mean that the mean season explains, 0 to 1, averaged over components
        (after Wang, Smith and Hyndman, 2006); 0 without a season, or where fewer than two were seen.
    seasonal_skill
        One minus the squared error of repeating the last season over that of repeating the last value, over the
        horizon: negative for what walks at random; 0 without a season.
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
    >>> facts.season, round(facts.seasonal_strength, 3), round(facts.seasonal_skill, 3)
    (7, 1.0, 1.0)
    """

    horizon: int
    n_series: int
    n_steps: int
    n_components: int
    season: int
    seasonal_strength: float
    seasonal_skill: float
    missing_share: float
    has_future: bool


def measure(series: Sequence[TimeSeries], horizon: int, *, has_future: bool) -> Facts:
    """Look at series of the same components and frequency."""
    season = seasonal_period(series[0].freq)
    recent = [one.values(copy=False)[-LONGEST:].astype(np.float64) for one in series]
    sizes = np.array([values.size for values in recent])
    return Facts(
        horizon=horizon,
        n_series=len(series),
        n_steps=sum(map(len, series)),
        n_components=series[0].n_components,
        season=season,
        seasonal_strength=float(np.average([seasonal_strength(values, season) for values in recent], weights=sizes)),
        seasonal_skill=float(np.average([seasonal_skill(values, season, horizon) for values in recent], weights=sizes)),
        missing_share=float(np.average([np.isnan(values).mean() for values in recent], weights=sizes)),
        has_future=has_future,
    )


def seasonal_strength(values: Values, season: int) -> float:
    """Return the mean over components of the share of the variance within seasons that the mean season explains."""
    n_seasons = len(values) // season
    if season == 1 or n_seasons < 2:
        return 0.0
    by_season = values[len(values) - n_seasons * season :].reshape(n_seasons, season, -1)
    within = by_season - _mean(by_season, 1)
    rest = within - _mean(within, 0)
    return float(1 - _relative(_mean(rest**2, (0, 1)), _mean(within**2, (0, 1))).clip(0, 1).mean())


def seasonal_skill(values: Values, season: int, horizon: int) -> float:
    """Return one minus the squared error of repeating the last season over that of repeating the last value."""
    if season == 1 or len(values) < season + horizon:
        return 0.0
    steps = np.arange(horizon)
    starts = np.arange(season, len(values) - horizon + 1)
    starts = starts[:: -(-len(starts) // WINDOWS)]
    actual = values[starts[:, None] + steps]
    of_season = _mean((values[starts[:, None] + steps % season - season] - actual) ** 2, (0, 1))
    of_value = _mean((values[starts[:, None] - 1] - actual) ** 2, (0, 1))
    return float(1 - _relative(of_season, of_value).mean())


def _relative(part: Values, whole: Values) -> Values:
    """Divide; where the whole is nothing, so is the part, and they count as equal."""
    return np.divide(part, whole, out=np.ones_like(part), where=whole > 0)


def _mean(values: Values, axis: int | tuple[int, ...]) -> Values:
    """Return means of what was observed, 0 where nothing was, with axes kept."""
    seen = ~np.isnan(values)
    return np.where(seen, values, 0).sum(axis, keepdims=True) / np.maximum(seen.sum(axis, keepdims=True), 1)
