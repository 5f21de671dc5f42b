"""What is chosen does not hang on rounding."""

import math

import pytest
import torch

from darts_tsformers.attention import AutoCorrelation, ProbSparseAttention
from darts_tsformers.attention._naive import ranked
from darts_tsformers.attention._ties import highest
from tests.helpers import draw


@pytest.mark.parametrize("n", [1, 3, 11])
@pytest.mark.parametrize("seed", range(5))
def test_values_apart_come_highest_first(n, seed):
    values = draw(2, 3, 11, seed=seed)
    assert torch.equal(highest(values, n), values.topk(n).indices)


@pytest.mark.parametrize("values", [[3.0, 1.0, 3.0, 3.0, 2.0], [0.0, 0.0, 0.0], [1.0, -math.inf, 1.0, -2.0]])
def test_of_equals_the_earlier_come_first_as_in_the_definition(values):
    assert highest(torch.tensor(values), len(values)).tolist() == ranked(values)


def test_rounding_tells_no_values_apart():
    values = torch.tensor([5.0, *[2.0] * 30, 1.0]).expand(97, -1)
    moved = values + 1e-7 * draw(*values.shape)
    assert torch.equal(highest(moved, 7).sort().values, torch.arange(7).expand(97, -1))


def test_no_values_are_chosen_last():
    values = torch.tensor([-math.inf, -5.0, -math.inf, 2.0])
    assert highest(values, 2).tolist() == [3, 1]


@pytest.mark.parametrize("mechanism", [AutoCorrelation(factor=2), ProbSparseAttention(factor=2)], ids=type)
def test_equal_tokens_attend_alike_in_single_and_double_precision(mechanism):
    """The last 41 of 53 tokens are one and the same, as those of a horizon of which nothing is known."""
    q, k, v = (draw(3, 2, 53, 5, seed=seed, dtype=torch.float64) for seed in range(3))
    q[:, :, 12:], k[:, :, 12:] = q[:, :, 12:13].clone(), k[:, :, 12:13].clone()
    mechanism.eval()
    found = mechanism(q.float(), k.float(), v.float())[0]
    torch.testing.assert_close(found.double(), mechanism(q, k, v)[0], rtol=0, atol=1e-4)
