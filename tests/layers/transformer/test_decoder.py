import torch

from darts_tsformers.layers.transformer.decoder import DecoderLayer
from tests.helpers import draw, scatter_


def layer(**changes) -> DecoderLayer:
    arguments = {"dropout": 0.0, "activation": "gelu", "self_attention": "full", "cross_attention": "full"} | changes
    return scatter_(DecoderLayer(6, 3, 11, **arguments)).eval()


def test_a_later_token_moves_no_earlier_one():
    decoder, x, memory = layer(), draw(2, 13, 6), draw(2, 7, 6, seed=1)
    before = decoder(x, memory)
    x[:, 9:] += 10
    after = decoder(x, memory)
    torch.testing.assert_close(before[:, :9], after[:, :9])
    assert not torch.allclose(before[:, 9:], after[:, 9:])


def test_the_memory_reaches_every_token():
    decoder, x, memory = layer(), draw(2, 13, 6), draw(2, 7, 6, seed=1)
    moved = decoder(x, memory + 1) - decoder(x, memory)
    assert (moved.abs().amax(dim=-1) > 1e-5).all()


def test_mixing_heads_and_time_undoes_the_mask_as_in_the_code_of_the_authors():
    decoder, x, memory = layer(mix=True), draw(1, 12, 6), draw(1, 7, 6, seed=1)
    before = decoder(x, memory)
    x[:, -1] += 10
    after = decoder(x, memory)
    moved = ((before - after).abs().amax(dim=-1) > 1e-6)[0]
    assert moved[:11].any()
