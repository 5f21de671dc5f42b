"""What a rule does to the raw output is judged by the parameter that Darts' likelihood makes of it."""

import inspect

import pytest
import torch
from darts.utils.likelihood_models import torch as likelihoods
from darts.utils.likelihood_models.torch import QuantileRegression, TorchLikelihood

from darts_tsformers.adapter.likelihoods import restore_rules
from darts_tsformers.window.instance_norm import InstanceNorm
from darts_tsformers.window.restore import RULES, restore
from tests.helpers import draw

RAW = [-30.0, -7.0, -1.0, 0.0, 1.0, 7.0, 19.9, 20.1, 30.0, 300.0]


def line(first, second, s):
    return first * s.spread + s.level, second * s.spread


def odds(p, factor):
    """Multiply the odds of a probability."""
    return p * factor / (p * factor + 1 - p)


EXPECTED = {
    "Gaussian": line,
    "Laplace": line,
    "Cauchy": line,
    "Gumbel": line,
    "LogNormal": lambda mu, sigma, s: (mu + s.magnitude.log(), sigma),
    "HalfNormal": lambda sigma, s: (sigma * s.magnitude,),
    "Exponential": lambda rate, s: (rate / s.magnitude,),
    "Gamma": lambda shape, rate, s: (shape, rate / s.magnitude),
    "Weibull": lambda size, shape, s: (size * s.magnitude, shape),
    "Poisson": lambda mean, s: (mean * (1 + s.magnitude),),
    "NegativeBinomial": lambda mean, alpha, s: (mean * (1 + s.magnitude), alpha),
    "Geometric": lambda p, s: (odds(p, 1 / (1 + s.magnitude)),),
    "Bernoulli": lambda p, s: (odds(p, s.mean / (1 - s.mean)),),
    "ContinuousBernoulli": lambda p, s: (odds(p, s.mean / (1 - s.mean)),),
    "Beta": lambda alpha, beta, s: (alpha * 2 * s.mean, beta * 2 * (1 - s.mean)),
    "Dirichlet": lambda p, s: (p * s.magnitude / (p * s.magnitude).sum(-1, keepdim=True),),
}
IN_UNIT_INTERVAL = ("Bernoulli", "ContinuousBernoulli", "Beta", "Dirichlet")


def likelihood(family) -> TorchLikelihood:
    return getattr(likelihoods, f"{family}Likelihood")()


def statistics(family, dtype, components=3):
    x = draw(2, 11, components, dtype=dtype)
    window = x.sigmoid() if family in IN_UNIT_INTERVAL else 37 * x + 100
    return InstanceNorm()(window)[1]


def raw_outputs(n_parameters, dtype, components=3):
    """All pairs of raw values, small and large, over steps; other ones for other components."""
    values = torch.tensor(RAW, dtype=dtype)
    pairs = torch.cartesian_prod(values, values).view(len(values) ** 2, 2)[:, :n_parameters]
    return torch.stack([pairs.roll(7 * c, dims=0) for c in range(components)], dim=1).expand(2, -1, -1, -1).clone()


families = pytest.mark.parametrize("family", EXPECTED)
precisions = pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-4), (torch.float64, 1e-10)], ids=str)


def test_every_family_of_darts_is_here():
    known = {
        name.removesuffix("Likelihood")
        for name, family in inspect.getmembers(likelihoods, inspect.isclass)
        if issubclass(family, TorchLikelihood) and family not in (TorchLikelihood, QuantileRegression)
    }
    assert known == set(EXPECTED)


@families
@precisions
def test_the_parameter_moves_as_it_should(family, dtype, rtol):
    model, s = likelihood(family), statistics(family, dtype)
    raw = raw_outputs(model.num_parameters, dtype)
    before = model._params_from_output(raw.clone())
    after = model._params_from_output(restore(raw, s, restore_rules(model)))
    for ours, expected in zip(after, EXPECTED[family](*before, s), strict=True):
        torch.testing.assert_close(ours, expected, rtol=rtol, atol=1e-30)


@families
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_gradients_are_finite(family, dtype):
    model, s = likelihood(family), statistics(family, dtype)
    raw = raw_outputs(model.num_parameters, dtype)
    raw[0, :3] = -300.0
    raw.requires_grad_()
    restored = restore(raw, s, restore_rules(model))
    (gradient,) = torch.autograd.grad(restored.sum(), raw)
    assert restored.isfinite().all()
    assert gradient.isfinite().all()


