import pytest
import torch
from torch import nn

from darts_tsformers.layers.convolution import CausalConvolution, TokenConvolution
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


@pytest.mark.parametrize("known", [1, 2, 3, 12])
def test_one_token_at_a_time_equals_the_whole(known):
    layer, x = CausalConvolution(3, 5).double(), draw(2, 13, 3, dtype=torch.float64)
    y, kept = layer.begin(x[:, :known])
    rows = [y]
    for t in range(known, 13):
        y, kept = layer.advance(x[:, t : t + 1], kept)
        rows.append(y)
    torch.testing.assert_close(torch.cat(rows, dim=1), layer(x), rtol=0, atol=1e-12)


def test_padding_in_front_is_not_seen():
    layer, x = CausalConvolution(3, 5), draw(2, 11, 3)
    padded, mask = nn.functional.pad(x, (0, 0, 4, 0), value=1e3), (torch.arange(15) >= 4).expand(2, 15)
    torch.testing.assert_close(layer(padded, mask)[:, 4:], layer(x))
    torch.testing.assert_close(layer.begin(padded, mask)[1], layer.begin(x)[1])


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
