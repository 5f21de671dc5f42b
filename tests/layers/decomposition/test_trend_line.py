import numpy as np
import pytest
import torch

from darts_tsformers.layers.decomposition.trend_line import TrendLine
from tests.helpers import draw, exactly

SIZES = [(1, 5, 1), (2, 5, 2), (5, 7, 2), (7, 3, 3), (13, 5, 3), (11, 5, 3), (17, 1, 17), (23, 11, 3)]


@pytest.mark.parametrize(("horizon", "distance", "n_points"), SIZES)
def test_lines_go_through_points_that_are_evenly_spread(horizon, distance, n_points):
    line = TrendLine(horizon, distance).double()
    points = draw(2, 3, n_points, dtype=torch.float64)
    assert line.n_points == n_points
    if n_points > 2:
        assert (horizon - 1) / (n_points - 1) >= distance
    at = np.linspace(0, horizon - 1, n_points)
    expected = [np.interp(np.arange(horizon), at, one) for one in points.flatten(0, 1).numpy()]
    np.testing.assert_allclose(line(points).flatten(0, 1).numpy(), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("horizon", "distance"), [size[:2] for size in SIZES])
def test_the_nearest_line_leaves_nothing_that_a_line_can_follow(horizon, distance):
    line, x = TrendLine(horizon, distance).double(), draw(2, 3, horizon, dtype=torch.float64)
    nearest = line.nearest(x)
    torch.testing.assert_close((x - nearest) @ line.lines, torch.zeros(2, 3, line.n_points).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(line.nearest(nearest), nearest, rtol=1e-5, atol=1e-5)


def test_a_season_of_the_distance_is_kept_out_and_slower_changes_are_not():
    line, steps = TrendLine(96, 24), torch.arange(96.0)
    season, wave, slope = (torch.sin(2 * torch.pi * steps / 24), torch.sin(2 * torch.pi * steps / 96), 3 - steps / 7)
    assert line.nearest(season).norm() < 0.3 * season.norm()
    assert line.nearest(wave).norm() > 0.9 * wave.norm()
    torch.testing.assert_close(line.nearest(slope), slope, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0, "distance": 5}, "horizon=0 must be an integer of at least 1"),
        ({"horizon": 5, "distance": 0}, "distance=0 must be an integer of at least 1"),
    ],
)
def test_sizes_below_one_are_refused(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        TrendLine(**arguments)
