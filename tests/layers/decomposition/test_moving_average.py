import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_tsformers.execution import cache
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition, SeriesDecomposition
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

SERIES = [1.0, 2.0, 4.0, 7.0, 11.0, 16.0]
TRENDS = {
    3: [1.333333, 2.333333, 4.333333, 7.333333, 11.333333, 14.333333],
    4: [1.25, 2.0, 3.5, 6.0, 9.5, 12.5],
    5: [1.8, 3.0, 5.0, 8.0, 10.8, 13.2],
}
MIXED = [1.566667, 2.617038, 4.526034, 7.427901, 11.30804, 14.320881]
both_axes = pytest.mark.parametrize("dim", [-1, -2])


def neighbourhood_means(x, kernel_size):
    """Average step by step; a step beyond an end is the end."""
    length, ahead = x.shape[-1], kernel_size // 2
    near = [[min(max(t - ahead + j, 0), length - 1) for j in range(kernel_size)] for t in range(length)]
    return torch.stack([x[..., steps].mean(-1) for steps in near], dim=-1)


def mixture_of_means(x, kernel_sizes, mix):
    """Let each value choose among the averages."""
    means = torch.stack([neighbourhood_means(x, kernel_size) for kernel_size in kernel_sizes], dim=-1)
    return (mix(x[..., None]).softmax(-1) * means).sum(-1)


@pytest.mark.parametrize("kernel_size", TRENDS)
def test_trend_is_the_authors(kernel_size):
    _, trend = SeriesDecomposition(kernel_size)(torch.tensor(SERIES).view(1, 1, -1))
    torch.testing.assert_close(trend.flatten(), torch.tensor(TRENDS[kernel_size]), rtol=0, atol=1e-6)


@both_axes
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 7, 8, 24, 25])
@pytest.mark.parametrize("length", [1, 2, 11, 13])
def test_trend_is_the_mean_of_the_neighbourhood(kernel_size, length, dim):
    x = draw(2, 3, length, dtype=torch.float64).requires_grad_()
    remainder, trend = SeriesDecomposition(kernel_size, dim=dim)(x.movedim(-1, dim))
    assert_same_with_gradients(trend.movedim(dim, -1), neighbourhood_means(x, kernel_size), (x,))
    torch.testing.assert_close((remainder + trend).movedim(dim, -1), x)


@pytest.mark.parametrize("kernel_size", [1, 3, 4, 9])
@pytest.mark.parametrize("length", [1, 2, 5])
def test_gradients_equal_finite_differences(kernel_size, length):
    x = draw(2, 1, length, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(SeriesDecomposition(kernel_size), (x,))


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 40), kernel_size=st.integers(1, 60))
def test_any_kernel_serves_any_length(length, kernel_size):
    x = draw(2, 3, length, dtype=torch.float64)
    remainder, trend = SeriesDecomposition(kernel_size)(x)
    torch.testing.assert_close(trend, neighbourhood_means(x, kernel_size))
    torch.testing.assert_close(remainder + trend, x)


