import pytest
import torch

from darts_tsformers.attention import FullAttention, registry
from darts_tsformers.attention.naive.auto_correlation import correlation
from darts_tsformers.attention.naive.full import full_attention, residual_attention
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_, watch_sizes

CASES = [(2, 3, 11, 5), (1, 1, 13, 3), (3, 5, 1, 1), (2, 2, 7, 7)]
ids = [f"B{b}-h{h}-L{n}-e{e}" for b, h, n, e in CASES]
sizes = pytest.mark.parametrize(("b", "h", "n", "e"), CASES, ids=ids)


class NeverCausal(FullAttention):
    """Attention without a causal form."""

    supports_causal = False


class NeverCross(FullAttention):
    """Attention within one sequence only."""

    supports_cross = False


@pytest.fixture(autouse=True)
def mechanisms(monkeypatch):
    more = {"never causal": NeverCausal, "never cross": NeverCross}
    monkeypatch.setattr(registry, "_MECHANISMS", registry._MECHANISMS | more)


def layer(d_model, n_heads, seed=0, **kwargs):
    return scatter_(MultiHeadAttention(d_model, n_heads, **kwargs), seed).double()


def projected(layer, x, memory):
    """Queries, keys and values, each as a list of heads."""
    weights, biases = layer.project_in.weight.chunk(3), layer.project_in.bias.chunk(3)
    whole = [t @ w.T + b for t, w, b in zip((x, memory, memory), weights, biases, strict=True)]
    return [torch.stack(t.chunk(layer.n_heads, dim=-1), dim=1) for t in whole]


def joined(layer, heads):
    return torch.cat(heads.unbind(1), dim=-1) @ layer.project_out.weight.T + layer.project_out.bias


@sizes
@pytest.mark.parametrize("causal", [False, True])
def test_self_attention_equals_its_definition(b, h, n, e, causal):
    attend = layer(h * e, h, causal=causal)
    x = draw(b, n, h * e, dtype=torch.float64).requires_grad_()
    expected = joined(attend, full_attention(*projected(attend, x, x), causal=causal)[0])
    assert_same_with_gradients(attend(x)[0], expected, [x, *attend.parameters()])


@sizes
@pytest.mark.parametrize("m", [1, 17])
def test_cross_attention_equals_its_definition(b, h, n, e, m):
    attend = layer(h * e, h, cross=True)
    x, memory = (draw(b, k, h * e, seed=k, dtype=torch.float64).requires_grad_() for k in (n, m))
    expected = joined(attend, full_attention(*projected(attend, x, memory))[0])
    assert_same_with_gradients(attend(x, memory)[0], expected, [x, memory, *attend.parameters()])


@sizes
def test_stacked_residual_attention_equals_its_definition(b, h, n, e):
    layers = [layer(h * e, h, seed) for seed in (1, 2, 3)]
    x = draw(b, n, h * e, dtype=torch.float64).requires_grad_()
    ours, theirs, earlier, qs, ks = x, x, None, [], []
    for attend in layers:
        attended, earlier = attend(ours, earlier=earlier)
        ours = ours + attended
        q, k, v = projected(attend, theirs, theirs)
        qs.append(q)
        ks.append(k)
        theirs = theirs + joined(attend, residual_attention(qs, ks, v))
    assert_same_with_gradients(ours, theirs, [x, *(p for attend in layers for p in attend.parameters())])


def test_residual_auto_correlation_adds_the_correlations_of_all_layers():
    layers = [layer(6, 2, seed, attention="auto_correlation") for seed in (1, 2, 3)]
    x, earlier, total = draw(3, 11, 6, dtype=torch.float64), None, 0.0
    for attend in layers:
        q, k, _ = projected(attend, x, x)
        total = total + correlation(q, k)
        with recording("correlation") as record:
            _, earlier = attend(x, earlier=earlier)
        torch.testing.assert_close(record["correlation"][0].tensors["correlation"], total)


def test_earlier_scores_change_the_output():
    lower, upper, x = layer(6, 2, 1), layer(6, 2, 2), draw(2, 7, 6, dtype=torch.float64)
    _, scores = lower(x)
    assert not torch.allclose(upper(x)[0], upper(x, earlier=scores)[0])


def test_cross_attention_to_itself_is_self_attention():
    attend, x = layer(6, 2), draw(2, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(attend(x, x)[0], attend(x)[0])


def test_causal_rows_do_not_move_when_the_future_does():
    attend, x = layer(6, 2, causal=True), draw(2, 17, 6, dtype=torch.float64)
    moved = x.clone()
    moved[:, 11:] += 1e3
    assert torch.equal(attend(x)[0][:, :11], attend(moved)[0][:, :11])


@pytest.mark.parametrize("stacked", [1, 3], ids=["one layer", "residual over three layers"])
def test_nothing_quadratic_is_built(stacked):
    length, d_model = 1031, 6
    layers = [MultiHeadAttention(d_model, 2) for _ in range(stacked)]
    x, earlier = draw(1, length, d_model), None
    with watch_sizes() as sizes:
        for attend in layers:
            x, earlier = attend(x, earlier=earlier)
    assert 0 < max(sizes) <= 3 * d_model * length


@pytest.mark.parametrize("earlier", [False, True], ids=["plain", "residual"])
def test_bfloat16_is_kept_and_accurate(earlier):
    lower, upper, x = layer(6, 2, 1), layer(6, 2, 2), draw(2, 7, 6, dtype=torch.float64)
    expected, _ = upper(x, earlier=lower(x)[1] if earlier else None)
    lower, upper, x = (t.to(torch.bfloat16) for t in (lower, upper, x))
    out, _ = upper(x, earlier=lower(x)[1] if earlier else None)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.double(), expected, rtol=5e-2, atol=5e-2)


