import numpy as np
import pytest
from darts import TimeSeries

from darts_tsformers.workflow.intervals import around, fitted_width
from darts_tsformers.workflow.windows import Forecast


def series(values, start=0):
    return TimeSeries.from_values(np.asarray(values, dtype=float)).shift(start)


def own(median, reach, start=0):
    """A forecast with quantiles this far below the median, and twice as far above."""
    middle = series(median, start)
    return Forecast(middle, {0.1: middle - reach, 0.5: middle, 0.9: middle + 2 * reach})


def test_quantiles_move_to_the_forecast_and_keep_their_sides():
    found = around(series([10, 20]), own([1, 3], reach=2), width=1.5)
    assert found[0.5] == series([10, 20])
    np.testing.assert_allclose(found[0.1].values().ravel(), [7, 17])
    np.testing.assert_allclose(found[0.9].values().ravel(), [16, 26])
    assert around(series([10, 20]), Forecast(series([1, 3]), {}), width=2) == {}


def test_the_width_is_that_at_which_the_intervals_hold_a_little_more_than_they_promise():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(13, 31))
    target = series(errors.ravel())
    points = [series(np.zeros(31), 31 * k) for k in range(13)]
    given = [own(np.zeros(31), reach=0.5, start=31 * k) for k in range(13)]
    width = fitted_width(points, given, target)
    intervals = [around(*pair, width) for pair in zip(points, given, strict=True)]
    held = [
        (one[0.1].values().ravel() <= error) & (error <= one[0.9].values().ravel())
        for one, error in zip(intervals, errors, strict=True)
    ]
    assert np.mean(held) == pytest.approx(0.8 + 0.2 / 13, abs=0.005)


def test_gaps_are_left_out_and_the_width_is_bounded():
    points, given = [series([0.0, 0.0, 0.0])], [own([0.0, 0.0, 0.0], reach=1)]
    assert fitted_width(points, given, series([np.nan, 3.0, np.nan])) == 1.5
    assert fitted_width(points, given, series([np.nan, 300.0, 300.0])) == 4
    assert fitted_width(points, given, series([0.0, 0.0, 0.0])) == 0.25
    assert fitted_width(points, given, series([0.0, 0.0, 3.0])) == 1.5  # of a single window all are held
    assert fitted_width(points, given, series([np.nan] * 3)) == 1
    assert fitted_width(points, [Forecast(points[0], {})], series([1.0, 2.0, 3.0])) == 1
