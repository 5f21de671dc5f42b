import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_tsformers.attention import log_sparse
from darts_tsformers.attention.log_sparse import PATTERNS, LogSparseAttention
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.attention.naive.log_sparse import log_sparse_attention, log_sparse_pattern
from tests.helpers import assert_same_with_gradients, draw, exactly, watch_sizes

CASES = [
    (2, 3, 29, 5, 7, 5),
    (1, 1, 61, 7, 3, 16),
    (3, 2, 13, 5, 5, 2),
    (2, 1, 31, 3, 2, 31),
    (1, 5, 37, 1, 1, 64),
    (1, 2, 47, 2, 5, 3),
    (2, 2, 53, 3, 3, None),
    (1, 1, 3, 2, 3, None),
    (1, 1, 2, 3, 2, 2),
    (1, 1, 1, 2, 3, None),
]
ids = [f"B{b}-h{h}-L{n}-e{e}-f{f}-s{s}" for b, h, n, e, f, s in CASES]
any_pattern = pytest.mark.parametrize("pattern", PATTERNS)
either_way = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


def qkv(b, h, n, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, n, e), (b, h, n, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def visible_to(length, pattern, sub_length, causal):
    half = max(2, -(-length // 2))
    return log_sparse_pattern(length, pattern=pattern, sub_length=sub_length or half, causal=causal)


def seen(pattern, sub_length, length, row):
    q, k, _ = qkv(1, 1, length, 2, 2)
    return LogSparseAttention(pattern, sub_length).weights(q, k, causal=True)[0, 0, row].nonzero().flatten().tolist()


GOLDEN = [
    ("local+restart", 64, 64, 63, [26, 42, 50, 54, *range(56, 64)]),
    (
        "local+restart",
        96,
        192,
        191,
        [25, 57, 73, 81, 85, *range(87, 96), 121, 153, 169, 177, 181, *range(183, 192)],
    ),
    ("local+restart", 16, 48, 30, [3, 7, *range(9, 15), 19, 23, *range(25, 31)]),
    ("local+restart", 16, 48, 47, [4, 8, *range(10, 16), 20, 24, *range(26, 32), 36, 40, *range(42, 48)]),
    *(("local+restart", 16, 48, row, list(range(row + 1))) for row in (0, 1, 17, 23)),
    ("plain", None, 16, 15, [7, 11, 13, 14, 15]),
    ("plain", None, 101, 100, [36, 68, 84, 92, 96, 98, 99, 100]),
]


@pytest.mark.parametrize(("pattern", "sub_length", "length", "row", "keys"), GOLDEN)
def test_a_row_sees_the_keys_of_the_reference(pattern, sub_length, length, row, keys):
    assert seen(pattern, sub_length, length, row) == keys


def test_the_first_row_that_is_not_dense_follows_the_last_that_is():
    assert len(seen("local+restart", 16, 48, 23)) == 24
    assert len(seen("local+restart", 16, 48, 24)) < 25


@any_pattern
@either_way
@pytest.mark.parametrize(("b", "h", "n", "e", "f", "s"), CASES, ids=ids)
def test_equals_its_definition(b, h, n, e, f, s, pattern, causal):
    q, k, v = qkv(b, h, n, e, f)
    out, weights = LogSparseAttention(pattern, s)(q, k, v, causal=causal, need_weights=True)
    expected, expected_weights = log_sparse_attention(q, k, v, visible=visible_to(n, pattern, s, causal))
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights, expected_weights)


@either_way
@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(1, 41),
    pattern=st.sampled_from(PATTERNS),
    sub_length=st.none() | st.integers(2, 50),
    seed=st.integers(0, 99),
)
def test_equals_its_definition_at_any_size(length, pattern, sub_length, seed, causal):
    q, k, v = (draw(1, 2, length, width, seed=seed + i, dtype=torch.float64) for i, width in enumerate((3, 3, 2)))
    out, weights = LogSparseAttention(pattern, sub_length)(q, k, v, causal=causal, need_weights=True)
    visible = visible_to(length, pattern, sub_length, causal)
    torch.testing.assert_close(out, log_sparse_attention(q, k, v, visible=visible)[0])
    torch.testing.assert_close(weights @ v, out)
    assert visible.diagonal().all()
    assert torch.equal(weights[0, 0] > 0, visible)


@any_pattern
@either_way
def test_gradients_equal_finite_differences(pattern, causal):
    q, k, v = qkv(1, 2, 7, 2, 3)
    mechanism = LogSparseAttention(pattern, 4)
    assert torch.autograd.gradcheck(lambda *qkv: mechanism(*qkv, causal=causal)[0], (q, k, v))


@any_pattern
@either_way
def test_bfloat16_is_kept_and_accurate(pattern, causal):
    q, k, v = qkv(2, 3, 29, 5, 7, dtype=torch.bfloat16)
    out, weights = LogSparseAttention(pattern, 7)(q, k, v, causal=causal, need_weights=True)
    wide = (t.detach().float() for t in (q, k, v))
    expected, expected_weights = log_sparse_attention(*wide, visible=visible_to(29, pattern, 7, causal))
    assert out.dtype == weights.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(weights.float(), expected_weights, rtol=2e-2, atol=2e-2)
    out.sum().backward()
    assert all(t.grad.dtype == torch.bfloat16 and t.grad.isfinite().all() for t in (q, k, v))


@either_way
def test_bfloat16_is_rounded_at_the_end_only(causal):
    q, k, v = qkv(2, 3, 61, 5, 7, dtype=torch.bfloat16)
    out, _ = LogSparseAttention()(q, k, v, causal=causal)
    wide, _ = LogSparseAttention()(q.float(), k.float(), v.float(), causal=causal)
    assert torch.equal(out, wide.bfloat16())


@any_pattern
@either_way
def test_the_weights_made_the_output(pattern, causal):
    q, k, v = qkv(2, 3, 37, 5, 7)
    out, weights = LogSparseAttention(pattern, 9)(q, k, v, causal=causal, need_weights=True)
    torch.testing.assert_close(weights @ v, out)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def test_no_weights_come_back_unasked():
    assert LogSparseAttention()(*qkv(1, 2, 5, 7, 2))[1] is None


@any_pattern
@pytest.mark.parametrize("sub_length", [None, 2, 5, 16, 96])
def test_causal_rows_do_not_move_when_the_future_does(pattern, sub_length):
    q, k, v = (t.detach() for t in qkv(2, 3, 61, 5, 7))
    mechanism = LogSparseAttention(pattern, sub_length)
    before, _ = mechanism(q, k, v, causal=True)
    for t in (q, k, v):
        t[..., 17:, :] += 1e3
    after, _ = mechanism(q, k, v, causal=True)
    assert torch.equal(before[..., :17, :], after[..., :17, :])
    assert not torch.equal(before[..., 17:, :], after[..., 17:, :])


@any_pattern
@pytest.mark.parametrize("length", [1, 2, 31, 64, 97, 192])
def test_a_logarithmic_stack_reaches_all_of_the_past(length, pattern):
    step = visible_to(length, pattern, None, True).double()
    reached = torch.eye(length, dtype=torch.float64)
    for _ in range(length.bit_length()):
        reached = (step @ reached).clamp(max=1)
    assert torch.equal(reached, torch.ones_like(reached).tril())


@any_pattern
@pytest.mark.parametrize("length", [97, 1031, 8191])
def test_a_row_sees_a_logarithmic_number_of_keys_by_default(pattern, length):
    distances, dense = LogSparseAttention(pattern)._past(length)
    assert len(distances) <= 4 * length.bit_length()
    assert dense <= 4 * length.bit_length()


@either_way
@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_short_sequence_is_attended_exactly(length, causal):
    q, k, v = qkv(2, 3, length, 5, 7)
    visible = log_sparse_pattern(length, pattern="plain", sub_length=2, causal=causal)
    assert torch.equal(visible, visible_to(length, "plain", None, causal))
    out, weights = LogSparseAttention()(q, k, v, causal=causal, need_weights=True)
    expected, expected_weights = full_attention(q, k, v, causal=causal)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights, expected_weights)


