"""The parts of a forecast as series."""

import numpy as np
import pytest
from darts import TimeSeries
from darts.utils.likelihood_models.torch import GaussianLikelihood, PoissonLikelihood, QuantileRegression

from darts_tsformers.models import AutoformerModel, ChimeraModel, FEDformerModel
from tests.contracts.cases import TRAINER, H, make_data
from tests.helpers import exactly

TRAINING = {"n_epochs": 1, "random_state": 7, "pl_trainer_kwargs": TRAINER}
HEADS = {"d_model": 8, "n_heads": 2, "d_ff": 11}
TINY = {AutoformerModel: HEADS, ChimeraModel: ChimeraModel.tiny, FEDformerModel: HEADS}
every_model = pytest.mark.parametrize("model_class", TINY)


def tiny(model_class, **arguments):
    return model_class(13, H, **(TINY[model_class] | TRAINING | arguments))


def fitted(model_class, **arguments):
    data = make_data()
    return tiny(model_class, **arguments).fit(data.series, **data.covariates())


@every_model
@pytest.mark.parametrize(
    "arguments", [{}, {"use_instance_norm": False}, {"use_reversible_instance_norm": True}], ids=str
)
def test_the_parts_add_up_to_the_forecast(model_class, arguments):
    model, data = fitted(model_class, **arguments), make_data()
    for n in (H, H - 2):
        trend, seasonal = model.decompose(n, **data.covariates())
        forecast = model.predict(n, **data.covariates())
        np.testing.assert_allclose((trend + seasonal).values(), forecast.values(), rtol=1e-5)
        assert list(trend.components) == list(seasonal.components) == list(data.series.components)
        assert trend.time_index.equals(forecast.time_index)


@every_model
def test_the_trend_lies_where_the_series_is_and_the_season_about_zero(model_class):
    model, data = fitted(model_class), make_data()
    raised = data.series + 1000
    trend, seasonal = model.decompose(series=raised, **data.covariates())
    assert (np.abs(trend.values() - raised.values()[-13:].mean(axis=0)) < 30).all()
    assert (np.abs(seasonal.values()) < 30).all()


@every_model
@pytest.mark.parametrize(
    ("likelihood", "level"), [(GaussianLikelihood(), 0), (QuantileRegression([0.1, 0.5, 0.9]), 1)], ids=["gauss", "q"]
)
def test_of_a_likelihood_the_location_is_parted(model_class, likelihood, level):
    model, data = fitted(model_class, likelihood=likelihood), make_data()
    trend, seasonal = model.decompose(**data.covariates())
    parameters = model.predict(H, predict_likelihood_parameters=True, **data.covariates()).values()
    expected = parameters[:, level :: likelihood.num_parameters]
    np.testing.assert_allclose((trend + seasonal).values(), expected, rtol=1e-5)


@every_model
def test_several_series(model_class):
    panel = [make_data(seed=seed) for seed in range(3)]
    covariates = {
        "past_covariates": [data.past_covariates for data in panel],
        "future_covariates": [data.future_covariates for data in panel],
    }
    series = [data.series for data in panel]
    model = tiny(model_class, batch_size=2).fit(series, **covariates)
    trends, seasonals = model.decompose(series=series, **covariates)
    for i, data in enumerate(panel):
        trend, seasonal = model.decompose(series=data.series, **data.covariates())
        np.testing.assert_allclose(trends[i].values(), trend.values(), rtol=1e-5)
        np.testing.assert_allclose(seasonals[i].values(), seasonal.values(), rtol=1e-3, atol=1e-4)


def test_more_steps_than_one_forecast_has():
    model = fitted(AutoformerModel)
    message = f"n={H + 1} must be at most output_chunk_length={H}: a forecast further on has no parts"
    with pytest.raises(ValueError, match=exactly(message)):
        model.decompose(H + 1, **make_data().covariates())


def test_counts_have_no_trend_in_their_own_units():
    data = make_data(1, ())
    counts = data.series.with_values(np.floor(np.abs(data.series.values())))
    model = tiny(AutoformerModel, likelihood=PoissonLikelihood()).fit(counts)
    with pytest.raises(ValueError, match="has no location in the units of the target to have a trend"):
        model.decompose()


@pytest.mark.usefixtures("unchecked")  # the checks of sizes would take most of the time
def test_a_trained_chimera_tells_trend_and_season_apart():
    steps = np.arange(500)
    trend = 4 * np.sin(2 * np.pi * steps / 200)
    series = TimeSeries.from_values((trend + np.sin(2 * np.pi * steps / 12)).astype(np.float32))
    model = ChimeraModel(
        36, 24, patch_length=4, trend_distance=12, d_model=16, dropout=0.0, batch_size=16,
        optimizer_kwargs={"lr": 3e-3}, **TRAINING | {"n_epochs": 6},
    ).fit(series[:-24])  # fmt: skip
    parts = model.decompose(series=series[:-24])
    assert np.abs(parts.trend.values()[:, 0] - trend[-24:]).mean() < 0.3
    assert np.corrcoef(parts.seasonal.values()[:, 0], np.sin(2 * np.pi * steps[-24:] / 12))[0, 1] > 0.95