@both_axes
@pytest.mark.parametrize("chunk", [cache.CHUNK, 70, 1], ids=["one chunk", "some chunks", "many chunks"])
@pytest.mark.parametrize("used", ["remainder", "trend", "both"])
@pytest.mark.parametrize("kernel_sizes", [(4,), (3, 8)], ids=str)
def test_each_part_has_its_gradient_in_any_chunks(kernel_sizes, used, chunk, dim, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", chunk)
    decomposition = scatter_(MixtureDecomposition(kernel_sizes, dim=dim)).double()
    x = draw(5, 3, 11, dtype=torch.float64).requires_grad_()
    trend = mixture_of_means(x, kernel_sizes, decomposition.mix or torch.zeros_like)
    expected = {"remainder": x - trend, "trend": trend, "both": 2 * (x - trend) + trend**2}[used]
    parts = [part.movedim(dim, -1) for part in decomposition(x.movedim(-1, dim))]
    ours = {"remainder": parts[0], "trend": parts[1], "both": 2 * parts[0] + parts[1] ** 2}[used]
    assert_same_with_gradients(ours, expected, (x, *decomposition.parameters()))


def test_a_constant_is_all_trend():
    remainder, trend = SeriesDecomposition(5)(torch.full((2, 3, 11), 7.0))
    torch.testing.assert_close(trend, torch.full((2, 3, 11), 7.0))
    torch.testing.assert_close(remainder, torch.zeros(2, 3, 11))


@pytest.mark.parametrize("kernel_size", [3, 24, 25, 301])
def test_a_long_series_at_a_high_level_keeps_its_precision(kernel_size):
    x = 1e4 + draw(1, 2, 32768)
    _, trend = SeriesDecomposition(kernel_size)(x)
    padded = F.pad(x.double(), (kernel_size // 2, (kernel_size - 1) // 2), mode="replicate")
    exact = F.avg_pool1d(padded, kernel_size, stride=1)
    torch.testing.assert_close(trend.double(), exact, rtol=2e-7, atol=0)


def test_bfloat16_is_kept_and_rounded_once():
    x = draw(2, 3, 29).bfloat16()
    _, trend = SeriesDecomposition(25)(x)
    assert torch.equal(trend, SeriesDecomposition(25)(x.float())[1].bfloat16())


def test_a_mixture_is_the_authors():
    decomposition = MixtureDecomposition([3, 5])
    with torch.no_grad():
        decomposition.mix.weight.copy_(torch.tensor([[0.1], [-0.2]]))
        decomposition.mix.bias.copy_(torch.tensor([0.0, 0.3]))
    x = torch.tensor(SERIES).view(1, 1, -1)
    remainder, trend = decomposition(x)
    torch.testing.assert_close(trend.flatten(), torch.tensor(MIXED), rtol=0, atol=1e-6)
    torch.testing.assert_close(remainder + trend, x)


@both_axes
@pytest.mark.parametrize("kernel_sizes", [(3, 5), (2, 7, 24), (4, 4)], ids=str)
def test_a_mixture_equals_its_definition(kernel_sizes, dim):
    decomposition = scatter_(MixtureDecomposition(kernel_sizes, dim=dim)).double()
    x = draw(2, 3, 11, dtype=torch.float64).requires_grad_()
    _, trend = decomposition(x.movedim(-1, dim))
    expected = mixture_of_means(x, kernel_sizes, decomposition.mix)
    assert_same_with_gradients(trend.movedim(dim, -1), expected, (x, *decomposition.parameters()))


@pytest.mark.parametrize("kernel_size", [1, 4, 7])
def test_a_mixture_of_one_kernel_is_the_plain_form_and_learns_nothing(kernel_size):
    x = draw(2, 3, 11)
    mixture = MixtureDecomposition([kernel_size])
    for ours, plain in zip(mixture(x), SeriesDecomposition(kernel_size)(x), strict=True):
        assert torch.equal(ours, plain)
    assert not list(mixture.parameters())
    assert torch.equal(mixture.weights(x), torch.ones(1, 2, 3, 11))


def test_the_weights_of_a_mixture_share_out_the_trend():
    decomposition = scatter_(MixtureDecomposition([2, 5, 7]))
    x = draw(2, 3, 11)
    weights = decomposition.weights(x)
    assert weights.shape == (3, 2, 3, 11)
    torch.testing.assert_close(weights.sum(0), torch.ones(2, 3, 11))
    means = torch.stack([neighbourhood_means(x, kernel_size) for kernel_size in (2, 5, 7)])
    torch.testing.assert_close(decomposition(x)[1], (weights * means).sum(0))


@pytest.mark.parametrize("kernel_size", [0, -3])
def test_a_kernel_below_one_is_refused(kernel_size):
    with pytest.raises(ValueError, match=exactly(f"kernel_size={kernel_size} must be an integer of at least 1")):
        SeriesDecomposition(kernel_size)


def test_a_mixture_names_the_kernel_that_is_refused():
    with pytest.raises(ValueError, match=exactly("kernel_sizes[1]=0 must be an integer of at least 1")):
        MixtureDecomposition([3, 0])


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(ValueError, match=exactly("kernel_sizes=[] must be a list of at least one kernel size")):
        MixtureDecomposition([])


@pytest.mark.parametrize("kernel_sizes", [(4,), (3, 8)])
@pytest.mark.parametrize("dim", [-1, -2])
def test_the_form_for_export_equals_the_fast_one(kernel_sizes: tuple[int, ...], dim: int):
    torch.manual_seed(0)
    x = torch.randn(2, 13, 7, dtype=torch.float64)
    module = MixtureDecomposition(kernel_sizes, dim=dim).double()
    exported = torch.export.export(module, (x,)).module()
    for got, expected in zip(exported(x), module(x), strict=True):
        torch.testing.assert_close(got, expected)
