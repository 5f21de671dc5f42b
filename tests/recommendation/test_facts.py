"""What is measured of a series, on series of which it is known."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers.recommendation.facts import LONGEST, measure, seasonal_skill, seasonal_strength

N, SEASON, HORIZON = 24 * 53 + 7, 24, 11
TIME = np.arange(N)
DAY = np.sin(2 * np.pi * TIME / SEASON)[:, None]
NOISE = np.random.default_rng(0).normal(size=(N, 1))


def hourly(values: np.ndarray) -> TimeSeries:
    return TimeSeries.from_times_and_values(pd.date_range("2024-01-01", periods=len(values), freq="h"), values)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_strength_is_the_share_of_the_variance_that_is_seasonal(share):
    values = np.sqrt(2 * share) * DAY + np.sqrt(1 - share) * NOISE
    assert seasonal_strength(values, SEASON) == pytest.approx(share, abs=0.04)


def test_neither_level_nor_scale_nor_slow_trend_count_in_strength():
    values = DAY + NOISE
    expected = seasonal_strength(values, SEASON)
    assert seasonal_strength(1e3 + 7 * values, SEASON) == pytest.approx(expected)
    assert seasonal_strength(values + 3 * ((TIME[:, None] - N) // SEASON), SEASON) == pytest.approx(expected)


def test_each_component_counts_alike_in_both():
    both = np.hstack([1e4 * DAY, NOISE])
    assert seasonal_strength(both, SEASON) == pytest.approx((1 + seasonal_strength(NOISE, SEASON)) / 2)
    assert seasonal_skill(both, SEASON, HORIZON) == pytest.approx((1 + seasonal_skill(NOISE, SEASON, HORIZON)) / 2)


def test_skill_is_that_of_the_naive_forecasts():
    values = DAY + NOISE
    starts = np.arange(SEASON, N - HORIZON + 1)[:: -(-(N - HORIZON + 1 - SEASON) // 500)]
    of_season = [np.square(values[s : s + HORIZON] - values[s - SEASON : s - SEASON + HORIZON]).mean() for s in starts]
    of_value = [np.square(values[s : s + HORIZON] - values[s - 1]).mean() for s in starts]
    assert seasonal_skill(values, SEASON, HORIZON) == pytest.approx(1 - np.mean(of_season) / np.mean(of_value))


def test_a_random_walk_has_no_seasonal_skill():
    assert seasonal_skill(NOISE.cumsum(axis=0), SEASON, HORIZON) < -0.5


def test_gaps_change_little():
    values = DAY + NOISE / 2
    gappy = np.where(np.random.default_rng(1).random(values.shape) < 0.3, np.nan, values)
    assert seasonal_strength(gappy, SEASON) == pytest.approx(seasonal_strength(values, SEASON), abs=0.03)
    assert seasonal_skill(gappy, SEASON, HORIZON) == pytest.approx(seasonal_skill(values, SEASON, HORIZON), abs=0.05)


@pytest.mark.parametrize(
    "values", [np.full((N, 2), 7.0), np.full((N, 2), np.nan), NOISE[: SEASON + HORIZON - 1], NOISE[:1]]
)
@pytest.mark.filterwarnings("error")
def test_where_nothing_can_be_said_both_are_nothing(values):
    assert seasonal_strength(values, SEASON) == 0
    assert seasonal_skill(values, SEASON, HORIZON) == 0


def test_facts_of_several_series_are_weighed_by_their_size():
    gappy = NOISE.copy()
    gappy[::5] = np.nan
    facts = measure([hourly(DAY[:480]), hourly(gappy[:240])], HORIZON, has_future=True)
    assert (facts.n_series, facts.n_steps, facts.n_components, facts.season) == (2, 720, 1, SEASON)
    assert facts.missing_share == pytest.approx(0.2 / 3)
    assert facts.seasonal_strength == pytest.approx((2 + seasonal_strength(gappy[:240], SEASON)) / 3)
    assert facts.has_future


def test_a_long_series_is_judged_by_its_end():
    values = np.vstack([np.full((SEASON, 1), np.nan), np.resize(DAY[:SEASON], (LONGEST, 1))])
    facts = measure([hourly(values)], HORIZON, has_future=False)
    assert (facts.n_steps, facts.missing_share) == (len(values), 0)
