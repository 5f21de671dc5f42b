import pytest
import torch
import torch.nn.functional as F
from torch import nn

from darts_tsformers.layers.recurrent.aaren import AarenAttention, AarenLayer
from darts_tsformers.recording import recording
from tests.helpers import draw, exactly, scatter_


def a_layer(d_model=6, n_heads=2, **other):
    return scatter_(AarenLayer(d_model, n_heads, 11, **other).double().eval())


def tokens(b, n, d):
    return draw(b, n, d, seed=5, dtype=torch.float64)


@pytest.mark.parametrize(("n_heads", "length"), [(1, 17), (2, 5), (3, 1)])
def test_a_row_is_that_of_a_transformer_whose_query_is_the_token(n_heads, length):
    layer, x = a_layer(n_heads=n_heads), tokens(3, length, 6)
    attention = layer.attention
    by_torch = nn.MultiheadAttention(6, n_heads, batch_first=True, dtype=torch.float64)
    by_torch.load_state_dict(
        {
            "in_proj_weight": attention.project_in.weight,
            "in_proj_bias": attention.project_in.bias,
            "out_proj.weight": attention.project_out.weight,
            "out_proj.bias": attention.project_out.bias,
        }
    )
    query = attention.query.expand(3, 1, 6)
    rows = [by_torch(query, x[:, : t + 1], x[:, : t + 1])[0] for t in range(length)]
    torch.testing.assert_close(attention(x), torch.cat(rows, dim=1))


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("known", [1, 7, 28])
def test_one_token_at_a_time_equals_the_whole(known, norm):
    layer, x = a_layer(norm=norm), tokens(2, 29, 6)
    mask = draw(2, 29) > -0.5
    y, state = layer.begin(x[:, :known], mask[:, :known])
    rows = [y]
    for t in range(known, 29):
        y, state = layer.advance(x[:, t : t + 1], state, mask[:, t])
        rows.append(y)
    torch.testing.assert_close(torch.cat(rows, dim=1), layer(x, mask), rtol=0, atol=1e-12)


def test_padding_in_front_changes_nothing():
    layer, x = a_layer(), tokens(2, 13, 6)
    padded = F.pad(x, (0, 0, 5, 0), value=1e3)
    mask = (torch.arange(18) >= 5).expand(2, 18)
    torch.testing.assert_close(layer(padded, mask)[:, 5:], layer(x))


def test_a_token_does_not_see_those_after_it():
    layer, x = a_layer(), tokens(2, 29, 6)
    before = layer(x)
    x[:, 17:] += 1e3
    after = layer(x)
    assert torch.equal(before[:, :17], after[:, :17])
    assert not torch.equal(before[:, 17:], after[:, 17:])


def test_a_sample_does_not_depend_on_its_batch_mates():
    layer, x = a_layer(), tokens(3, 17, 6)
    torch.testing.assert_close(layer(x[1:2]), layer(x)[1:2])


def test_every_parameter_learns():
    layer = a_layer()
    layer(tokens(2, 7, 6)).pow(3).sum().backward()
    assert [name for name, parameter in layer.named_parameters() if not parameter.grad.any()] == []


def test_it_has_one_token_more_than_a_transformer_layer():
    def count(module):
        return sum(parameter.numel() for parameter in module.parameters())

    assert count(AarenLayer(512, 8, 2048)) == 3_152_896
    assert count(nn.TransformerEncoderLayer(512, 8, 2048)) == 3_152_384


def test_the_weights_made_the_output():
    attention, x = a_layer().attention, tokens(2, 17, 6)
    with recording("attention") as record:
        out = attention(x)
    (entry,) = record["attention"]
    weights = entry.tensors["weights"]
    assert weights.shape == (2, 2, 17, 17)
    values = F.linear(x, attention.project_in.weight[12:], attention.project_in.bias[12:])
    mixed = torch.cat([weights[:, i] @ values[..., 3 * i : 3 * i + 3] for i in range(2)], dim=-1)
    torch.testing.assert_close(attention.project_out(mixed), out)


def test_dropout_is_applied_in_training_only():
    layer, x = a_layer(dropout=0.5), tokens(2, 17, 6)
    assert torch.equal(layer(x), layer(x))
    layer.train()
    assert not torch.equal(layer(x), layer(x))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((6, 4), "n_heads=4 must divide d_model=6"),
        ((6, 0), "n_heads=0 must be an integer of at least 1"),
        ((0, 1), "d_model=0 must be an integer of at least 1"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        AarenAttention(*sizes)


def test_a_feed_forward_part_without_features_is_refused():
    with pytest.raises(ValueError, match=exactly("d_ff=0 must be an integer of at least 1")):
        AarenLayer(6, 2, 0)
