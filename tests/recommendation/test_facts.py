"""What is measured of a series, on series of which it is known."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers.recommendation.facts import LONGEST, measure, seasonal_strength

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


def test_neither_level_nor_scale_nor_trend_count_in_strength():
    values = DAY + NOISE
    expected = seasonal_strength(values, SEASON)
    assert seasonal_strength(1e3 + 7 * values, SEASON) == pytest.approx(expected)
    assert seasonal_strength(1e200 * values, SEASON) == pytest.approx(expected)
    assert seasonal_strength(values + 3 * TIME[:, None], SEASON) == pytest.approx(expected)


@pytest.mark.parametrize("n_seasons", [4, 7, 50])
@pytest.mark.parametrize("walks", [False, True])
def test_no_season_is_seen_where_there_is_none(n_seasons, walks):
    series = [np.random.default_rng(seed).normal(size=(n_seasons * SEASON, 1)) for seed in range(30)]
    found = [seasonal_strength(one.cumsum(axis=0) if walks else one, SEASON) for one in series]
    assert np.mean(found) < 0.09


def test_a_straight_line_has_no_season():
    assert seasonal_strength(TIME[:, None] * 0.1, SEASON) == pytest.approx(0)


def test_each_component_counts_alike():
    both = np.hstack([1e4 * DAY, NOISE])
    assert seasonal_strength(both, SEASON) == pytest.approx((1 + seasonal_strength(NOISE, SEASON)) / 2)


def test_gaps_change_little():
    values = DAY + NOISE / 2
    gappy = np.where(np.random.default_rng(1).random(values.shape) < 0.3, np.nan, values)
    assert seasonal_strength(gappy, SEASON) == pytest.approx(seasonal_strength(values, SEASON), abs=0.03)


@pytest.mark.parametrize(
    "values",
    [np.full((N, 2), 7.0), np.full((N, 2), 1e8 + 0.1), np.full((N, 2), np.nan), NOISE[: 4 * SEASON - 1], NOISE[:1]],
)
@pytest.mark.filterwarnings("error")
def test_where_nothing_can_be_said_there_is_no_strength(values):
    assert seasonal_strength(values, SEASON) == 0


def test_facts_of_several_series_are_weighed_by_their_size():
    gappy = NOISE.copy()
    gappy[::5] = np.nan
    facts = measure([hourly(DAY[:480]), hourly(gappy[:240])], HORIZON, has_future=True)
    assert (facts.n_steps, facts.n_components, facts.season) == (720, 1, SEASON)
    assert (facts.lookback, facts.n_windows) == (96, 480 + 240 - 2 * (96 + HORIZON - 1))
    assert facts.missing_share == pytest.approx(0.2 / 3)
    assert facts.seasonal_strength == pytest.approx((2 + seasonal_strength(gappy[:240], SEASON)) / 3)
    assert facts.has_future


def test_series_too_short_for_a_window_have_none():
    short = [hourly(NOISE[:50])] * 400
    assert measure([hourly(NOISE[:400]), *short], HORIZON, has_future=False).n_windows == 400 - 96 - HORIZON + 1
    assert measure(short, 40, has_future=False).n_windows == 0


def test_a_long_series_is_judged_by_its_end():
    values = np.vstack([np.full((SEASON, 1), np.nan), np.resize(DAY[:SEASON], (LONGEST, 1))])
    facts = measure([hourly(values)], HORIZON, has_future=False)
    assert (facts.n_steps, facts.missing_share) == (len(values), 0)
