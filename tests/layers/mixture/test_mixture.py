"""The mixture against PyTorch's distributions one by one, and draws against SciPy's."""

import math

import pytest
import scipy.stats
import torch
from torch import Tensor
from torch.distributions import LogNormal, NegativeBinomial, Normal, StudentT

from darts_tsformers.layers.mixture.distribution import NARROW, NORMALS, Mixture
from darts_tsformers.layers.mixture.drawing import LARGEST_RATE, PROPOSALS, gamma, poisson, uniform
from darts_tsformers.layers.mixture.heads import MixtureHeads
from tests.helpers import assert_same_with_gradients, draw, scatter_

N_DRAWS = 20_000


def mixture_of(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0, heaviest: int | None = None) -> Mixture:
    raw = draw(*shape, 12, seed=seed, dtype=dtype).unbind(-1)
    logits = torch.stack(raw[:4], dim=-1)
    if heaviest is not None:
        logits = torch.full_like(logits, -60).index_fill(-1, torch.tensor([heaviest]), 0)
    df, t_loc, t_scale, normal_loc, count, odds, log_loc, log_scale = raw[4:]
    return Mixture(
        logits.log_softmax(-1), 2 + df.exp(), t_loc, t_scale.exp(), normal_loc, count.exp(), odds, log_loc,
        log_scale.exp(),
    )  # fmt: skip


def components(mixture: Mixture) -> list:
    options = {"validate_args": False}
    return [
        StudentT(mixture.df, mixture.t_loc, mixture.t_scale, **options),
        Normal(mixture.normal_loc, NARROW, **options),
        NegativeBinomial(mixture.total_count, logits=mixture.logits, **options),
        LogNormal(mixture.log_loc, mixture.log_scale, **options),
    ]


def naive_log_prob(mixture: Mixture, y: Tensor) -> Tensor:
    """Add up the densities of the components, each where its support is."""
    density = torch.zeros_like(y)
    for i, component in enumerate(components(mixture)):
        supported = {2: y >= 0, 3: y > 0}.get(i, torch.ones_like(y, dtype=torch.bool))
        inside = torch.where(supported, y, 1.0)
        density = density + mixture.log_weights[..., i].exp() * component.log_prob(inside).exp() * supported
    return density.log()


@pytest.mark.parametrize("shape", [(3, 5, 7), (1,)], ids=str)
def test_the_density_is_the_sum_of_the_components(shape):
    mixture = Mixture(*(part.requires_grad_() for part in mixture_of(*shape)))
    y = (2 * draw(*shape, seed=1, dtype=torch.float64)).requires_grad_()
    assert_same_with_gradients(mixture.log_prob(y), naive_log_prob(mixture, y), [y, *mixture])


@pytest.mark.parametrize("y", [-2.0, 0.0, 3.0])
def test_components_whose_support_does_not_hold_a_value_are_left_out(y):
    mixture = mixture_of(1)
    density = mixture.log_prob(torch.tensor([y]).double()).exp()
    said = [component.log_prob(torch.tensor([abs(y) or 1.0]).double()).exp() for component in components(mixture)]
    said[:2] = [one.log_prob(torch.tensor([y]).double()).exp() for one in components(mixture)[:2]]
    said[2] = components(mixture)[2].log_prob(torch.tensor([max(y, 0.0)]).double()).exp()
    held = {-2.0: 2, 0.0: 3, 3.0: 4}[y]
    weights = mixture.log_weights[0].exp()
    torch.testing.assert_close(density, sum(weights[i] * said[i] for i in range(held)))


def test_gradients_are_finite_at_and_beyond_the_border_of_the_support():
    parts = [part.requires_grad_() for part in mixture_of(3)]
    y = torch.tensor([-1.0, 0.0, 1e-30]).double().requires_grad_()
    Mixture(*parts).log_prob(y).sum().backward()
    assert all(part.grad.isfinite().all() for part in [*parts, y])


def test_the_mean_is_that_of_the_components():
    mixture = mixture_of(3, 5)
    means = torch.stack([component.mean for component in components(mixture)], dim=-1)
    torch.testing.assert_close(mixture.mean, (mixture.log_weights.exp() * means).sum(-1))


@pytest.mark.parametrize("shape", [0.02, 0.7, 1.0, 2.5, 300.0])
def test_draws_are_gamma_distributed(shape):
    drawn = gamma(torch.full((N_DRAWS,), shape).double(), draw(N_DRAWS, 2 * PROPOSALS + 1, dtype=torch.float64))
    assert scipy.stats.kstest(drawn.numpy(), scipy.stats.gamma(shape).cdf).pvalue > 1e-3


