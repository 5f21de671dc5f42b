import math

import pytest
import torch

from darts_tsformers.layers.decomposition.seasonal_norm import SeasonalNorm
from tests.helpers import draw, scatter_


def test_equals_the_authors_code():
    x = (0.37 * torch.arange(12) + 0.11).sin().view(1, 4, 3)
    expected = torch.tensor([-1.443759, -0.274867, 1.718625])
    torch.testing.assert_close(SeasonalNorm(3)(x)[0, 0], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("length", [1, 2, 13])
def test_no_feature_keeps_a_level(length):
    out = scatter_(SeasonalNorm(5))(3 + draw(2, length, 5))
    torch.testing.assert_close(out.mean(1), torch.zeros(2, 5), rtol=0, atol=1e-6)


def test_each_token_is_normalised_before():
    norm = scatter_(SeasonalNorm(5))
    x = draw(2, 7, 5, dtype=torch.float64)
    centred = x - x.mean(-1, keepdim=True)
    normed = norm.norm.weight * centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm.double()(x), normed - normed.mean(1, keepdim=True))


def test_samples_do_not_meet():
    norm = scatter_(SeasonalNorm(5))
    x = draw(3, 7, 5)
    torch.testing.assert_close(norm(x)[1:2], norm(x[1:2]))


def test_a_constant_leaves_nothing_and_no_nan():
    assert torch.equal(SeasonalNorm(5)(torch.full((2, 7, 5), math.e)), torch.zeros(2, 7, 5))
