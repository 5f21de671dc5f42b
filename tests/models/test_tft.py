"""Beside Darts' own Temporal Fusion Transformer: the same calls, the same answers, as good a forecast."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.metrics import mae
from darts.models import NaiveSeasonal, TFTModel
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.models import TemporalFusionTransformerModel
from tests.contracts.cases import TRAINER

QUANTILES = [0.1, 0.5, 0.9]


def driven_wave() -> tuple[TimeSeries, TimeSeries]:
    """Return a wave that a known event now and then lifts, and the events."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2021-03-01", periods=330, freq="D")
    event = (rng.random(330) < 0.2).astype(np.float32)
    values = np.sin(2 * np.pi * np.arange(330) / 7) + 2 * event + 0.1 * rng.normal(size=330)
    target = TimeSeries(days[:320], values[:320, None].astype(np.float32), components=["y"])
    return target, TimeSeries(days, event[:, None], components=["event"])


def shared(n_epochs):
    return {
        "n_epochs": n_epochs, "batch_size": 32, "random_state": 0, "pl_trainer_kwargs": TRAINER,
        "likelihood": QuantileRegression(QUANTILES), "optimizer_kwargs": {"lr": 5e-3},
    }  # fmt: skip


def ours(n_epochs=1):
    """Return a model that normalises no windows, as Darts' own does not."""
    sizes = {"d_model": 16, "d_variable": 8, "use_instance_norm": False}
    return TemporalFusionTransformerModel(21, 7, **sizes, **shared(n_epochs))


def darts_own(n_epochs=1):
    return TFTModel(21, 7, hidden_size=16, **shared(n_epochs))


@pytest.mark.parametrize("make", [ours, darts_own])
def test_the_forecasts_have_the_form_of_darts_own(make):
    series, event = driven_wave()
    train = series[:-60]
    model = make().fit(train, future_covariates=event)
    forecast = model.predict(7, train, future_covariates=event, predict_likelihood_parameters=True)
    assert list(forecast.components) == ["y_q0.100", "y_q0.500", "y_q0.900"]
    assert forecast.start_time() == train.end_time() + train.freq
    assert model.predict(9, train, future_covariates=event, num_samples=5).shape == (9, 1, 5)


def test_the_forecasts_are_as_good_as_of_darts_own():
    series, event = driven_wave()
    train, windows = series[:-60], {"start": -60, "forecast_horizon": 7, "stride": 7, "last_points_only": False}

    def error(model):
        past = model.fit(train, future_covariates=event).historical_forecasts(
            series, future_covariates=event, retrain=False, predict_likelihood_parameters=True, **windows
        )
        medians = [one["y_q0.500"].with_columns_renamed("y_q0.500", "y") for one in past]
        return np.mean(mae([series] * len(medians), medians))

    own, other = (error(make(n_epochs=20)) for make in (ours, darts_own))
    naive = NaiveSeasonal(7).fit(train).historical_forecasts(series, **windows)
    assert own < 0.3 * np.mean(mae([series] * len(naive), naive))
    assert own < 1.2 * other