def test_dropout_acts_in_training_only_and_on_the_output():
    attend, x = layer(6, 2, dropout=0.5), draw(2, 7, 6, dtype=torch.float64)
    whole = attend.eval()(x)[0]
    torch.manual_seed(0)
    dropped = attend.train()(x)[0]
    kept = dropped != 0
    assert 0 < kept.sum() < kept.numel()
    torch.testing.assert_close(dropped[kept], 2 * whole[kept])


def test_an_untrained_layer_projects_with_zero_bias_and_each_part_at_its_own_scale():
    attend = MultiHeadAttention(12, 3)
    bound = (6 / (12 + 12)) ** 0.5
    assert not attend.project_in.bias.any()
    for part in attend.project_in.weight.chunk(3):
        assert bound / 2 < part.abs().max() <= bound


@pytest.mark.parametrize(("d_model", "n_heads"), [(6, 4), (3, 5)])
def test_heads_that_do_not_divide_the_width_are_refused(d_model, n_heads):
    with pytest.raises(ValueError, match=exactly(f"n_heads={n_heads} must divide d_model={d_model}")):
        MultiHeadAttention(d_model, n_heads)


@pytest.mark.parametrize(("d_model", "n_heads", "name"), [(6, 0, "n_heads=0"), (0, 1, "d_model=0")])
def test_sizes_below_one_are_refused(d_model, n_heads, name):
    with pytest.raises(ValueError, match=exactly(f"{name} must be an integer of at least 1")):
        MultiHeadAttention(d_model, n_heads)


@pytest.mark.parametrize(
    "attention", ["never causal", ("never causal", {}), NeverCausal()], ids=["name", "pair", "instance"]
)
def test_a_mechanism_without_causal_form_is_refused_in_a_causal_layer(attention):
    message = "attention='never causal' has no causal form and cannot serve a causal layer"
    with pytest.raises(ValueError, match=exactly(message)):
        MultiHeadAttention(6, 2, attention=attention, causal=True)
    MultiHeadAttention(6, 2, attention=attention, cross=True)


def test_a_mechanism_within_one_sequence_is_refused_as_cross_attention():
    message = "attention='never cross' needs queries and keys of one length and cannot serve as cross-attention"
    with pytest.raises(ValueError, match=exactly(message)):
        MultiHeadAttention(6, 2, attention="never cross", cross=True)
    MultiHeadAttention(6, 2, attention="never cross", causal=True)


@pytest.mark.parametrize("kernel_size", [1, 2, 5, 23])
@pytest.mark.parametrize("causal", [False, True])
def test_queries_and_keys_come_from_a_causal_convolution(kernel_size, causal):
    attend = layer(6, 3, kernel_size=kernel_size, causal=causal)
    x = draw(2, 11, 6, dtype=torch.float64).requires_grad_()
    own, before = attend.project_in, attend.project_before
    kernel = own.weight[:12, None]
    if before is not None:
        kernel = torch.cat([before.weight.unflatten(1, (kernel_size - 1, 6)), kernel], dim=1)
    padded = torch.nn.functional.pad(x.mT, (kernel_size - 1, 0))
    qk = torch.nn.functional.conv1d(padded, kernel.mT, own.bias[:12]).mT
    v = x @ own.weight[12:].T + own.bias[12:]
    q, k, v = (torch.stack(t.chunk(3, dim=-1), dim=1) for t in (*qk.chunk(2, dim=-1), v))
    expected = joined(attend, full_attention(q, k, v, causal=causal)[0])
    assert_same_with_gradients(attend(x)[0], expected, [x, *attend.parameters()])


@pytest.mark.parametrize("kernel_size", [1, 4])
def test_row_by_row_is_the_whole(kernel_size):
    attend = layer(6, 3, kernel_size=kernel_size, causal=True, row_by_row=True)
    x = draw(2, 11, 6, dtype=torch.float64)
    whole, _ = attend(x)
    with torch.no_grad():
        opened = x.clone()
        opened[:, 4:] = 0
        out, rows = attend.begin(opened, 0)
        torch.testing.assert_close(out[:, :4], whole[:, :4])
        for row in range(4, 11):
            torch.testing.assert_close(attend.advance(x[:, row : row + 1], rows, row), whole[:, row : row + 1])


def test_a_mechanism_that_chooses_among_all_rows_is_refused_row_by_row():
    message = (
        "attention='prob_sparse' is causal in what it attends to but not in its choice of queries, which compares all "
        "rows; it cannot serve a layer that forecasts row by row"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        MultiHeadAttention(6, 2, attention="prob_sparse", causal=True, row_by_row=True)
    MultiHeadAttention(6, 2, attention="prob_sparse", causal=True)
