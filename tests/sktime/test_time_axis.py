"""Every kind of index becomes steps and comes back."""

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.sktime import PatchTSTForecaster
from darts_tsformers.sktime._time_axis import TimeAxis, frequency
from tests.sktime.cases import LENGTH, make_y, tiny

REGULAR = {
    "months": pd.period_range("2001-03", periods=19, freq="M"),
    "two months": pd.period_range("2001-03", periods=19, freq="2M"),
    "quarters": pd.period_range("2001Q1", periods=19, freq="Q-NOV"),
    "days": pd.date_range("2001-03-05", periods=19, freq="D"),
    "business days": pd.bdate_range("2001-03-05", periods=19),
    "two hours": pd.date_range("2001-03-05 03:00", periods=19, freq="2h"),
    "month ends": pd.date_range("2001-03-31", periods=19, freq="ME"),
    "weeks": pd.date_range("2001-03-05", periods=19, freq="W-WED"),
    "clock change": pd.date_range("2001-03-25", periods=19, freq="h", tz="Europe/Paris"),
    "range": pd.RangeIndex(11, 30),
    "every third": pd.RangeIndex(11, 11 + 3 * 19, 3),
    "integers": pd.Index(np.arange(-5, 14)),
}
every_index = pytest.mark.parametrize("index", REGULAR.values(), ids=REGULAR)


@every_index
def test_steps_count_from_the_origin_and_lead_back(index):
    for given in (index, pd.Index(list(index))):
        axis = TimeAxis(given[2], frequency(given))
        assert axis.steps(index[2:]).tolist() == list(range(17))
        assert axis.steps(index[[11, 18]]).tolist() == [9, 16]
        assert (axis.steps(index[:2]) < 0).all()
        assert list(axis.labels(np.array([0, 3, 16]))) == list(index[[2, 5, 18]])


@every_index
def test_a_forecast_is_the_same_whatever_the_index(index):
    y = make_y(13)
    expected = tiny(PatchTSTForecaster).fit(y).predict([2, 3])
    y.index = index[:13]
    ours = tiny(PatchTSTForecaster).fit(y).predict([2, 3])
    np.testing.assert_array_equal(ours, expected)
    assert list(ours.index) == list(index[[14, 15]])


@pytest.mark.parametrize("name", ["months", "quarters", "two months", "integers", "every third"])
def test_left_out_steps_do_not_change_the_frequency(name):
    index = REGULAR[name]
    assert frequency(index.delete([4, 5])) == frequency(index)


def test_absolute_and_relative_horizons_agree():
    y = make_y(index=pd.date_range("2001-03-05", periods=LENGTH, freq="D"))
    forecaster = tiny(PatchTSTForecaster).fit(y)
    relative = forecaster.predict([1, 3])
    absolute = forecaster.predict(y.index[-1] + pd.to_timedelta([1, 3], unit="D"))
    pd.testing.assert_frame_equal(absolute, relative, check_freq=False)


def test_what_is_no_time():
    with pytest.raises(TypeError, match="an index of type Index must hold periods, time stamps or integers"):
        frequency(pd.Index([0.5, 1.5]))


def test_between_two_steps():
    with pytest.raises(ValueError, match="12 lies between the steps of 3 that start at 11"):
        TimeAxis(11, 3).steps(pd.Index([14, 12]))