@any_pattern
def test_a_short_sub_length_with_restarts_is_exact_attention(pattern):
    q, k, v = qkv(2, 3, 61, 5, 5)
    out, _ = LogSparseAttention(pattern, 2)(q, k, v, causal=True)
    exact = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(out, exact) == ("restart" in pattern)


@any_pattern
@either_way
def test_a_sample_does_not_depend_on_its_batch_mates(pattern, causal):
    q, k, v = qkv(3, 2, 31, 5, 7)
    whole, _ = LogSparseAttention(pattern)(q, k, v, causal=causal)
    alone, _ = LogSparseAttention(pattern)(q[1:2], k[1:2], v[1:2], causal=causal)
    torch.testing.assert_close(whole[1:2], alone)


@any_pattern
@either_way
def test_a_long_sequence_is_worked_on_head_by_head(pattern, causal):
    length = 1031
    q, k, v = (t.detach() for t in qkv(1, 3, length, 127, 3))
    out, _ = LogSparseAttention(pattern)(q, k, v, causal=causal)
    visible = visible_to(length, pattern, None, causal)
    torch.testing.assert_close(out, F.scaled_dot_product_attention(q, k, v, attn_mask=visible))


@any_pattern
@either_way
def test_an_exported_graph_takes_any_batch(pattern, causal):
    class Attends(torch.nn.Module):
        mechanism = LogSparseAttention(pattern, 8)

        def forward(self, q, k, v):
            return self.mechanism(q, k, v, causal=causal)[0]

    small, large = ([t.detach() for t in qkv(b, 2, 31, 5, 7)] for b in (2, 3))
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(Attends(), tuple(small), dynamic_shapes=(batch, batch, batch)).module()
    torch.testing.assert_close(exported(*large), Attends()(*large))


