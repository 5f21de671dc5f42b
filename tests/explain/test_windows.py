import numpy as np
import pandas as pd
import pytest

from darts_tsformers.explain.windows import Origin, common_freq, duration, duration_range, labels, stamp


@pytest.mark.parametrize("freq", ["h", "D", "MS", "ME", "W-WED", "B", "15min", "QE-DEC"])
def test_offsets_count_steps_of_the_series(freq):
    index = pd.date_range("2021-01-05", periods=20, freq=freq)
    origin = Origin(0, index[12], index.freq)
    np.testing.assert_array_equal(origin.times([-12, -3, 0, 7]), index[[0, 9, 12, 19]].to_numpy())


def test_offsets_count_positions_of_a_range():
    assert Origin(0, 100, 3).times([-2, 0, 1]).tolist() == [94, 100, 103]


@pytest.mark.parametrize(
    ("steps", "freq", "words"),
    [
        (24, "h", "24 h"),
        (47, "h", "47 h"),
        (168, "h", "7 days"),
        (4, "15min", "1 h"),
        (3, "15min", "45 min"),
        (2.4, "h", "2.4 h"),
        (96 / 41, "h", "2.34 h"),
        (7, "D", "7 days"),
        (24, "2h", "2 days"),
        (12, "MS", "12 months"),
        (1, "YE", "1 year"),
        (1, "BYE-DEC", "1 year"),
        (4, "QE", "4 quarters"),
        (5, "B", "5 business days"),
        (2, "W-SUN", "2 weeks"),
        (3, "SMS", "3 step of SMS-15"),
        (90, "s", "90 s"),
    ],
)
def test_durations_are_in_the_units_of_the_series(steps, freq, words):
    assert duration(steps, pd.tseries.frequencies.to_offset(freq)) == words


def test_durations_without_a_clock_are_in_steps():
    assert duration(24, 1) == "24 steps"
    assert duration(1, 3) == "1 step"


def test_times_are_written_as_short_as_they_are_clear():
    assert stamp(pd.Timestamp("2021-03-01")) == "2021-03-01"
    assert stamp(pd.Timestamp("2021-03-01 07:00")) == "2021-03-01 07:00"
    assert stamp(pd.Timestamp("2021-03-01 00:00:30")) == "2021-03-01 00:00:30"
    assert stamp(17) == "17"


def test_windows_are_told_apart():
    day = pd.Timestamp("2021-03-01")
    freq = pd.offsets.Hour()
    assert labels([Origin(0, day, freq)]) == ["2021-03-01"]
    assert labels([Origin(0, day, freq), Origin(1, day, freq, 3)]) == [
        "series 0, 2021-03-01",
        "series 1, 2021-03-01, 3 steps forecast",
    ]


@pytest.mark.parametrize(
    ("first", "end", "freq", "words"),
    [
        (4, 8, "h", "4 to 8 h"),
        (2, 4, "15min", "30 min to 1 h"),
        (1, 2, "D", "24 h to 2 days"),
        (2, 4, "MS", "2 to 4 months"),
    ],
)
def test_ranges_name_a_unit_once(first, end, freq, words):
    assert duration_range(first, end, pd.tseries.frequencies.to_offset(freq)) == words


def test_series_of_several_frequencies_have_steps_in_common():
    day = pd.Timestamp("2021-03-01")
    hourly, daily = Origin(0, day, pd.offsets.Hour()), Origin(1, day, pd.offsets.Day())
    assert common_freq([hourly, hourly]) == pd.offsets.Hour()
    assert common_freq([hourly, daily]) == 1
