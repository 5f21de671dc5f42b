"""Ensembles with classical models, on searches for "ice cream": better than each part, or what the regression says."""

import numpy as np
import pytest
from darts.metrics import mae
from darts.models import ExponentialSmoothing, NaiveEnsembleModel, RegressionEnsembleModel, Theta

from darts_tsformers.models import ITransformerModel, PatchTSTModel, TSFormerModel
from tests.contracts.cases import TRAINER
from tests.pipelines.real import read

YEAR = 12


def ours(n_epochs: int) -> list[TSFormerModel]:
    sizes = {"d_model": 16, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 32, "dropout": 0.0}
    training = {"n_epochs": n_epochs, "batch_size": 16, "optimizer_kwargs": {"lr": 3e-3}, "random_state": 0}
    shared = {**sizes, **training, "pl_trainer_kwargs": TRAINER}
    patches = PatchTSTModel(2 * YEAR, YEAR, patch_length=6, stride=3, norm="layer", **shared)
    return [patches, ITransformerModel(2 * YEAR, YEAR, **shared)]


def test_the_mean_is_better_than_each_of_its_parts():
    searches = read("ice_cream_heater", "MS")["ice cream"]
    train, year = searches[: -2 * YEAR], searches[-2 * YEAR : -YEAR]
    ensemble = NaiveEnsembleModel([ExponentialSmoothing(), *ours(n_epochs=25)]).fit(train)
    parts = [model.predict(YEAR) for model in ensemble.forecasting_models]
    together = ensemble.predict(YEAR)
    np.testing.assert_allclose(together.values(), np.mean([part.values() for part in parts], axis=0), rtol=1e-5)
    assert mae(year, together) < 0.97 * min(mae(year, part) for part in parts)


@pytest.mark.filterwarnings("ignore:`extrapolate_trend='freq'` is deprecated:FutureWarning")  # Theta, of statsmodels
def test_the_regression_weighs_what_the_parts_forecast():
    train = read("ice_cream_heater", "MS")["ice cream"][:-YEAR]
    parts = [ExponentialSmoothing(), Theta(), *ours(n_epochs=2)]
    ensemble = RegressionEnsembleModel(parts, regression_train_n_points=2 * YEAR).fit(train)
    forecasts = np.hstack([model.predict(YEAR).values() for model in ensemble.forecasting_models])
    weights = ensemble.ensemble_model.model
    by_hand = forecasts @ np.ravel(weights.coef_) + weights.intercept_
    np.testing.assert_allclose(ensemble.predict(YEAR).values()[:, 0], by_hand, rtol=1e-4)
    assert len(np.ravel(weights.coef_)) == 4
