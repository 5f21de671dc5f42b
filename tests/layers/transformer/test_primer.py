"""A squared activation, and short convolutions of queries, keys and values."""

import pytest
import torch

from darts_tsformers.attention import attention_names
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.layers.transformer.primer import DepthwiseConvolution
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_


def convolved(x, weight):
    """Step by step and channel by channel."""
    out = torch.zeros_like(x)
    for t in range(x.shape[1]):
        for lag in range(min(t + 1, weight.shape[0])):
            out[:, t] = out[:, t] + weight[lag] * x[:, t - lag]
    return out


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_convolution_equals_its_definition(size, length):
    layer = scatter_(DepthwiseConvolution(5, size)).double()
    x = draw(3, length, 5, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(layer(x), convolved(x, layer.weight), [x, layer.weight])


def test_it_starts_as_the_authors_code():
    torch.testing.assert_close(DepthwiseConvolution(2, 3).weight[:, 1], torch.tensor([0.5, 0.5 / 3, 0.5 / 3]))


@pytest.mark.parametrize(("causal", "cross"), [(False, False), (True, False), (False, True)])
def test_attention_equals_its_definition(causal, cross):
    layer = scatter_(MultiHeadAttention(6, 2, causal=causal, cross=cross, depthwise_size=3)).double()
    x, memory = (draw(2, length, 6, seed=length, dtype=torch.float64) for length in (7, 11))
    heads = []
    for part, of in enumerate((x, memory if cross else x, memory if cross else x)):
        rows = slice(6 * part, 6 * part + 6)
        projected = convolved(of @ layer.project_in.weight[rows].T, layer.convolve.weight[:, rows])
        heads.append((projected + layer.project_in.bias[rows]).unflatten(-1, (2, 3)).transpose(1, 2))
    expected = layer.project_out(full_attention(*heads, causal=causal)[0].transpose(1, 2).flatten(2))
    torch.testing.assert_close(layer(x, memory if cross else None)[0], expected)


@torch.no_grad()
@pytest.mark.parametrize("kernel_size", [1, 2, 5])
def test_row_by_row_is_the_whole(kernel_size):
    layer = MultiHeadAttention(6, 2, causal=True, row_by_row=True, kernel_size=kernel_size, depthwise_size=3)
    scatter_(layer).double()
    x = draw(3, 11, 6, dtype=torch.float64)
    whole, _ = layer(x)
    for start in (None, torch.tensor([0, 2, 1])):
        given = x if start is None else torch.stack([x[i].roll(-int(s), 0) for i, s in enumerate(start)])
        history = given.clone()
        for i in range(3):
            history[i, 7 - (0 if start is None else int(start[i])) :] = 0
        _, rows = layer.begin(history, 7, start)
        for row in (7, 8):
            step = layer.advance(given[:, row : row + 1] if start is None else x[:, row : row + 1], rows, row)
            if start is None:
                torch.testing.assert_close(step, whole[:, row : row + 1])
            else:
                for i, s in enumerate(start.tolist()):
                    alone, _ = layer(x[i : i + 1, s : row + 1])
                    torch.testing.assert_close(step[i : i + 1], alone[:, -1:])


def test_the_activation_is_squared():
    layer = scatter_(FeedForward(3, 5, dropout=0.0, activation="squared_relu")).double()
    x = draw(2, 7, 3, dtype=torch.float64).requires_grad_()
    expected = layer[3](torch.where(layer[0](x) > 0, layer[0](x), 0) ** 2)
    assert_same_with_gradients(layer(x), expected, [x, *layer.parameters()])


@pytest.mark.parametrize("attention", attention_names())
def test_an_encoder_convolves_for_any_mechanism(attention):
    arguments = {"n_layers": 1, "attention": attention, "activation": "squared_relu", "n_tokens": 13}
    plain, primer = (Encoder(6, 2, 11, depthwise_size=size, **arguments).eval() for size in (1, 3))
    x = draw(2, 13, 6)
    assert primer(x).isfinite().all()
    primer.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        primer.layers[0].attention.convolve.weight.copy_(torch.tensor([1.0, 0.0, 0.0])[:, None].expand(3, 18))
    torch.testing.assert_close(primer(x), plain(x))


def test_a_size_below_one_is_refused():
    with pytest.raises(ValueError, match=exactly("depthwise_size=0 must be an integer of at least 1")):
        Encoder(6, 2, 11, n_layers=1, depthwise_size=0)
