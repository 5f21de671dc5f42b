import numpy as np
import pytest
import torch
from statsmodels.tsa.seasonal import seasonal_decompose

from darts_tsformers.layers.decomposition.classical import ClassicalDecomposition
from tests.helpers import draw, exactly

SIZES = [(23, 5), (23, 4), (13, 6), (10, 5), (4, 2), (17, 2), (29, 3)]
sizes = pytest.mark.parametrize(("length", "period"), SIZES, ids=lambda size: str(size))


def by_hand(x: np.ndarray, period: int) -> list[np.ndarray]:
    """Split one series step by step."""
    n, half = len(x), period // 2
    weights = [1 / period] * period if period % 2 else [0.5 / period, *[1 / period] * (period - 1), 0.5 / period]
    trend = np.full(n, np.nan)
    for t in range(half, n - half):
        trend[t] = sum(w * x[t - half + i] for i, w in enumerate(weights))
    first, last = np.arange(half, half + period), np.arange(n - half - period, n - half)
    before, after = (np.polyfit(steps, trend[steps], 1) for steps in (first, last))
    for t in range(half):
        trend[t], trend[n - 1 - t] = np.polyval(before, t), np.polyval(after, n - 1 - t)
    means = np.array([(x - trend)[phase::period].mean() for phase in range(period)])
    season = np.array([means[t % period] - means.mean() for t in range(n)])
    return [trend, season, x - trend - season]


@sizes
def test_it_is_what_its_definition_says(length, period):
    layer, x = ClassicalDecomposition(length, period).double(), draw(2, 3, length, dtype=torch.float64)
    parts = torch.stack(layer(x)).flatten(1, 2).numpy()
    for i, one in enumerate(x.flatten(0, 1).numpy()):
        np.testing.assert_allclose(parts[:, i], by_hand(one, period), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("length", "period"), [(23, 5), (23, 4), (17, 2), (29, 3)])
def test_its_trend_is_that_of_statsmodels_but_after_the_last_average(length, period):
    x = draw(1, 1, length, dtype=torch.float64)
    trend = ClassicalDecomposition(length, period).double()(x)[0].flatten().numpy()
    theirs = seasonal_decompose(x.flatten().numpy(), period=period, extrapolate_trend=period - 1).trend
    up_to = length - period // 2
    np.testing.assert_allclose(trend[:up_to], theirs[:up_to], rtol=0, atol=1e-6)


@sizes
def test_a_line_and_a_season_are_told_apart(length, period):
    steps = torch.arange(length, dtype=torch.float64)
    season = draw(period, dtype=torch.float64)
    season = (season - season.mean()).repeat(length)[:length]
    x = (3 - steps / 7 + season).view(1, 1, length)
    trend, found, rest = ClassicalDecomposition(length, period).double()(x)
    torch.testing.assert_close(trend.flatten(), 3 - steps / 7, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.flatten(), season, rtol=0, atol=1e-5)
    assert rest.abs().max() < 1e-5


def test_it_is_not_part_of_what_is_saved():
    assert ClassicalDecomposition(8, 2).state_dict() == {}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("period", "message"),
    [
        (1, "period=1 must be an integer of at least 2"),
        (2.0, "period=2.0 must be an integer of at least 2"),
        (6, "period=6 must be at most half of input_chunk_length=11"),
    ],
)
def test_a_bad_period_is_refused(period, message):
    with pytest.raises(ValueError, match=exactly(message)):
        ClassicalDecomposition(11, period)