@any_pattern
@either_way
def test_scores_that_overflow_a_naive_exponential_stay_finite(pattern, causal):
    q, k, v = (1e3 * t.detach() for t in qkv(1, 2, 31, 3, 5, dtype=torch.float32))
    assert LogSparseAttention(pattern)(q, k, v, causal=causal)[0].isfinite().all()


@any_pattern
@either_way
def test_nothing_quadratic_is_built(pattern, causal):
    length, width = 4099, 8
    q, k, v = (
        t.requires_grad_() for t in (draw(1, 1, length, width), draw(1, 1, length, width), draw(1, 1, length, 3))
    )
    with watch_sizes() as sizes:
        out, _ = LogSparseAttention(pattern)(q, k, v, causal=causal)
        out.sum().backward()
    assert length * width <= max(sizes) <= length * 8 * length.bit_length()


def test_it_rebuilds_from_its_arguments():
    mechanism = LogSparseAttention("local+restart", 24)
    assert mechanism.config() == {"pattern": "local+restart", "sub_length": 24}
    assert LogSparseAttention().config() == {"pattern": "plain", "sub_length": None}


@pytest.mark.usefixtures("unchecked")
def test_a_sub_length_of_numpy_is_as_good_as_one_of_python():
    assert LogSparseAttention("local", np.int64(5)).config() == {"pattern": "local", "sub_length": 5}
    assert type(LogSparseAttention("local", np.int64(5)).sub_length) is int


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("sub_length", [1, 0, -3, 2.5, "5", True])
def test_a_sub_length_that_is_no_number_of_steps_is_refused(sub_length):
    with pytest.raises(
        ValueError, match=exactly(f"sub_length={sub_length!r} must be None or an integer of at least 2")
    ):
        LogSparseAttention("local", sub_length)


def test_an_unknown_pattern_is_refused():
    message = "pattern='dense' must be one of ['plain', 'local', 'restart', 'local+restart']"
    with pytest.raises(ValueError, match=exactly(message)):
        LogSparseAttention("dense")


@pytest.mark.parametrize(("n", "m"), [(5, 7), (7, 5)])
@either_way
def test_queries_and_keys_of_different_lengths_are_refused(n, m, causal):
    q, k, v = draw(1, 1, n, 3), draw(1, 1, m, 3), draw(1, 1, m, 3)
    message = exactly(f"log-sparse attention needs as many queries as keys, got {n} and {m}")
    with pytest.raises(ValueError, match=message):
        LogSparseAttention()(q, k, v, causal=causal)
    with pytest.raises(ValueError, match=message):
        LogSparseAttention().weights(q, k, causal=causal)
    assert not LogSparseAttention.supports_cross


@pytest.mark.parametrize("start", [0, 3])
@pytest.mark.parametrize("distances", [[0, 1, 2, 4, 8], [0, 2, -1, -5]])
def test_the_form_for_export_equals_the_fast_one(start: int, distances: list[int]):
    q, k, v = torch.randn(3, 2, 3, 13, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    some = q[..., start:11, :]
    torch.testing.assert_close(
        log_sparse._gather_distances(some, k, v[..., :3], distances, start),
        log_sparse._attend_distances(some, k, v[..., :3], distances, start),
    )
