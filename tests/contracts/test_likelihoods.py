"""Every likelihood of Darts, with every model."""

import inspect

import numpy as np
import pytest
import torch
from darts import TimeSeries
from darts.utils.likelihood_models import torch as likelihoods
from darts.utils.likelihood_models.base import LikelihoodType
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression, TorchLikelihood

from darts_tsformers.adapter.likelihoods import RULES, n_levels, restore_rules
from darts_tsformers.models import ITransformerModel
from tests.contracts.cases import MAIN, SHARED, Case, H, every_forecast, make_data, some_models

FAMILIES = [
    family
    for _, family in inspect.getmembers(likelihoods, inspect.isclass)
    if issubclass(family, TorchLikelihood) and family is not TorchLikelihood
]


def on_support(family: type[TorchLikelihood], series: TimeSeries) -> TimeSeries:
    """Move a series to where the family's density lives."""
    values = series.values()
    unit = 1 / (1 + np.exp(5 - values))
    moved = {
        "PoissonLikelihood": np.floor(np.abs(values)),
        "NegativeBinomialLikelihood": np.floor(np.abs(values)),
        "GeometricLikelihood": np.floor(np.abs(values)),
        "BernoulliLikelihood": (unit > 0.5).astype(values.dtype),
        "BetaLikelihood": unit.clip(0.05, 0.95),
        "ContinuousBernoulliLikelihood": unit.clip(0.05, 0.95),
        "DirichletLikelihood": np.exp(values - 5) / np.exp(values - 5).sum(axis=1, keepdims=True),
    }
    positive = np.abs(values) + 0.1
    on_line = ("Gaussian", "Laplace", "Cauchy", "Gumbel", "Quantile")
    default = values if family.__name__.startswith(on_line) else positive
    return series.with_values(moved.get(family.__name__, default).astype(values.dtype))


def inside(family: type[TorchLikelihood], samples: np.ndarray) -> bool:
    name = family.__name__
    if name.startswith(("Poisson", "NegativeBinomial", "Geometric")):
        return bool((samples >= 0).all() and (samples == np.round(samples)).all())
    if name.startswith("Bernoulli"):
        return set(np.unique(samples)) <= {0.0, 1.0}
    if name.startswith(("Beta", "ContinuousBernoulli", "Dirichlet")):
        return bool(((samples >= 0) & (samples <= 1)).all())
    if name.startswith(("Gaussian", "Laplace", "Cauchy", "Gumbel", "Quantile")):
        return True
    return bool((samples >= 0).all())


OFTEN = (GaussianLikelihood, QuantileRegression, likelihoods.PoissonLikelihood)
"""A location with a scale, levels alone, and none: what networks treat unlike."""


@pytest.mark.parametrize(
    ("case", "family"),
    [
        (case, family)
        for case in MAIN
        for family in FAMILIES
        if (family in OFTEN or case in SHARED) and not case.draws_paths
    ],
    ids=lambda one: one.name if isinstance(one, Case) else one.__name__,
)
def test_fits_samples_and_gives_its_parameters(case: Case, family):
    data = make_data()
    series = on_support(family, data.series)
    model = case.model(likelihood=family()).fit(series, **data.covariates())
    samples = model.predict(H + 2, num_samples=5, **data.covariates())
    assert samples.shape == (H + 2, 3, 5)
    assert np.isfinite(samples.all_values()).all()
    assert inside(family, samples.all_values())
    parameters = model.predict(H, predict_likelihood_parameters=True, **data.covariates())
    assert parameters.shape == (H, 3 * model.likelihood.num_parameters, 1)


def test_every_family_has_a_rule():
    handled_elsewhere = {LikelihoodType.MultiQuantile, LikelihoodType.ClassProbability, LikelihoodType.Quantile}
    assert set(LikelihoodType) - handled_elsewhere == set(RULES)
    for family in FAMILIES:
        assert len(restore_rules(family())) == family().num_parameters


def test_an_unknown_family_is_refused_when_the_model_is_made():
    class Unknown(GaussianLikelihood):
        @property
        def type(self):
            return LikelihoodType.ClassProbability

    with pytest.raises(ValueError, match=r"cannot be combined with use_instance_norm=True.*use_instance_norm=False"):
        ITransformerModel(7, 3, likelihood=Unknown())


@every_forecast
def test_one_parameter_with_shared_weights_equals_the_point_forecast(case: Case):
    """The first quantile of a three-quantile model is the point forecast of a model with those weights."""
    data = make_data(3, ())
    point = case.model().fit(data.series)
    quantiles = case.model(likelihood=QuantileRegression([0.1, 0.5, 0.9])).fit(data.series)
    network, wide = point.model.forecaster.network, quantiles.model.forecaster.network
    state = network.state_dict()
    with torch.no_grad():
        for name, parameter in wide.state_dict().items():
            own = state[name]
            if parameter.shape == own.shape:
                parameter.copy_(own)
            else:
                axis = next(i for i, n in enumerate(parameter.shape) if n != own.shape[i])
                parameter.copy_(own.repeat_interleave(3, dim=axis))
    median = quantiles.predict(H, predict_likelihood_parameters=True)
    expected = point.predict(H)
    for q in range(3):
        np.testing.assert_allclose(median.values()[:, q::3], expected.values(), rtol=1e-4, atol=1e-4)


@some_models
def test_gaussian_forecasts_follow_the_scale_of_the_data(case: Case):
    """Data ten times as large give samples ten times as far apart, from the same weights."""
    data = make_data(3, ())
    model = case.model(likelihood=GaussianLikelihood()).fit(data.series)
    small = model.predict(H, predict_likelihood_parameters=True)
    large = model.predict(H, series=data.series * 10 + 70, predict_likelihood_parameters=True)
    np.testing.assert_allclose(large.values()[:, ::2], small.values()[:, ::2] * 10 + 70, rtol=1e-3)
    np.testing.assert_allclose(large.values()[:, 1::2], small.values()[:, 1::2] * 10, rtol=1e-3)


def test_only_what_is_in_the_units_of_the_target_is_a_level():
    levels = {family.__name__.removesuffix("Likelihood"): n_levels(family()) for family in FAMILIES}
    assert levels.pop("QuantileRegression") == QuantileRegression().num_parameters
    assert {name for name, n in levels.items() if n == 1} == {
        "Cauchy", "Gaussian", "Gumbel", "HalfNormal", "Laplace", "NegativeBinomial", "Poisson", "Weibull"
    }  # fmt: skip
    assert set(levels.values()) == {0, 1}
