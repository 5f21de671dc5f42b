import numpy as np
import pytest
import torch

from darts_tsformers.attention import AutoCorrelation, FullAttention, ProbSparseAttention, auto_correlation, registry
from darts_tsformers.attention.naive.auto_correlation import correlation
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition
from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.wavelet import MultiwaveletAttention, MultiwaveletBlock
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.recording import KINDS, is_recording, record, recorded_kinds, recording, revise
from tests.helpers import draw, scatter_
from tests.layers import _naive_frequency as naive


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


def test_the_energy_of_modes_is_that_of_the_series():
    block = FourierBlock(4, 2, 23, n_modes=11, mode_select="lowest")
    with torch.no_grad():
        block.weights.real.copy_(torch.eye(2))
        block.weights.imag.zero_()
    series = 3 + torch.cos(2 * torch.pi * 2 * torch.arange(23) / 23).view(1, 1, 23, 1).expand(1, 2, 23, 2)
    with recording("modes") as entries:
        block(series)
    weight = entries["modes"][0].tensors["weight"][0]
    torch.testing.assert_close(weight[[0, 2]], torch.tensor([9 / 9.5, 0.5 / 9.5]))


def wavelets(build, length: int = 23, **arguments):
    sizes = {"n_channels": 2, "order": 3, "n_modes": 3, "n_coarse_levels": 1} | arguments
    return scatter_(build(6, length, **sizes).eval())


@pytest.mark.parametrize("build", [MultiwaveletBlock, MultiwaveletAttention])
def test_the_energy_of_levels_is_that_of_what_they_add(build, monkeypatch):
    block, added = wavelets(build), []
    for name in ("_level", "_coarsest"):
        plain = getattr(block, name)
        monkeypatch.setattr(block, name, lambda *x, plain=plain: added.append(plain(*x)) or added[-1])
    with recording("levels") as entries, torch.no_grad():
        block(*(draw(5, 2, 23, 3, seed=seed) for seed in range(3)))
    assert len(added) == block.n_levels + 1 == len(block.durations()["level"])
    energy = np.zeros((5, len(added)))
    for i, parts in enumerate(added):
        for part in parts if isinstance(parts, tuple) else (parts,):
            for sample in range(5):
                energy[sample, i] += sum(float(value) ** 2 for value in part[sample].flatten())
    expected = torch.tensor(energy / energy.sum(1, keepdims=True))
    torch.testing.assert_close(entries["levels"][0].tensors["weight"].double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 7, 16, 23])
