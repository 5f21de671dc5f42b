import pytest
import torch

from darts_tsformers.attention import FullAttention, registry
from darts_tsformers.layers.encoder import Encoder
from darts_tsformers.layers.multi_head import MultiHeadAttention
from darts_tsformers.layers.recording import recorded, recording
from tests.helpers import draw, scatter_


class Listening(FullAttention):
    """Attention that remembers whether it was asked for its weights."""

    asked: list[bool] = []  # noqa: RUF012 - one list for all instances

    def forward(self, q, k, v, *, causal=False, need_weights=False):
        self.asked.append(need_weights)
        return super().forward(q, k, v, causal=causal, need_weights=need_weights)


@pytest.fixture
def asked(monkeypatch):
    monkeypatch.setattr(registry, "_MECHANISMS", registry._MECHANISMS | {"listening": Listening})
    monkeypatch.setattr(Listening, "asked", [])
    return Listening.asked


def encoder(attention="full", **kwargs):
    return scatter_(Encoder(6, 2, 5, n_layers=3, attention=attention, **kwargs)).eval()


def test_weights_are_never_asked_for_outside_of_a_block(asked):
    model = encoder("listening")
    model(draw(2, 7, 6))
    with recording("attention"):
        pass
    model(draw(2, 7, 6))
    assert asked == [False] * 6


def test_weights_are_asked_for_inside_of_a_block(asked):
    model = encoder("listening")
    with recording("attention") as record:
        model(draw(2, 7, 6))
    assert asked == [True] * 3
    assert [weights.shape for weights in record["attention"]] == [(2, 2, 7, 7)] * 3


def test_maps_come_in_the_order_of_the_layers():
    model, x = encoder(), draw(2, 7, 6)
    with recording("attention") as record:
        model(x)
    for layer, weights in zip(model.layers, record["attention"], strict=True):
        with recording("attention") as alone:
            layer.attention(x)
        torch.testing.assert_close(alone["attention"][0], weights)
        x, _ = layer(x)


@pytest.mark.parametrize("residual_attention", [False, True])
def test_recording_does_not_change_the_output(residual_attention):
    model, x = encoder(residual_attention=residual_attention), draw(2, 7, 6)
    with recording("attention"):
        recorded = model(x)
    torch.testing.assert_close(recorded, model(x), rtol=0, atol=0)


def test_maps_of_residual_attention_come_from_the_summed_scores():
    lower, upper = (scatter_(MultiHeadAttention(6, 2), seed) for seed in (1, 2))
    x = draw(2, 7, 6)
    with recording("attention") as record:
        _, scores = lower(x)
        upper(x, earlier=scores)
    summed = 0
    for layer in (lower, upper):
        q, k, _ = (t.unflatten(-1, (2, 3)).transpose(1, 2) for t in layer.project_in(x).chunk(3, dim=-1))
        summed = summed + q @ k.mT / 3**0.5
    torch.testing.assert_close(record["attention"][1], summed.softmax(-1))


def test_maps_are_detached():
    with recording("attention") as record:
        out, _ = MultiHeadAttention(6, 2)(draw(2, 7, 6).requires_grad_())
    assert out.requires_grad
    assert not record["attention"][0].requires_grad


def test_an_inner_block_keeps_its_maps_to_itself():
    layer, x = MultiHeadAttention(6, 2), draw(2, 7, 6)
    with recording("attention") as outer:
        layer(x)
        with recording("attention") as inner:
            layer(x)
            layer(x)
        layer(x)
    assert (len(outer["attention"]), len(inner["attention"])) == (2, 2)


def test_a_block_left_by_an_error_stops_recording():
    with pytest.raises(RuntimeError, match="stop"), recording("attention"):
        raise RuntimeError("stop")
    assert recorded("attention") is None


def test_only_the_kinds_asked_for_are_recorded(asked):
    with recording("trend") as record:
        encoder("listening")(draw(2, 7, 6))
        assert recorded("trend") is record["trend"]
        assert recorded("attention") is None
    assert asked == [False] * 3
    assert record == {"trend": []}