@families
def test_gradients_equal_finite_differences(family):
    model, s = likelihood(family), statistics(family, torch.float64)
    raw = draw(2, 2, 3, model.num_parameters, seed=3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda r: restore(r, s, restore_rules(model)), raw)


@families
@pytest.mark.parametrize("value", [0.0, 1.0], ids=["zeros", "ones"])
def test_a_constant_window_gives_finite_parameters(family, value):
    model = likelihood(family)
    _, s = InstanceNorm()(torch.full((2, 11, 3), value))
    raw = raw_outputs(model.num_parameters, torch.float32)
    restored = restore(raw, s, restore_rules(model))
    assert restored.isfinite().all()
    assert all(parameter.isfinite().all() for parameter in model._params_from_output(restored))


@pytest.mark.parametrize(
    "family", ["Gaussian", "Laplace", "Cauchy", "Gumbel", "LogNormal", "HalfNormal", "Exponential", "Gamma", "Weibull"]
)
@pytest.mark.parametrize("affine", [False, True])
def test_after_a_window_of_zeros_anything_of_the_size_of_one_can_come(family, affine):
    model = likelihood(family)
    x = draw(2, 11, 3)
    x[0] = 0.0
    s = InstanceNorm(3, affine=affine)(x)[1]
    raw = raw_outputs(model.num_parameters, torch.float32)
    positive = [i for i, rule in enumerate(restore_rules(model)) if rule not in ("location", "unchanged")]
    before, after = (model._params_from_output(one) for one in (raw.clone(), restore(raw, s, restore_rules(model))))
    assert positive
    for i in positive:
        torch.testing.assert_close(after[i][0], before[i][0])
        assert not torch.allclose(after[i][1], before[i][1])


def test_every_quantile_moves_with_level_and_spread():
    model, s = QuantileRegression([0.1, 0.5, 0.9]), statistics("Gaussian", torch.float64)
    raw = raw_outputs(1, torch.float64) + torch.arange(3)
    assert restore_rules(model) == ("location",) * 3
    expected = raw * s.spread.unsqueeze(-1) + s.level.unsqueeze(-1)
    torch.testing.assert_close(restore(raw, s, restore_rules(model)), expected)


def test_a_negative_learned_scale_leaves_the_scale_positive():
    norm = InstanceNorm(3, affine=True)
    with torch.no_grad():
        norm.weight.fill_(-0.5)
    _, s = norm(draw(2, 11, 3))
    model, raw = likelihood("Gaussian"), draw(2, 5, 3, 2)
    _, sigma = model._params_from_output(restore(raw, s, ("location", "scale")))
    torch.testing.assert_close(sigma, -s.spread * torch.nn.functional.softplus(raw[..., 1]))


@pytest.mark.parametrize("rule", RULES)
def test_a_single_rule_acts_through_restore(rule):
    raw, s = draw(2, 5, 3, 2), statistics("Beta", torch.float32)
    expected = torch.stack([RULES[rule](raw[..., 0], s), raw[..., 1]], dim=-1)
    torch.testing.assert_close(restore(raw, s, (rule, "unchanged")), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rule", RULES)
def test_outputs_of_half_precision_are_brought_back_in_the_precision_of_the_statistics(rule, dtype):
    raw, s = raw_outputs(2, dtype), statistics("Beta", torch.float32)
    restored = restore(raw, s, (rule, "location"))
    assert restored.dtype == torch.float32
    assert torch.equal(restored, restore(raw.float(), s, (rule, "location")))


def test_as_many_rules_as_parameters_are_needed():
    with pytest.raises(ValueError, match="zip"):
        restore(draw(2, 5, 3, 2), statistics("Gaussian", torch.float32), ("location", "scale", "scale"))


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e30])
@pytest.mark.parametrize("family", ["Gaussian", "Laplace", "Cauchy", "Gumbel", "HalfNormal", "Exponential", "Weibull"])
@pytest.mark.parametrize("value", [None, 1.0], ids=["any", "constant"])
def test_parameters_follow_the_unit_of_the_window(family, unit, value):
    model, window = likelihood(family), 37 * draw(2, 11, 3) + 100 if value is None else torch.full((2, 11, 3), value)
    rules, raw = restore_rules(model), draw(2, 5, 3, model.num_parameters, seed=3)
    power = {"inverse_magnitude": -1, "unchanged": 0}
    before, after = (
        model._params_from_output(restore(raw, InstanceNorm()(window * of)[1], rules)) for of in (1.0, unit)
    )
    for one, other, rule in zip(before, after, rules, strict=True):
        torch.testing.assert_close(other / unit ** power.get(rule, 1), one, rtol=1e-4, atol=1e-6)
