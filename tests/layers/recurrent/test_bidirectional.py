import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba, in_order
from darts_tsformers.layers.recurrent.mamba_encoder import MambaEncoder
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

SIZES = {"d_model": 5, "d_state": 3, "d_conv": 2, "expand": 2}


def mixer() -> BidirectionalMamba:
    return scatter_(BidirectionalMamba(**SIZES)).double()


def tokens(batch: int = 3, length: int = 7) -> Tensor:
    return draw(batch, length, 5, dtype=torch.float64).requires_grad_()


def orders(batch: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack([torch.randperm(length, generator=generator) for _ in range(batch)])


def mixed(block: BidirectionalMamba, x: Tensor, order: Tensor) -> Tensor:
    """Mix sample by sample, with tokens moved one by one."""
    rows = []
    for one, places in zip(x, order.tolist(), strict=True):
        there = torch.stack([one[place] for place in places])[None]
        back = torch.stack([one[place] for place in reversed(places)])[None]
        onward, reverse = block.onward(there)[0], block.reverse(back)[0]
        n = len(places)
        rows.append(torch.stack([onward[places.index(i)] + reverse[n - 1 - places.index(i)] for i in range(n)]))
    return torch.stack(rows)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_it_is_what_its_equation_says(length):
    block, x = mixer(), tokens(length=length)
    expected = mixed(block, x, torch.arange(length).expand(3, -1))
    assert_same_with_gradients(block(x), expected, [x, *block.parameters()])


def test_each_sample_is_mixed_in_its_own_order():
    block, x, order = mixer(), tokens(), orders(3, 7)
    assert_same_with_gradients(block(x, order), mixed(block, x, order), [x, *block.parameters()])


def test_every_token_sees_every_other():
    block, x = mixer(), tokens(batch=1).detach()
    before = block(x)
    for i in range(7):
        moved = x.clone()
        moved[:, i] += 1
        assert not torch.isclose(block(moved), before).any()


def test_tokens_are_put_in_order_and_back():
    x, order = tokens(), orders(3, 7)
    there = in_order(x, order)
    assert torch.equal(there[1, 4], x[1, order[1, 4]])
    assert torch.equal(in_order(there, order.argsort(1)), x)
    assert in_order(x, None) is x


@torch.no_grad()
def recorded(block: BidirectionalMamba, x: Tensor, order: Tensor | None = None) -> tuple[Tensor, Tensor]:
    with recording("attention", "steps") as record:
        block(x, order)
    (weights,), (lengths,) = record["attention"], record["steps"]
    return weights.tensors["weights"][:, 0], lengths.tensors["length"]


@torch.no_grad()
def test_the_map_is_the_size_of_both_hidden_attentions():
    block, x = mixer(), tokens()
    onward = block.onward.hidden_attention(x).abs()
    reverse = block.reverse.hidden_attention(x.flip(1)).abs()
    sizes = torch.zeros(3, 7, 7, dtype=torch.float64)
    for i in range(7):
        for j in range(7):
            sizes[:, i, j] = onward[:, :, i, j].mean(1) + reverse[:, :, 6 - i, 6 - j].mean(1)
    weights, _ = recorded(block, x)
    torch.testing.assert_close(weights, sizes / sizes.sum(-1, keepdim=True))
    assert (weights > 0).all()


def test_what_is_recorded_is_of_tokens_as_they_come_in():
    block, x, order = mixer(), tokens(), orders(3, 7)
    weights, lengths = recorded(block, in_order(x, order))
    ours, ours_lengths = recorded(block, x, order)
    for sample, places in enumerate(order.tolist()):
        for i in range(7):
            torch.testing.assert_close(ours_lengths[sample, places[i]], lengths[sample, i])
            torch.testing.assert_close(ours[sample, places[i], places], weights[sample, i])


@pytest.mark.parametrize("length", [1, 5])
def test_an_encoder_is_what_its_lines_say(length):
    encoder = scatter_(MambaEncoder(5, 11, n_layers=2, d_state=3, activation="relu")).double().eval()
    x, order = tokens(length=length), orders(3, length)
    expected = x
    for layer in encoder.layers:
        middle = layer.mixer_norm(expected + mixed(layer.mixer, expected, order))
        widen, _, _, narrow, _ = layer.feed_forward
        expected = layer.feed_forward_norm(middle + narrow(torch.relu(widen(middle))))
    assert_same_with_gradients(encoder(x, order), encoder.norm(expected), [x, *encoder.parameters()])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"d_state": 0}, "d_state=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_size_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        MambaEncoder(5, 11, **{"n_layers": 1} | changes)
