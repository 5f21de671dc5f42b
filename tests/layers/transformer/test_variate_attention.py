import pytest
import torch

from darts_tsformers.layers.transformer.rotary import rotate, rotate_neighbours, rotation, rotation_at
from darts_tsformers.layers.transformer.variate_attention import Places, VariateAttention
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_
from tests.layers.transformer._naive_variate_attention import variate_attention


def places_of(batch: int = 2, n_variates: int = 3, n: int = 5, *, padded: bool = True) -> Places:
    start = torch.arange(batch)[:, None] if padded else torch.zeros(batch, 1, dtype=torch.long)
    slots = torch.arange(n).expand(batch, n)
    time, there = (slots - start).clamp_min(0), slots >= start
    variate = torch.arange(n_variates).repeat_interleave(n)
    return Places(time.repeat(1, n_variates), variate, there.repeat(1, n_variates))


@pytest.mark.parametrize(("d_model", "n_heads"), [(24, 3), (8, 1)])
def test_it_equals_its_definition(d_model, n_heads):
    layer = scatter_(VariateAttention(d_model, n_heads, rope_theta=50.0)).double()
    places, x = places_of(), draw(2, 15, d_model, dtype=torch.float64).requires_grad_()
    inputs = [x, *layer.parameters()]
    assert_same_with_gradients(layer(x, places), variate_attention(layer, x, places), inputs)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)], ids=str)
def test_in_other_precisions(dtype, tolerance):
    layer, places, x = scatter_(VariateAttention(16, 2)), places_of(), draw(2, 15, 16)
    exact = layer.double()(x.double(), places)
    ours = layer.to(dtype)(x.to(dtype), places)
    assert ours.dtype is dtype
    torch.testing.assert_close(ours.double(), exact, rtol=tolerance, atol=tolerance)


def test_only_distances_in_time_count():
    layer, places, x = scatter_(VariateAttention(8, 2)).double(), places_of(), draw(2, 15, 8, dtype=torch.float64)
    later = places._replace(time=places.time + 13)
    torch.testing.assert_close(layer(x, places), layer(x, later))


def test_later_tokens_and_padding_are_not_seen():
    layer, places, x = scatter_(VariateAttention(8, 2)).double(), places_of(), draw(2, 15, 8, dtype=torch.float64)
    other = x.clone()
    other[:, 3::5] += 1
    other[:, 4::5] += 1
    other[1, 0::5] += 1
    ours, theirs = layer(x, places), layer(other, places)
    for token in (0, 1, 2):
        torch.testing.assert_close(ours[0, token::5], theirs[0, token::5], rtol=0, atol=0)
    for token in (1, 2):
        torch.testing.assert_close(ours[1, token::5], theirs[1, token::5], rtol=0, atol=0)
    assert not torch.equal(ours[1, 0], theirs[1, 0])


def test_the_order_of_variates_does_not_matter():
    layer = scatter_(VariateAttention(8, 2)).double()
    places, x = places_of(padded=False), draw(2, 15, 8, dtype=torch.float64)
    order = torch.arange(15).view(3, 5)[[2, 0, 1]].flatten()
    torch.testing.assert_close(layer(x, places)[:, order], layer(x[:, order], places))


def test_what_is_recorded_is_what_is_applied():
    layer, places, x = scatter_(VariateAttention(8, 2)).double(), places_of(), draw(2, 15, 8, dtype=torch.float64)
    with recording("attention") as record:
        out = layer(x, places)
    (entry,) = record["attention"]
    values = layer.value(x).unflatten(-1, (2, 4)).transpose(1, 2)
    applied = layer.out((entry.tensors["weights"] @ values).transpose(1, 2).flatten(2))
    torch.testing.assert_close(applied, out)


def test_neighbours_turn_as_halves_do():
    x, order = draw(2, 3, 7, 6, dtype=torch.float64), [0, 2, 4, 1, 3, 5]
    positions = torch.arange(4, 11).expand(2, 7)
    ours = rotate_neighbours(x, rotation_at(positions, 6, theta=30.0, like=x))
    theirs = rotate(x[..., order], rotation(7, 6, first=4, theta=30.0, like=x))
    torch.testing.assert_close(ours[..., order], theirs)


def test_dropout_acts_once():
    layer = VariateAttention(8, 2, dropout=0.5)
    calls = count_dropouts(layer)
    layer(draw(2, 15, 8), places_of())
    assert calls == {"dropout": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_heads": 3}, "n_heads=3 must divide d_model=8 into heads whose width is a multiple of 4"),
        ({"n_heads": 4}, "n_heads=4 must divide d_model=8 into heads whose width is a multiple of 4"),
        ({"n_heads": 0}, "n_heads=0 must be an integer of at least 1"),
    ],
    ids=str,
)
def test_a_bad_size_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        VariateAttention(**{"d_model": 8, "n_heads": 2} | changes)
