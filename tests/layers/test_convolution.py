import pytest
import torch
from torch import nn

from darts_tsformers.layers.convolution import TokenConvolution
from tests.helpers import assert_same_with_gradients, draw, exactly


@pytest.mark.parametrize("length", [1, 2, 3, 11])
@pytest.mark.parametrize("padding_mode", ["circular", "replicate", "causal"])
def test_it_is_a_convolution_with_three_taps(length, padding_mode):
    ours = TokenConvolution(5, 7, padding_mode=padding_mode).double()
    mode = "zeros" if padding_mode == "causal" else padding_mode
    padding = 0 if padding_mode == "causal" else 1
    theirs = nn.Conv1d(5, 7, kernel_size=3, padding=padding, padding_mode=mode).double()
    with torch.no_grad():
        theirs.weight.copy_(ours.linear.weight.view(7, 3, 5).mT)
        theirs.bias.copy_(ours.linear.bias)
    x = draw(2, length, 5, dtype=torch.float64).requires_grad_()
    seen = nn.functional.pad(x.mT, (2, 0)) if padding_mode == "causal" else x.mT
    assert_same_with_gradients(ours(x), theirs(seen).mT, [x])


def test_a_causal_convolution_does_not_look_ahead():
    layer = TokenConvolution(3, 5, padding_mode="causal")
    x = draw(2, 11, 3)
    before = layer(x)
    x[:, 7:] += 100
    after = layer(x)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


def test_only_a_circular_convolution_joins_the_ends():
    x = draw(1, 11, 3)
    moved = x.clone()
    moved[:, -1] += 100
    for padding_mode, joined in (("circular", True), ("replicate", False), ("causal", False)):
        layer = TokenConvolution(3, 5, padding_mode=padding_mode)
        assert torch.equal(layer(x)[:, 0], layer(moved)[:, 0]) != joined


def test_an_unknown_padding():
    with pytest.raises(
        ValueError, match=exactly("padding_mode='zeros' must be one of ['causal', 'circular', 'replicate']")
    ):
        TokenConvolution(3, 5, padding_mode="zeros")
