"""What is lost is said; quantiles are in order; nothing is sampled of nothing."""

import numpy as np
import pytest
import torch
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression

from darts_tsformers.adapter.training.finite import DivergedError, LostForecastError, lost_forecasts_allowed
from tests.contracts.cases import CASE, H, make_data
from tests.helpers import exactly, scatter_

SERIES = make_data(2, ()).series
ITRANSFORMER = CASE["ITransformerModel"]


def test_a_training_that_loses_its_weights_says_when_and_the_next_starts_anew():
    model = ITRANSFORMER.model(n_epochs=3, optimizer_kwargs={"lr": 1e30})
    with pytest.raises(DivergedError, match=r"^training diverged in epoch 1: weights .*; lower the learning rate"):
        model.fit(SERIES)
    assert model.model is None
    model.model_params["optimizer_kwargs"]["lr"] = model.pl_module_params["optimizer_kwargs"]["lr"] = 1e-3
    assert np.isfinite(model.fit(SERIES).predict(H).values()).all()


def test_a_forecast_that_is_lost_names_its_series():
    model = ITRANSFORMER.model().fit(SERIES)
    with torch.no_grad():
        next(model.model.parameters()).fill_(torch.nan)
    message = (
        f"the forecast of series 0 from {SERIES.end_time() + SERIES.freq} on is NaN or infinite: the weights "
        "of the model are lost: fit it anew, at a lower learning rate"
    )
    with pytest.raises(LostForecastError, match=exactly(message)):
        model.predict(H, [SERIES, SERIES])
    with lost_forecasts_allowed():
        assert np.isnan(model.predict(H).values()).all()


REMEDY = "on is NaN or infinite: the weights of the model are lost: fit it anew, at a lower learning rate"


def test_lost_weights_are_said_before_samples_of_them_fail():
    model = ITRANSFORMER.model(likelihood=GaussianLikelihood()).fit(SERIES)
    with torch.no_grad():
        next(model.model.forecaster.network.parameters()).fill_(torch.nan)
    after = SERIES.end_time() + SERIES.freq
    with pytest.raises(LostForecastError, match=exactly(f"the forecast of every series from {after} {REMEDY}")):
        model.predict(H, num_samples=3)


@pytest.mark.parametrize("likelihood", [None, GaussianLikelihood()], ids=["point", "samples"])
def test_a_stream_whose_forecast_is_lost_says_so(likelihood):
    model = CASE["LogSparseTransformerModel-history"].model(likelihood=likelihood).fit(SERIES)
    stream = model.stream(SERIES)
    assert np.isfinite(stream.forecast().values()).all()
    with torch.no_grad():
        for parameter in model.model.forecaster.network.parameters():
            parameter.fill_(torch.nan)
    after = SERIES.end_time() + SERIES.freq
    with pytest.raises(LostForecastError, match=exactly(f"the forecast of the stream from {after} {REMEDY}")):
        stream.forecast()


def test_samples_need_something_to_be_drawn_from():
    model = ITRANSFORMER.model().fit(SERIES)
    with pytest.raises(ValueError, match=r"^num_samples=5 must be 1: ITransformerModel has no likelihood"):
        model.predict(H, num_samples=5)
    assert model.predict(H, num_samples=5, mc_dropout=True).n_samples == 5


@pytest.mark.parametrize("name", ["ITransformerModel", "LogSparseTransformerModel"])
def test_quantiles_do_not_cross(name):
    model = CASE[name].model(likelihood=QuantileRegression([0.1, 0.3, 0.5, 0.7, 0.9])).fit(SERIES)
    scatter_(model.model)
    made = model.predict(H, predict_likelihood_parameters=True).values().reshape(H, 2, 5)
    assert (np.diff(made) >= 0).all()
    assert (np.diff(made) > 0).any()
