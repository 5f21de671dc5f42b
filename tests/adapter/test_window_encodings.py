"""Windows of a backtest are those that ``predict`` sees, also where encodings are relative to them."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.utils.utils import n_steps_between

from darts_tsformers.adapter.calendar import hourly_marks
from darts_tsformers.adapter.forecasting.window_encodings import window_encoder
from darts_tsformers.adapter.forecasting.windows import forecast_windows
from darts_tsformers.explain import explain
from tests.contracts.cases import CASE, H, L, make_data

DATA = make_data(2, ("past", "future"))
OTHER = make_data(2, ("past", "future"), length=41, seed=1)
HOW = {"start": 30, "start_format": "position", "stride": 4, "retrain": False, "last_points_only": False}


def since_the_first(index: pd.DatetimeIndex) -> np.ndarray:
    return np.arange(len(index)) / 10


def day_of_the_week(index: pd.DatetimeIndex) -> np.ndarray:
    return np.asarray(index.dayofweek) / 7


RELATIVE = {
    "future": {"position": {"future": ["relative"]}},
    "past": {"position": {"past": ["relative"]}},
    "both, scaled, with a season": {
        "position": {"past": ["relative"], "future": ["relative"]},
        "cyclic": {"future": ["dayofweek"]},
        "transformer": Scaler(),
    },
    "own": {"custom": {"future": [since_the_first]}},
}
ABSOLUTE = {
    "none": None,
    "season": {"cyclic": {"future": ["dayofweek"]}, "datetime_attribute": {"past": ["month"]}},
    "own": {"custom": {"future": [day_of_the_week, hourly_marks]}},
}


def fitted(encoders, *, covariates: bool, name: str = "ITransformerModel"):
    model = CASE[name].model(n_epochs=2, add_encoders=encoders)
    return model.fit(DATA.series[:40], **(DATA.covariates() if covariates else {}))


def largest(forecasts: list[TimeSeries], model, series: TimeSeries, n: int, **covariates: TimeSeries) -> float:
    off = 0.0
    for one in forecasts:
        n_seen = n_steps_between(one.start_time(), series.start_time(), series.freq) - model.output_chunk_shift
        seen = series[:n_seen]
        off = max(off, np.abs(one.values() - model.predict(n, seen, **covariates).values()).max())
    return off


@pytest.mark.parametrize("covariates", [False, True], ids=["alone", "with-covariates"])
@pytest.mark.parametrize("encoders", RELATIVE.values(), ids=RELATIVE)
def test_a_backtest_is_what_predict_gives(encoders, covariates):
    model = fitted(encoders, covariates=covariates)
    given = DATA.covariates() if covariates else {}
    for n in (2, H, H + 2):
        found = model.historical_forecasts(DATA.series, forecast_horizon=n, **given, **HOW)
        assert len(found) > 3
        assert largest(found, model, DATA.series, n, **given) < 1e-5


def test_several_series_at_once_and_points_alone():
    model = fitted(RELATIVE["future"], covariates=True)
    both = [DATA.series, OTHER.series]
    given = {name: [series, OTHER.covariates()[name]] for name, series in DATA.covariates().items()}
    found = model.historical_forecasts(both, forecast_horizon=H, **given, **HOW)
    for series, forecasts, data in zip(both, found, (DATA, OTHER), strict=True):
        assert largest(forecasts, model, series, H, **data.covariates()) < 1e-5
    last = model.historical_forecasts(both, forecast_horizon=H, **given, **HOW | {"last_points_only": True})
    for points, forecasts in zip(last, found, strict=True):
        np.testing.assert_array_equal(points.values(), [one.values()[-1] for one in forecasts])


def test_up_to_the_end_and_with_a_shift():
    model = CASE["TemporalFusionTransformerModel"].model(add_encoders=RELATIVE["future"], output_chunk_shift=3)
    model.fit(DATA.series[:40])
    found = model.historical_forecasts(DATA.series, forecast_horizon=H, overlap_end=True, **HOW | {"stride": 1})
    assert found[-1].start_time() == DATA.series.end_time() + 4 * DATA.series.freq
    assert largest(found, model, DATA.series, H) < 1e-5


def test_explanations_and_windows_see_the_same():
    model = fitted(RELATIVE["both, scaled, with a season"], covariates=False)
    found = explain(model, DATA.series, start=40, stride=5).forecasts
    assert len(found) > 1
    assert largest(found, model, DATA.series, H) < 1e-5
    windows = forecast_windows(model, DATA.series, start=40, stride=5)
    alone = model._build_inference_dataset(H, [DATA.series], *model.generate_predict_encodings(H, [DATA.series]))
    rows = {len(windows[i].past_covariates) for i in range(len(windows))}
    assert rows == {L}
    np.testing.assert_allclose(windows[0].past_covariates, alone[0].past_covariates, atol=1e-6)


@pytest.mark.parametrize("encoders", ABSOLUTE.values(), ids=ABSOLUTE)
def test_what_depends_on_the_time_alone_is_encoded_once(encoders):
    model = fitted(encoders, covariates=False)
    assert window_encoder(model, H, DATA.series) is None
    found = model.historical_forecasts(DATA.series, forecast_horizon=H, **HOW)
    assert largest(found, model, DATA.series, H) < 1e-5


def test_a_backtest_in_another_process_reads_the_same_windows():
    model = fitted(RELATIVE["future"], covariates=False)
    forecast = partial(model.historical_forecasts, DATA.series, forecast_horizon=H, **HOW)
    here, there = forecast(), forecast(predict_kwargs={"dataloader_kwargs": {"num_workers": 1}})
    assert here == there
