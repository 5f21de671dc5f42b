import pytest
import torch

from darts_tsformers.attention import FullAttention, registry
from darts_tsformers.layers.encoder import Encoder
from darts_tsformers.layers.fourier import FourierBlock
from darts_tsformers.layers.multi_head import MultiHeadAttention
from darts_tsformers.layers.recording import is_recording, record, recording, revise
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
    with recording("attention") as entries:
        model(draw(2, 7, 6))
    assert asked == [True] * 3
    assert [entry.tensors["weights"].shape for entry in entries["attention"]] == [(2, 2, 7, 7)] * 3


def test_maps_come_in_the_order_of_the_layers():
    model, x = encoder(), draw(2, 7, 6)
    with recording("attention") as entries:
        model(x)
    for layer, entry in zip(model.layers, entries["attention"], strict=True):
        with recording("attention") as alone:
            layer.attention(x)
        assert entry.module is layer.attention
        torch.testing.assert_close(alone["attention"][0].tensors, entry.tensors)
        x, _ = layer(x)


@pytest.mark.parametrize("residual_attention", [False, True])
def test_recording_does_not_change_the_output(residual_attention):
    model, x = encoder(residual_attention=residual_attention), draw(2, 7, 6)
    with recording("attention"):
        inside = model(x)
    torch.testing.assert_close(inside, model(x), rtol=0, atol=0)


def test_maps_of_residual_attention_come_from_the_summed_scores():
    lower, upper = (scatter_(MultiHeadAttention(6, 2), seed) for seed in (1, 2))
    x = draw(2, 7, 6)
    with recording("attention") as entries:
        _, scores = lower(x)
        upper(x, earlier=scores)
    summed = 0
    for layer in (lower, upper):
        q, k, _ = (t.unflatten(-1, (2, 3)).transpose(1, 2) for t in layer.project_in(x).chunk(3, dim=-1))
        summed = summed + q @ k.mT / 3**0.5
    torch.testing.assert_close(entries["attention"][1].tensors["weights"], summed.softmax(-1))


def test_maps_are_detached():
    with recording("attention") as entries:
        out, _ = MultiHeadAttention(6, 2)(draw(2, 7, 6).requires_grad_())
    assert out.requires_grad
    assert not entries["attention"][0].tensors["weights"].requires_grad


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
    assert not is_recording()


def test_only_the_kinds_asked_for_are_recorded(asked):
    with recording("trend") as entries:
        encoder("listening")(draw(2, 7, 6))
        assert is_recording("trend")
        assert not is_recording("attention")
    assert asked == [False] * 3
    assert entries == {"trend": []}


def test_a_module_puts_down_what_it_likes():
    layer, trend = torch.nn.Identity(), draw(2, 3).requires_grad_()
    record("trend", layer, trend=trend)
    with recording("trend", "modes") as entries:
        record("trend", layer, trend=trend)
        record("attention", layer, weights=trend)
    assert [entry.module for entry in entries["trend"]] == [layer]
    assert not entries["trend"][0].tensors["trend"].requires_grad
    assert entries["modes"] == []


@pytest.mark.parametrize("attention", ["full", "log_sparse", ("log_sparse", {"pattern": "local+restart"})], ids=str)
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_rows_recorded_one_by_one_make_the_map_of_the_whole(attention, kernel_size):
    layer = scatter_(
        MultiHeadAttention(6, 2, attention=attention, causal=True, row_by_row=True, kernel_size=kernel_size)
    )
    x = draw(3, 11, 6)
    with recording("attention") as whole:
        layer(x)
    opened = x.clone()
    opened[:, 7:] = 0
    with recording("attention") as parts, torch.no_grad():
        _, rows = layer.begin(opened, 7)
        for row in range(7, 11):
            layer.advance(x[:, row : row + 1], rows, row)
    joined = torch.cat([entry.tensors["weights"] for entry in parts["attention"]], dim=-2)
    torch.testing.assert_close(joined, whole["attention"][0].tensors["weights"])


def test_queries_are_recorded_with_what_selected_them():
    layer = scatter_(MultiHeadAttention(6, 2, attention=("prob_sparse", {"factor": 1}))).eval()
    with recording("attention", "queries") as entries:
        layer(draw(2, 29, 6))
    weights = entries["attention"][0].tensors["weights"]
    measure, selected = (entries["queries"][0].tensors[name] for name in ("measure", "selected"))
    lazy = torch.isclose(weights, weights.new_tensor(1 / 29)).all(-1)
    assert torch.equal(selected, ~lazy)
    assert (selected.sum(-1) == 4).all()
    assert (
        measure.masked_fill(~selected, torch.inf).amin(-1) >= measure.masked_fill(selected, -torch.inf).amax(-1)
    ).all()


def test_delays_are_recorded_with_their_weights():
    layer = scatter_(MultiHeadAttention(6, 2, attention=("auto_correlation", {"factor": 2}))).eval()
    with recording("delays") as entries:
        layer(draw(3, 29, 6))
    period, weight = (entries["delays"][0].tensors[name] for name in ("period", "weight"))
    assert period.shape == weight.shape == (3, 6)
    assert ((period >= 0) & (period < 29)).all()
    torch.testing.assert_close(weight.sum(-1), torch.ones(3))


def test_modes_are_recorded_as_periods_with_their_energy():
    block = FourierBlock(4, 2, 24, n_modes=12, mode_select="lowest")
    with torch.no_grad():
        for part, value in zip(block.weights.parameters(), (1.0, 0.0), strict=False):
            part.fill_(value)
    wave = torch.cos(2 * torch.pi * torch.arange(24) / 8).view(1, 1, 24, 1).expand(3, 2, 24, 2)
    with recording("modes") as entries:
        block(wave)
    period, weight = (entries["modes"][0].tensors[name] for name in ("period", "weight"))
    assert entries["modes"][0].module is block
    assert period[0, :4].tolist() == [torch.inf, 24, 12, 8]
    assert (weight[:, 3] > 0.999).all()


def test_a_part_follows_what_is_done_to_the_output():
    layer = torch.nn.Identity()
    revise("trend", lambda trend: trend + 1)
    with recording("trend") as entries:
        revise("trend", lambda trend: trend + 1)
        record("trend", layer, trend=draw(2))
        revise("trend", lambda trend: trend * 2)
    assert len(entries["trend"]) == 1
    torch.testing.assert_close(entries["trend"][0].tensors["trend"], 2 * draw(2))
