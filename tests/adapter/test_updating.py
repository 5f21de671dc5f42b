"""An update learns what is new, and is undone where it costs too much of what was learnt."""

import numpy as np
import pytest
import torch
from darts import TimeSeries

from darts_tsformers import ITransformerModel

L, H, N_OLD, N_NEW = 11, 3, 67, 23
TINY = {"d_model": 8, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 7, "random_state": 0, "n_epochs": 3}
QUIET = {"pl_trainer_kwargs": {"enable_progress_bar": False, "enable_model_summary": False}}


def series():
    """Return a wave that becomes slower where it is new."""
    phase = np.concatenate([np.arange(N_OLD) / 2, N_OLD / 2 + np.arange(N_NEW) / 3])
    return TimeSeries.from_values(np.sin(phase).astype("float32"))


def known():
    return TimeSeries.from_values(np.cos(np.arange(N_OLD + N_NEW) / 5).astype("float32"))


@pytest.fixture(scope="module")
def model():
    optimizer = {"optimizer_kwargs": {"lr": 1e-2}, "lr_scheduler_cls": torch.optim.lr_scheduler.ConstantLR}
    model = ITransformerModel(L, H, **optimizer, **TINY, **QUIET)
    return model.fit(series()[:N_OLD], future_covariates=known(), verbose=False)


def new_error(model):
    history, truth = series()[: -2 * H], series()[-2 * H : -H]
    forecast = model.predict(H, history, future_covariates=known(), verbose=False)
    return float(np.abs(forecast.values() - truth.values()).mean())


def weights_of(model):
    return {name: weight.clone() for name, weight in model.model.state_dict().items()}


def test_what_is_new_is_learnt_and_the_optimizer_is_as_before(model):
    before = new_error(model)
    update = model.update(series(), N_NEW, future_covariates=known(), steps=60, rate=1.0, tolerance=5.0)
    assert update.is_kept
    assert new_error(model) < before
    assert model.model.optimizer_kwargs == {"lr": 1e-2}
    assert model.model.lr_scheduler_cls is torch.optim.lr_scheduler.ConstantLR
    assert update.before != update.after


def test_what_would_be_forgotten_is_undone(model):
    before = weights_of(model)
    update = model.update(series(), N_NEW, future_covariates=known(), steps=20, rate=300.0, replay=0.0, tolerance=0.0)
    assert not update.is_kept
    assert update.after > update.before
    assert str(update).startswith("undone: error on old windows ")
    for name, weight in weights_of(model).items():
        torch.testing.assert_close(weight, before[name], rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_new": 0}, "n_new=0 must be an integer of at least 1"),
        ({"steps": 0}, "steps=0 must be an integer of at least 1"),
        ({"rate": -1.0}, "rate=-1.0 must be a finite number of at least 0"),
        ({"n_new": 80}, "n_new=80 leaves 10 old steps of 90: 15 are needed"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(model, changed, message):
    with pytest.raises(ValueError, match=message):
        model.update(series(), **{"n_new": N_NEW, "future_covariates": known()} | changed)


def test_a_model_that_is_not_fitted_cannot_be_updated():
    with pytest.raises(ValueError, match="update needs a fitted model: call fit first"):
        ITransformerModel(L, H).update(series(), N_NEW)