def test_the_periods_of_a_wavelet_block_are_those_of_what_it_puts_out(length):
    block, q = wavelets(MultiwaveletBlock, length), draw(2, 2, length, 3)
    with recording("modes") as entries:
        out = block(q).transpose(1, 2).flatten(2).detach().numpy()
    energy = np.square(np.abs(np.fft.fft(out, axis=1))).sum(-1)
    modes = np.arange(length // 2 + 1)
    folded = np.stack([energy[:, j] + (energy[:, -j] if 0 < 2 * j < length else 0) for j in modes], axis=1)
    period, weight = (entries["modes"][0].tensors[name].numpy() for name in ("period", "weight"))
    np.testing.assert_allclose(weight, folded / energy.sum(1, keepdims=True), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(period[0, 1:], length / modes[1:], rtol=1e-6)


@pytest.mark.parametrize("build", [MultiwaveletBlock, MultiwaveletAttention])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_nothing_at_all_has_no_energy_and_no_error(build, dtype):
    block = wavelets(build).to(dtype)
    with recording("levels", "modes") as entries, torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        block(*(torch.zeros(2, 2, 23, 3, dtype=dtype) for _ in range(3)))
    assert all((entry.tensors["weight"] == 0).all() for kind in entries.values() for entry in kind)


@pytest.mark.parametrize("dim", [-1, -2])
def test_experts_are_means_over_channels(dim):
    mixture, x = scatter_(MixtureDecomposition((2, 5, 7), dim=dim)), draw(2, 3, 11)
    with recording("experts") as entries:
        mixture(x.transpose(1, 2).contiguous() if dim == -2 else x)
    weights = entries["experts"][0].tensors["weights"]
    assert weights.shape == (2, 11, 3)
    for b in range(2):
        for t in range(11):
            each = [(mixture.mix.weight[:, 0] * x[b, c, t] + mixture.mix.bias).softmax(0) for c in range(3)]
            torch.testing.assert_close(weights[b, t], (sum(each) / 3).detach())


@pytest.mark.parametrize("activation", ["tanh", "softmax", "complex_tanh"])
def test_attention_between_modes_is_the_absolute_value_of_its_weights(activation):
    layer = FourierAttention(4, 2, 13, 17, n_modes=3, seed=1, activation=activation)
    q, k, v = (draw(3, 2, n, 2, seed=n) for n in (13, 17, 19))
    with recording("mode_attention") as entries:
        layer(q, k, v[:, :, :17])
    weights = entries["mode_attention"][0].tensors["weights"]
    queries, keys = (
        torch.stack([naive.mode_of(x.transpose(1, 2).double(), int(j)) for j in modes])
        for x, modes in ((q, layer.modes), (k, layer.memory_modes))
    )
    scores = torch.einsum("mbhe,nbhe->bhmn", queries, keys) * layer.scale
    torch.testing.assert_close(weights.double(), naive.activate(scores, activation).abs(), rtol=1e-4, atol=1e-5)
    steps = layer.durations()
    assert steps["query"].steps == pytest.approx([13 / int(j) if j else torch.inf for j in layer.modes])
    assert steps["key"].steps == pytest.approx([17 / int(j) if j else torch.inf for j in layer.memory_modes])


@pytest.mark.parametrize("n_keys", [29, 17, 31])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_correlation_is_recorded_at_all_delays(n_keys, dtype):
    q, k = draw(3, 2, 29, 4).to(dtype), draw(3, 2, n_keys, 4, seed=1).to(dtype)
    found = AutoCorrelation().details(q, k, kinds=["correlation"])
    wide = AutoCorrelation()._fitted(k.double(), 29)
    torch.testing.assert_close(
        found["correlation"]["correlation"].double(), correlation(q.double(), wide), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("kinds", "n"), [((), 1), (("trend",), 1), (("delays",), 2), (("correlation",), 2), (("delays", "correlation"), 3)]
)
def test_correlations_that_nobody_asked_for_are_not_computed(kinds, n, monkeypatch):
    calls, plain = [], auto_correlation.correlate
    monkeypatch.setattr(auto_correlation, "correlate", lambda q, k: calls.append(1) or plain(q, k))
    layer = MultiHeadAttention(6, 2, attention="auto_correlation").eval()
    with recording(*kinds) as entries:
        layer(draw(3, 29, 6))
    assert len(calls) == n
    assert {kind for kind, found in entries.items() if found} == set(kinds) - {"trend"}


@pytest.mark.parametrize(("kinds", "n"), [((), 1), (("attention",), 1), (("queries",), 2)])
def test_measures_that_nobody_asked_for_are_not_computed(kinds, n, monkeypatch):
    calls, plain = [], ProbSparseAttention._measured
    monkeypatch.setattr(ProbSparseAttention, "_measured", lambda *a, **k: calls.append(1) or plain(*a, **k))
    layer = MultiHeadAttention(6, 2, attention=("prob_sparse", {"factor": 1})).eval()
    with recording(*kinds):
        layer(draw(3, 29, 6))
    assert len(calls) == n


def test_nothing_is_formed_outside_of_a_block(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("formed, but not asked for")

    monkeypatch.setattr(MixtureDecomposition, "_mean_weights", refuse)
    monkeypatch.setattr("darts_tsformers.layers.frequency.wavelet._energy", refuse)
    monkeypatch.setattr(AutoCorrelation, "details", refuse)

    def work() -> None:
        wavelets(MultiwaveletBlock)(draw(2, 2, 23, 3))
        MixtureDecomposition((3, 5))(draw(2, 3, 11))
        with monkeypatch.context() as during:
            during.setattr(torch.linalg, "vector_norm", refuse)
            FourierAttention(4, 2, 13, 13)(*(draw(2, 2, 13, 2) for _ in range(3)))

    work()
    MultiHeadAttention(6, 2, attention="auto_correlation")(draw(2, 11, 6))
    with recording(*(set(KINDS) - {"levels", "experts", "mode_attention", "modes"})) as entries:
        work()
    assert not any(entries.values())


def test_the_kinds_that_are_recorded_can_be_asked_for():
    assert recorded_kinds() == frozenset()
    with recording("trend", "modes"):
        assert recorded_kinds() == {"trend", "modes"}
