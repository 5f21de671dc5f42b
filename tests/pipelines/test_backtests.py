"""Backtests with encoders and scalers, on searches for "ice cream" and "heater": values, not only that they run."""

from typing import Any

import numpy as np
import pytest
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.metrics import mae, rmse
from sklearn.preprocessing import StandardScaler

from darts_tsformers.models import TSFormerModel
from tests.contracts.cases import Case, H, L, sample_of_models
from tests.pipelines.real import read

SEARCHES = read("ice_cream_heater", "MS")
TRAIN = 120
START = SEARCHES.time_index[150]
WINDOWS: dict[str, Any] = {"start": START, "forecast_horizon": H, "stride": 7, "last_points_only": False}


def encoders() -> dict[str, Any]:
    return {
        "cyclic": {"future": ["month"]},
        "datetime_attribute": {"past": ["year"]},
        "transformer": Scaler(),
    }


def scaled() -> Scaler:
    return Scaler(StandardScaler())


def new_model(case: Case, **overrides: Any) -> TSFormerModel:
    return case.model(add_encoders=encoders(), **overrides)


def assert_same(ours: list[TimeSeries], theirs: list[TimeSeries]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert one.start_time() == other.start_time()
        np.testing.assert_allclose(one.values(), other.values(), rtol=1e-4, atol=1e-3)


@sample_of_models
def test_historical_forecasts_are_forecasts_of_the_series_cut_short(case: Case):
    scaler = scaled()
    model = new_model(case).fit(scaler.fit_transform(SEARCHES[:TRAIN]))
    forecasts = model.historical_forecasts(
        SEARCHES, retrain=False, verbose=False, data_transformers={"series": scaler}, **WINDOWS
    )
    by_hand = [
        scaler.inverse_transform(model.predict(H, scaler.transform(SEARCHES[:end]), verbose=False))
        for end in range(150, len(SEARCHES) - H + 1, 7)
    ]
    assert len(by_hand) == 7
    assert_same(forecasts, by_hand)


@sample_of_models
def test_each_window_fits_model_and_scaler_on_its_own_past(case: Case):
    arguments = {"train_length": 3 * L, **WINDOWS, "stride": 29}
    forecasts = new_model(case, random_state=3).historical_forecasts(
        SEARCHES, retrain=True, verbose=False, data_transformers={"series": scaled()}, **arguments
    )
    model, by_hand = new_model(case, random_state=3), []
    for end in (150, 179):
        past, scaler = SEARCHES[end - 3 * L : end], scaled()
        fresh = model.untrained_model() if end > 150 else model
        by_hand.append(scaler.inverse_transform(fresh.fit(scaler.fit_transform(past)).predict(H)))
    assert_same(forecasts, by_hand)


@sample_of_models
@pytest.mark.parametrize("retrain", [False, True], ids=["trained", "retrained"])
def test_the_future_changes_no_earlier_forecast(case: Case, retrain: bool):
    values = SEARCHES.values(copy=True)
    values[-12:] *= 100
    scaler = scaled()
    model = new_model(case).fit(scaler.fit_transform(SEARCHES[:TRAIN]))
    arguments = {**WINDOWS, "start": -26, "start_format": "position", "stride": 9, "verbose": False}
    training = {"retrain": True, "train_length": 3 * L} if retrain else {"retrain": False}
    before, after = (
        model.historical_forecasts(series, data_transformers={"series": scaler}, **arguments, **training)
        for series in (SEARCHES, SEARCHES.with_values(values))
    )
    same = [np.array_equal(one.values(), other.values()) for one, other in zip(before, after, strict=True)]
    assert same == [True, True, False]


@sample_of_models
def test_backtest_and_residuals_are_those_of_the_forecasts(case: Case):
    scaler = scaled()
    model = new_model(case).fit(scaler.fit_transform(SEARCHES[:TRAIN]))
    arguments = {"retrain": False, "verbose": False, "data_transformers": {"series": scaler}}
    forecasts = model.historical_forecasts(SEARCHES, **arguments, **WINDOWS)
    errors = model.backtest(SEARCHES, metric=[mae, rmse], **arguments, **WINDOWS)
    by_hand = [[metric(SEARCHES, forecast) for metric in (mae, rmse)] for forecast in forecasts]
    np.testing.assert_allclose(errors, np.mean(by_hand, axis=0), rtol=1e-5)
    residuals = model.residuals(SEARCHES, **arguments, **WINDOWS)
    for residual, forecast in zip(residuals, forecasts, strict=True):
        expected = SEARCHES.slice_intersect(forecast).values() - forecast.values()
        np.testing.assert_allclose(residual.values(), expected, atol=1e-3)
