"""What is chosen does not hang on rounding."""

import math

import pytest
import torch

from darts_tsformers.attention import AutoCorrelation, ProbSparseAttention
from darts_tsformers.attention import _naive as naive
from darts_tsformers.attention._ties import highest
from tests.helpers import draw


@pytest.mark.parametrize("n", [1, 3, 11])
@pytest.mark.parametrize("seed", range(5))
def test_values_apart_are_the_highest(n, seed):
    values = draw(2, 3, 11, seed=seed)
    assert torch.equal(highest(values, n).sort().values, values.topk(n).indices.sort().values)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize(
    "values",
    [[3.0, 1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0], [1.0, -math.inf, 1.0, -2.0], [-math.inf] * 3, [1.0, 5.0, 5.0001, 4.0]],
)
def test_of_equals_the_earlier_are_taken_as_in_the_definition(values, n):
    assert highest(torch.tensor(values), n).tolist() == naive.highest(values, n)


@pytest.mark.parametrize("offset", [0.0, 100.0, -100.0])
@pytest.mark.parametrize("length", [37, 4099])
@pytest.mark.parametrize("above", [0, 5])
def test_rounding_tells_no_values_apart(offset, length, above):
    values = torch.full((7, length), 2.0 + offset)
    values[:, length - above :] = 5.0 + offset
    moved = values + 1e-7 * (1 + abs(offset)) * draw(7, length)
    taken = [*range(11 - above), *range(length - above, length)]
    assert torch.equal(highest(moved, 11).sort().values, torch.tensor(taken).expand(7, -1))


def test_no_values_are_taken_last():
    values = torch.tensor([-math.inf, -5.0, -math.inf, 2.0])
    assert sorted(highest(values, 2).tolist()) == [1, 3]
    assert sorted(highest(values, 3).tolist()) == [0, 1, 3]


@pytest.mark.parametrize("mechanism", [AutoCorrelation(factor=2), ProbSparseAttention(factor=2)], ids=type)
@pytest.mark.parametrize("first", [0, 12])
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_equal_tokens_attend_alike_in_single_and_double_precision(mechanism, first, offset):
    """Tokens from the first of these on are one and the same, as those of a horizon of which nothing is known."""
    q, k, v = (offset + draw(3, 2, 53, 5, seed=seed, dtype=torch.float64) for seed in range(3))
    q[:, :, first:] = q[:, :, first : first + 1].clone()
    if first:
        k[:, :, first:] = k[:, :, first : first + 1].clone()
    mechanism.eval()
    found = mechanism(q.float(), k.float(), v.float())[0]
    torch.testing.assert_close(found.double(), mechanism(q, k, v)[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("sampling", ["shared", "per_query"])
def test_autocast_does_not_change_which_queries_are_selected(sampling):
    mechanism = ProbSparseAttention(factor=2, sampling=sampling).eval()
    q, k = (draw(3, 2, 211, 5, seed=seed) for seed in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        cast = mechanism.select(q, k)
    assert torch.equal(cast.sort().values, mechanism.select(q, k).sort().values)
