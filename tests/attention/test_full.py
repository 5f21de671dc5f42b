import pytest
import torch

from darts_tsformers.attention import FullAttention, full
from darts_tsformers.attention.naive.full import full_attention
from tests.helpers import assert_same_with_gradients, draw, exactly, watch_sizes

CASES = [(2, 3, 29, 17, 5, 7), (1, 1, 11, 13, 7, 3), (3, 2, 7, 1, 5, 5), (2, 1, 1, 11, 3, 2), (1, 5, 13, 13, 1, 1)]
ids = [f"B{b}-h{h}-L{n}-M{m}-e{e}-f{f}" for b, h, n, m, e, f in CASES]


def qkv(b, h, n, m, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, m, e), (b, h, m, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


@pytest.mark.parametrize(("b", "h", "n", "m", "e", "f"), CASES, ids=ids)
def test_equals_its_definition(b, h, n, m, e, f):
    q, k, v = qkv(b, h, n, m, e, f)
    out, weights = FullAttention()(q, k, v, need_weights=True)
    expected, expected_weights = full_attention(q, k, v)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights, expected_weights)


@pytest.mark.parametrize(("b", "h", "n", "m", "e", "f"), CASES, ids=ids)
def test_causal_form_equals_its_definition(b, h, n, m, e, f):
    q, k, v = qkv(b, h, max(n, m), max(n, m), e, f)
    out, weights = FullAttention()(q, k, v, causal=True, need_weights=True)
    expected, expected_weights = full_attention(q, k, v, causal=True)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights, expected_weights)


@pytest.mark.parametrize("chunk", [900, 2000, 10**6], ids=["sample by sample", "two samples", "at once"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_map_for_narrow_values_equals_its_definition(chunk, dtype, monkeypatch):
    monkeypatch.setattr(full, "CHUNK", chunk)
    q, k, v = qkv(5, 3, 13, 23, 13, 7, dtype)
    assert full._map_is_small(q, k, v)
    out, _ = FullAttention()(q, k, v)
    assert_same_with_gradients(out, full_attention(q, k, v)[0], (q, k, v))


@pytest.mark.parametrize(
    ("m", "e", "f", "dtype"),
    [
        (full.FEW_KEYS, 13, 7, torch.float32),
        (27, 13, 7, torch.float32),
        (23, 7, 7, torch.float32),
        (23, 13, 7, torch.bfloat16),
    ],
    ids=["few keys", "many keys", "wide values", "half precision"],
)
def test_no_map_is_built_where_the_kernel_is_better(m, e, f, dtype):
    assert not full._map_is_small(*qkv(5, 3, 13, m, e, f, dtype))


@pytest.mark.parametrize("n", [0, 10**4], ids=["no queries", "many queries"])
def test_no_map_is_built_for_a_sample_that_has_none_or_a_large_one(n):
    q, k, v = (t.detach() for t in qkv(2, 3, n, 23, 13, 7, torch.float32))
    assert not full._map_is_small(q, k, v)
    assert FullAttention()(q, k, v)[0].shape == (2, 3, n, 7)


def test_no_map_is_built_where_autocast_has_half_precision():
    q, k, v = qkv(5, 3, 13, 23, 13, 7, torch.float32)
    assert full._map_is_small(q, k, v)
    with torch.autocast("cpu", torch.bfloat16):
        assert not full._map_is_small(q, k, v)


def test_an_export_serves_batches_of_another_size():
    q, k, v = (t.detach() for t in qkv(61, 3, 71, 23, 13, 7, torch.float32))
    batch = {0: torch.export.Dim("batch")}
    exported = torch.export.export(FullAttention(), (q[:2], k[:2], v[:2]), dynamic_shapes=dict.fromkeys("qkv", batch))
    torch.testing.assert_close(exported.module()(q, k, v)[0], FullAttention()(q, k, v)[0])


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_equal_finite_differences(causal):
    q, k, v = qkv(1, 2, 3, 3, 2, 3)
    assert torch.autograd.gradcheck(lambda *qkv: FullAttention()(*qkv, causal=causal)[0], (q, k, v))


@pytest.mark.parametrize("causal", [False, True])
def test_bfloat16_is_kept_and_accurate(causal):
    q, k, v = qkv(2, 3, 17, 17, 5, 7, dtype=torch.bfloat16)
    out, weights = FullAttention()(q, k, v, causal=causal, need_weights=True)
    expected, expected_weights = full_attention(q.float(), k.float(), v.float(), causal=causal)
    assert out.dtype == weights.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(weights.float(), expected_weights, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("causal", [False, True])
def test_the_weights_made_the_output(causal):
    q, k, v = qkv(2, 3, 13, 13, 5, 7)
    out, weights = FullAttention()(q, k, v, causal=causal, need_weights=True)
    torch.testing.assert_close(weights @ v, out)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_no_weights_come_back_unasked():
    assert FullAttention()(*qkv(1, 2, 3, 5, 7, 2))[1] is None


def test_causal_rows_do_not_move_when_the_future_does():
    q, k, v = (t.detach() for t in qkv(2, 3, 29, 29, 5, 7))
    before, _ = FullAttention()(q, k, v, causal=True)
    for t in (q, k, v):
        t[..., 17:, :] += 1e3
    after, _ = FullAttention()(q, k, v, causal=True)
    assert torch.equal(before[..., :17, :], after[..., :17, :])
    assert not torch.equal(before[..., 17:, :], after[..., 17:, :])


def test_a_sample_does_not_depend_on_its_batch_mates():
    q, k, v = qkv(3, 2, 17, 11, 5, 7)
    whole, _ = FullAttention()(q, k, v)
    alone, _ = FullAttention()(q[1:2], k[1:2], v[1:2])
    torch.testing.assert_close(whole[1:2], alone)


def test_scores_that_overflow_a_naive_exponential_stay_finite():
    q, k, v = (1e3 * t.detach() for t in qkv(1, 2, 7, 11, 3, 5, dtype=torch.float32))
    assert FullAttention()(q, k, v)[0].isfinite().all()


@pytest.mark.parametrize("width", [3, 8], ids=["narrow values", "equal widths"])
@pytest.mark.parametrize("causal", [False, True])
def test_nothing_quadratic_is_built(causal, width):
    length = 1031
    q, k, v = draw(1, 1, length, 8), draw(1, 1, length, 8), draw(1, 1, length, width)
    with watch_sizes() as sizes:
        FullAttention()(q, k, v, causal=causal)
    assert 0 < max(sizes) <= length * 8


@pytest.mark.parametrize(("n", "m"), [(5, 7), (7, 5)])
def test_causal_attention_between_different_lengths_is_refused(n, m):
    with pytest.raises(ValueError, match=exactly(f"causal=True needs as many queries as keys, got {n} and {m}")):
        FullAttention()(*qkv(1, 1, n, m, 3, 3), causal=True)