@pytest.mark.parametrize("rate", [0.0, 0.3, 5.0, 1234.5, 1e6])
def test_a_draw_is_a_quantile_of_poisson(rate):
    normal = draw(997, dtype=torch.float64)
    expected = scipy.stats.poisson(rate).ppf(scipy.stats.norm.cdf(normal.numpy()))
    ours = poisson(torch.full_like(normal, rate), normal)
    torch.testing.assert_close(ours, torch.from_numpy(expected).nan_to_num(nan=0.0))


def test_no_rate_is_beyond_counting():
    drawn = poisson(torch.tensor([1e30, torch.inf]), torch.tensor([0.0, 8.0]))
    assert ((drawn - LARGEST_RATE).abs() < 50_000).all()


def test_uniform_numbers_stay_within_their_range():
    u = uniform(torch.tensor([-40.0, 0.0, 40.0]))
    assert 0 < u[0] < u[1] == 0.5 < u[2] < 1


DISTRIBUTIONS = {
    0: lambda m: scipy.stats.t(m.df.item(), m.t_loc.item(), m.t_scale.item()),
    1: lambda m: scipy.stats.norm(m.normal_loc.item(), NARROW),
    3: lambda m: scipy.stats.lognorm(m.log_scale.item(), scale=math.exp(m.log_loc.item())),
}


@pytest.mark.parametrize("component", DISTRIBUTIONS)
def test_draws_of_one_component_have_its_distribution(component):
    one = mixture_of(1, heaviest=component, seed=2)
    many = Mixture(*(part.expand(N_DRAWS, *part.shape[1:]) for part in one))
    drawn = many.draw(draw(N_DRAWS, NORMALS, seed=3, dtype=torch.float64))
    assert scipy.stats.kstest(drawn.numpy(), DISTRIBUTIONS[component](one).cdf).pvalue > 1e-3


def test_counts_have_the_distribution_of_a_negative_binomial():
    one = mixture_of(1, heaviest=2, seed=2)
    many = Mixture(*(part.expand(N_DRAWS, *part.shape[1:]) for part in one))
    drawn = many.draw(draw(N_DRAWS, NORMALS, seed=3, dtype=torch.float64))
    assert torch.equal(drawn, drawn.round())
    for count in range(4):
        expected = components(one)[2].log_prob(torch.tensor([float(count)])).exp().item()
        tolerance = 4 * math.sqrt(expected * (1 - expected) / N_DRAWS)
        assert (drawn == count).double().mean().item() == pytest.approx(expected, abs=tolerance)


def test_components_are_drawn_by_their_weights():
    far = mixture_of(1)._replace(
        df=torch.full((1,), 50.0).double(), t_loc=torch.full((1,), -1e3).double(),
        normal_loc=torch.full((1,), -10.0).double(), log_loc=torch.full((1,), 20.0).double(),
    )  # fmt: skip
    many = Mixture(*(part.expand(N_DRAWS, *part.shape[1:]) for part in far))
    drawn = many.draw(draw(N_DRAWS, NORMALS, dtype=torch.float64))
    kinds = [drawn < -100, (drawn >= -100) & (drawn < 0), (drawn >= 0) & (drawn < 1e5), drawn >= 1e5]
    shares = torch.stack([kind.double().mean() for kind in kinds])
    torch.testing.assert_close(shares, far.log_weights[0].exp(), rtol=0, atol=0.02)


def test_the_same_numbers_draw_the_same_value_whatever_is_beside():
    mixture, normal = mixture_of(7, 5), draw(7, 5, NORMALS, dtype=torch.float64)
    whole = mixture.draw(normal)
    for i in range(7):
        assert torch.equal(Mixture(*(part[i : i + 1] for part in mixture)).draw(normal[i : i + 1])[0], whole[i])


def test_parameters_are_laid_out_by_component_and_stay_in_their_range():
    heads, states = scatter_(MixtureHeads((3, 5), 7)).double(), 9 * draw(2, 4, 7, dtype=torch.float64)
    found = heads(states, 1)
    logits = (states @ heads.weights.weight[1].T + heads.weights.bias[1]).view(2, 4, 4, 5)
    expected = torch.stack([logits[:, :, i] for i in range(4)], dim=-1).log_softmax(-1)
    torch.testing.assert_close(found.log_weights, expected)
    assert (found.df >= 2).all()
    assert all((part > 0).all() for part in (found.t_scale, found.total_count, found.log_scale))
    short = heads(states, 0)
    assert short.df.shape == (2, 4, 3)
    rows = (states @ heads.weights.weight[0].T + heads.weights.bias[0])[..., :12]
    padded = torch.cat([rows, torch.zeros(2, 4, 8).double()], dim=-1).view(2, 4, 4, 5)[..., :3]
    torch.testing.assert_close(short.log_weights, padded.mT.log_softmax(-1))
    assert MixtureHeads((3,), 7).bfloat16()(draw(1, 2, 7, dtype=torch.bfloat16), 0).df.dtype is torch.float32
