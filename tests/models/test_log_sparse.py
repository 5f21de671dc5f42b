"""Forecasting step by step as a Darts model: what is fed back, and when."""

import numpy as np
import pytest
import torch
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from darts.utils.likelihood_models.torch import CauchyLikelihood, GaussianLikelihood, QuantileRegression

from darts_tsformers.adapter.likelihoods import expected_value
from darts_tsformers.models import LogSparseTransformerModel
from tests.contracts.cases import TRAINER, H, make_data
from tests.contracts.checks import batch
from tests.helpers import draw


def fitted(**arguments):
    data = make_data()
    tiny = {"d_model": 8, "n_heads": 2, "n_decoder_layers": 2, "d_ff": 11, "n_epochs": 1, "random_state": 7}
    model = LogSparseTransformerModel(13, H, pl_trainer_kwargs=TRAINER, **(tiny | arguments))
    return model.fit(data.series, **data.covariates())


class OneAbove(GaussianLikelihood):
    """A likelihood whose samples are known: one above the mean."""

    def sample(self, model_output):
        return self._params_from_output(model_output)[0] + 1


def window_of(data) -> PLModuleInput:
    """Give the last window of the data as the module sees it."""

    def part(series, start, n):
        return torch.from_numpy(series.values()[None, start : start + n].copy())

    end = len(data.series)
    return PLModuleInput(
        past_target=part(data.series, end - 13, 13),
        past_covariates=part(data.past_covariates, end - 13, 13),
        historic_future_covariates=part(data.future_covariates, end - 13, 13),
        future_covariates=part(data.future_covariates, end, H),
        static_covariates=torch.from_numpy(data.series.static_covariates_values()[None].copy()),
    )


NORMS = [
    {"use_instance_norm": True},
    {"use_instance_norm": False},
    {"use_instance_norm": False, "use_reversible_instance_norm": True},
    {"use_instance_norm": True, "use_reversible_instance_norm": {"affine": False}},
]


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_a_sample_is_a_path_each_step_drawn_given_the_one_before(norm):
    """Reading the sampled path as if it had happened gives the parameters that it was drawn from."""
    model, data = fitted(likelihood=OneAbove(), **norm), make_data()
    path = torch.from_numpy(model.predict(H, num_samples=1, **data.covariates()).values()[None])
    module, given = model.model.eval(), window_of(data)
    taught = module(given.replace(future_target=path, stage=ModuleStage.TRAIN)).prediction
    torch.testing.assert_close(taught[..., 0] + 1, path, rtol=1e-4, atol=1e-4)
    expected = module(given).prediction
    assert (expected[:, 0] - taught[:, 0]).abs().max() < 1e-4
    assert (expected[:, 1:] - taught[:, 1:]).abs().max() > 1e-3


@pytest.mark.parametrize("norm", NORMS, ids=str)
def test_parameters_are_those_along_the_path_of_expected_values(norm):
    model, data = fitted(likelihood=GaussianLikelihood(), **norm), make_data()
    parameters = model.predict(H, predict_likelihood_parameters=True, **data.covariates()).values()
    path = torch.from_numpy(parameters[None, :, ::2].copy())
    taught = model.model.eval()(window_of(data).replace(future_target=path, stage=ModuleStage.TRAIN)).prediction
    torch.testing.assert_close(taught[..., 0], path, rtol=1e-4, atol=1e-4)


def test_samples_differ_and_a_seed_repeats_them():
    model, covariates = fitted(likelihood=GaussianLikelihood()), make_data().covariates()
    first, second = (model.predict(H, num_samples=5, random_state=3, **covariates).all_values() for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first.std(axis=-1) > 0).all()


def test_teacher_forcing_is_for_training_alone():
    module = fitted().model.eval()
    given, other = batch(), batch().future_target + 100
    for stage, same in [(ModuleStage.TRAIN, False), (ModuleStage.VALIDATE, True), (ModuleStage.PREDICT, True)]:
        first, second = (module(given.replace(stage=stage, future_target=y)).prediction for y in (other, -other))
        assert torch.equal(first, second) == same


def test_gaps_in_what_followed_count_as_not_observed():
    module = fitted().model.eval()
    given = batch(stage=ModuleStage.TRAIN)
    gappy = given.future_target.clone()
    gappy[:, 1] = torch.nan
    mean = given.past_target.mean(dim=1)
    filled = gappy.clone()
    filled[:, 1] = mean
    with torch.no_grad():
        module.forecaster.missing_offset.zero_()
    ours, theirs = (module(given.replace(future_target=y)).prediction for y in (gappy, filled))
    torch.testing.assert_close(ours, theirs)
    with torch.no_grad():
        module.forecaster.missing_offset += 1
    assert not torch.equal(module(given.replace(future_target=gappy)).prediction, ours)


@pytest.mark.parametrize("use_instance_norm", [True, False])
def test_the_loss_falls(use_instance_norm):
    model = fitted(use_instance_norm=use_instance_norm, n_epochs=15, dropout=0.0, optimizer_kwargs={"lr": 1e-2})
    losses = [train for train, _ in model.model.loss_history]
    assert losses[-1] < 0.5 * losses[0]


def test_what_a_likelihood_expects():
    raw = draw(2, 5, 3, 3)
    torch.testing.assert_close(expected_value(None, raw[..., :1]), raw[..., 0])
    torch.testing.assert_close(expected_value(QuantileRegression([0.1, 0.5, 0.9]), raw), raw[..., 1])
    torch.testing.assert_close(expected_value(GaussianLikelihood(), raw[..., :2]), raw[..., 0])
    torch.testing.assert_close(expected_value(CauchyLikelihood(), raw[..., :2]), raw[..., 0])
