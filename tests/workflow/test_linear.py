from dataclasses import asdict

import numpy as np
import pytest
from darts import TimeSeries

from darts_tsformers.workflow.linear import DLinear, NLinear
from darts_tsformers.workflow.process import quiet_libraries


@pytest.fixture(autouse=True)
def quiet():
    with quiet_libraries():
        yield


def wave(n_rows=97):
    step = np.arange(n_rows)
    return TimeSeries.from_values(np.stack([50 + 7 * np.sin(step * 2 * np.pi / 7), 3 - step % 7], axis=1))


@pytest.mark.parametrize("kind", [DLinear, NLinear])
def test_a_wave_is_learnt_in_the_units_of_the_data_and_beyond_the_horizon(kind):
    model = kind(lookback=14, horizon=5, steps=200, seed=1)
    series = wave()
    forecast = model(series[:83], 11)
    error = np.abs(forecast.values() - series[83:94].values()).mean(axis=0) / series.values().std(axis=0)
    assert (error < 0.5).all()
    assert forecast.start_time() == 83
    assert forecast == kind(**asdict(model))(series[:83], 11)


def test_windows_are_forecast_from_the_rows_before_by_what_was_trained_before_the_first():
    model = NLinear(lookback=7, horizon=3, steps=5, seed=0)
    rows = [60, 63, 66]
    series = wave()
    found = list(model.windows(series, rows, 3))
    assert [window.start_time() for window in found] == rows
    np.testing.assert_allclose(found[0].values(), model(series[:60], 3).values(), atol=1e-5)  # float32
    changed = series.values(copy=True)
    changed[63:] += 1000
    again = list(model.windows(series.with_values(changed), rows, 3))
    assert again[:2] == found[:2]
    assert (again[2].values() - found[2].values() > 300).all()
