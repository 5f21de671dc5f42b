import pytest
import torch

from darts_tsformers.layers.decomposition.learned import LearnedDecomposition
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_


def by_hand(layer: LearnedDecomposition, x: torch.Tensor) -> list[torch.Tensor]:
    """Split one series step by step."""
    k, n = layer.average.kernel_size, len(x)
    behind = (k - 1) // 2
    around = [x[max(0, min(n - 1, t + i))] for t in range(n) for i in range(behind + 1 - k, behind + 1)]
    average = torch.stack(around).view(n, k).mean(-1)
    trend = layer.trend.weight @ average + layer.trend.bias
    first, _, second = layer.season
    season = second.weight @ (first.weight @ (x - trend) + first.bias).clamp_min(0) + second.bias
    return [trend, season, x - trend - season]


@pytest.mark.parametrize(("length", "kernel_size"), [(11, 5), (7, 4), (1, 1), (5, 25)])
def test_it_is_what_its_formula_says(length, kernel_size):
    layer = scatter_(LearnedDecomposition(length, kernel_size)).double()
    x = draw(2, 3, length, dtype=torch.float64).requires_grad_()
    expected = torch.stack([torch.stack(by_hand(layer, one)) for one in x.flatten(0, 1)], dim=1)
    ours = torch.stack(layer(x)).flatten(1, 2)
    assert_same_with_gradients(ours, expected, [x, *layer.parameters()])


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_the_parts_add_up(dtype, close):
    layer, x = scatter_(LearnedDecomposition(13, 5)).to(dtype), draw(2, 3, 13, dtype=dtype)
    parts = layer(x)
    assert all(one.dtype == dtype for one in parts)
    torch.testing.assert_close(sum(parts), x, rtol=close, atol=close)
    assert (parts[1] != 0).any()


def test_components_and_samples_do_not_see_each_other():
    layer, x = scatter_(LearnedDecomposition(13, 5)).double(), draw(2, 3, 13, dtype=torch.float64)
    for whole, alone in zip(layer(x), layer(x[1:, 2:]), strict=True):
        torch.testing.assert_close(whole[1:, 2:], alone)


@pytest.mark.usefixtures("unchecked")
def test_a_kernel_below_one_is_refused():
    with pytest.raises(ValueError, match=exactly("kernel_size=0 must be an integer of at least 1")):
        LearnedDecomposition(7, 0)
