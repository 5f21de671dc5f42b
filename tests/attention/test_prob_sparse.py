import math
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_tsformers.attention import prob_sparse
from darts_tsformers.attention.naive.prob_sparse import prob_sparse_attention
from darts_tsformers.attention.prob_sparse import ProbSparseAttention
from tests.helpers import assert_same_with_gradients, draw, exactly, watch_sizes

CASES = [(2, 3, 29, 17, 5, 7, 1), (1, 1, 11, 13, 7, 3, 2), (3, 2, 37, 5, 5, 5, 2), (2, 1, 13, 1, 3, 2, 1)]
ids = [f"B{b}-h{h}-L{n}-M{m}-e{e}-f{f}-factor{c}" for b, h, n, m, e, f, c in CASES]
sampling = pytest.mark.parametrize("sampling", ["shared", "per_query"])
causal_or_not = pytest.mark.parametrize("causal", [False, True])
CPU = torch.device("cpu")


def qkv(b, h, n, m, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, m, e), (b, h, m, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def build(factor=1, **arguments):
    return ProbSparseAttention(factor, **arguments).eval()


def twin(attention, q, k, v, *, causal):
    n, m = q.shape[-2], k.shape[-2]
    u = min(max(1, attention.factor * math.ceil(math.log(n))), n)
    assert u < n
    sample = attention._sample(n, m, CPU).expand(n, -1)
    return prob_sparse_attention(q, k, v, sampled=sample, u=u, causal=causal, lazy_context=attention.lazy_context)


@pytest.mark.parametrize("chunk", [prob_sparse.CHUNK, 40], ids=["one chunk", "many chunks"])
@sampling
@pytest.mark.parametrize(("b", "h", "n", "m", "e", "f", "factor"), CASES, ids=ids)
def test_equals_its_definition(b, h, n, m, e, f, factor, sampling, chunk, monkeypatch):
    monkeypatch.setattr(prob_sparse, "CHUNK", chunk)
    q, k, v = qkv(b, h, n, m, e, f)
    attention = build(factor, sampling=sampling)
    out, weights = attention(q, k, v, need_weights=True)
    expected, expected_weights = twin(attention, q, k, v, causal=False)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights, expected_weights)


@pytest.mark.parametrize("chunk", [prob_sparse.CHUNK, 40], ids=["one chunk", "many chunks"])
@pytest.mark.parametrize("context", ["cummean", "cumsum"])
@sampling
@pytest.mark.parametrize(("b", "h", "n", "m", "e", "f", "factor"), CASES, ids=ids)
def test_causal_form_equals_its_definition(b, h, n, m, e, f, factor, sampling, context, chunk, monkeypatch):
    monkeypatch.setattr(prob_sparse, "CHUNK", chunk)
    q, k, v = qkv(b, h, max(n, m), max(n, m), e, f)
    attention = build(factor, sampling=sampling, lazy_context=context)
    out, weights = attention(q, k, v, causal=True, need_weights=True)
    expected, expected_weights = twin(attention, q, k, v, causal=True)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights, expected_weights)


def fill(*shape, a=0.37, b=0.11):
    """Draw the layout (B, L, h, e) of the golden values, and return ours."""
    return (a * torch.arange(math.prod(shape), dtype=torch.float64) + b).sin().reshape(shape).transpose(1, 2)


def golden_qkv(*shape):
    return fill(*shape), fill(*shape, a=0.53, b=0.2), fill(*shape, a=0.29, b=-0.4)


@pytest.mark.parametrize(
    ("causal", "rows"),
    [
        (
            False,
            {
                0: [0.054958, 0.116855, 0.168994, 0.194982, 0.232896, 0.251362],
                5: [0.241051, 0.232826, 0.205158, 0.185114, 0.169479, 0.13969],
            },
        ),
        (
            True,
            {
                0: [-0.389418, -0.109778, 0.17903, 0.452886, 0.688921, 0.867423],
                3: [-0.133242, -0.136834, -0.128999, -0.089936, -0.048936, -0.00385],
            },
        ),
    ],
)
def test_equals_the_authors_code_with_all_queries_selected(causal, rows):
    out, _ = build(50)(*golden_qkv(1, 6, 2, 3), causal=causal)
    for t, values in rows.items():
        torch.testing.assert_close(out[0, :, t].flatten(), torch.tensor(values).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("causal", "rows"),
    [
        (False, {0: [0.078656, 0.075124, 0.065318], 1: [0.080624, 0.100974, 0.112892]}),
        (True, {19: [1.57312, 1.502476, 1.306356], 1: [0.053659, 0.310361, 0.541145]}),
    ],
)
def test_equals_the_authors_code_when_sparse(causal, rows, monkeypatch):
    sample = (7 * torch.arange(20)[:, None] + 5 * torch.arange(3)) % 20
    ours = prob_sparse.measure
    # the authors divide by the number of keys, and measure a causal query by all of its sample
    monkeypatch.setattr(prob_sparse, "measure", lambda q, k, _, causal: ours(q, k, sample, causal=False, divisor=20))
    attention = build(sampling="per_query", lazy_context="cumsum")
    q, k, v = golden_qkv(1, 20, 1, 3)
    assert set(attention.select(q, k, causal=causal).flatten().tolist()) == {1, 4, 18}
    out, _ = attention(q, k, v, causal=causal)
    for t, values in rows.items():
        torch.testing.assert_close(out[0, 0, t], torch.tensor(values).double(), rtol=0, atol=1e-6)


def test_the_mean_is_taken_over_the_sample():
    q, k, _ = golden_qkv(1, 20, 1, 3)
    sample = (7 * torch.arange(20)[:, None] + 5 * torch.arange(3)) % 20
    scores = (q @ k.mT)[0, 0].gather(-1, sample)
    expected = scores.amax(-1) - scores.mean(-1)
    torch.testing.assert_close(prob_sparse.measure(q, k, sample, causal=False)[0, 0], expected)


@pytest.mark.parametrize(
    ("length", "u"),
    [(1, 1), (2, 2), (15, 15), (24, 20), (25, 20), (48, 20), (96, 25), (168, 30), (336, 30), (720, 35)],
)
def test_how_many_queries_and_keys_are_kept(length, u):
    q, k, _ = qkv(1, 1, length, length, 2, 2)
    assert build(5).select(q, k).shape == (1, 1, u)
    assert build(5)._sample(3, length, CPU).shape == (u,)
    assert build(5, sampling="per_query")._sample(3, length, CPU).shape == (3, u)


@causal_or_not
@sampling
@pytest.mark.parametrize("n", [1, 2, 13])
def test_with_all_queries_selected_it_is_exact_attention(n, sampling, causal):
    q, k, v = qkv(2, 3, n, n, 5, 7)
    attention = build(7, sampling=sampling)
    out, weights = attention(q, k, v, causal=causal, need_weights=True)
    assert_same_with_gradients(out, F.scaled_dot_product_attention(q, k, v, is_causal=causal), (q, k, v))
    torch.testing.assert_close(weights @ v, out)
    torch.testing.assert_close(attention.weights(q, k, causal=causal), weights)


@causal_or_not
@sampling
def test_gradients_equal_finite_differences(sampling, causal):
    q, k, v = qkv(1, 2, 7, 7, 2, 3)
    attention = build(sampling=sampling)
    assert torch.autograd.gradcheck(lambda *qkv: attention(*qkv, causal=causal)[0], (q, k, v))


@causal_or_not
@sampling
def test_bfloat16_is_kept_and_accurate(sampling, causal):
    q, k, v = qkv(2, 3, 29, 29, 5, 7, dtype=torch.bfloat16)
    attention = build(sampling=sampling)
    out, weights = attention(q, k, v, causal=causal, need_weights=True)
    expected, expected_weights = twin(attention, q.float(), k.float(), v.float(), causal=causal)
    assert out.dtype == weights.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(weights.float(), expected_weights, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("context", ["cummean", "cumsum"])
@causal_or_not
@sampling
def test_the_weights_made_the_output_in_training_too(sampling, causal, context):
    q, k, v = qkv(2, 3, 29, 29, 5, 7)
    attention = ProbSparseAttention(1, sampling=sampling, lazy_context=context)
    out, weights = attention(q, k, v, causal=causal, need_weights=True)
    torch.testing.assert_close(weights @ v, out)


def test_weights_alone_are_those_of_the_forward_pass():
    q, k, v = qkv(2, 3, 29, 17, 5, 7)
    assert torch.equal(build().weights(q, k), build()(q, k, v, need_weights=True)[1])


def test_no_weights_come_back_unasked():
    assert build()(*qkv(1, 2, 13, 5, 7, 2))[1] is None


def test_it_is_made_without_arguments_and_says_how():
    assert ProbSparseAttention().config() == {"factor": 5, "sampling": "shared", "lazy_context": "cummean"}
    assert not ProbSparseAttention.strictly_causal


@pytest.mark.parametrize("context", ["cummean", "cumsum"])
@sampling
def test_causal_rows_do_not_take_from_later_values(sampling, context):
    q, k, v = (t.detach() for t in qkv(2, 3, 29, 29, 5, 7))
    attention = build(sampling=sampling, lazy_context=context)
    before, _ = attention(q, k, v, causal=True)
    v[..., 17:, :] += 1e3
    after, _ = attention(q, k, v, causal=True)
    assert torch.equal(before[..., :17, :], after[..., :17, :])
    assert not torch.equal(before[..., 17:, :], after[..., 17:, :])


@sampling
def test_a_causal_measure_does_not_see_later_keys(sampling):
    q, k, _ = (t.detach() for t in qkv(2, 3, 29, 29, 5, 7))
    sample = build(sampling=sampling)._sample(29, 29, CPU)
    before = prob_sparse.measure(q, k, sample, causal=True)
    k[..., 17:, :] += 1e3
    assert torch.equal(prob_sparse.measure(q, k, sample, causal=True)[..., :17], before[..., :17])


def test_later_queries_can_turn_an_earlier_row_lazy_but_only_that():
    q, k, v = (t.detach() for t in qkv(1, 1, 29, 29, 5, 5))
    attention = build(2)
    before, _ = attention(q, k, v, causal=True)
    was_selected = set(attention.select(q, k, causal=True).flatten().tolist())
    q[..., 17:, :] *= 1e3
    after, _ = attention(q, k, v, causal=True)
    selected = set(attention.select(q, k, causal=True).flatten().tolist())
    turned = [i for i in was_selected - selected if i < 17]
    assert turned
    lazy = v.cumsum(-2) / torch.arange(1, 30)[:, None]
    torch.testing.assert_close(after[..., turned, :], lazy[..., turned, :])
    kept = [i for i in range(17) if i not in turned]
    assert torch.equal(before[..., kept, :], after[..., kept, :])


def test_a_query_without_sampled_keys_in_its_past_comes_last():
    q, k, v = (t.detach() for t in qkv(2, 3, 29, 29, 5, 7))
    measured = prob_sparse.measure(q, k, torch.tensor([11, 19]), causal=True)
    assert (measured[..., :11] == -math.inf).all()
    assert measured[..., 11:].isfinite().all()
    attention = build(6)
    attention._sample = lambda *_: torch.tensor([23])
    assert attention(q, k, v, causal=True)[0].isfinite().all()


@causal_or_not
@sampling
def test_a_sample_does_not_depend_on_its_batch_mates(sampling, causal):
    q, k, v = qkv(3, 2, 29, 29, 5, 7)
    attention = build(sampling=sampling)
    whole, _ = attention(q, k, v, causal=causal)
    alone, _ = attention(q[1:2], k[1:2], v[1:2], causal=causal)
    torch.testing.assert_close(whole[1:2], alone)


@settings(max_examples=20, deadline=None)
@given(
    order=st.permutations(range(4)),
    n=st.integers(1, 40),
    factor=st.integers(1, 3),
    sampling=st.sampled_from(["shared", "per_query"]),
    causal=st.booleans(),
)
def test_reordering_the_batch_reorders_the_output(order, n, factor, sampling, causal):
    q, k, v = qkv(4, 1, n, n, 3, 3)
    attention = build(factor, sampling=sampling)
    whole, _ = attention(q, k, v, causal=causal)
    reordered, _ = attention(q[order], k[order], v[order], causal=causal)
    torch.testing.assert_close(reordered, whole[order])


@settings(max_examples=20, deadline=None)
@given(
    n=st.integers(1, 60),
    m=st.integers(1, 60),
    factor=st.integers(1, 3),
    sampling=st.sampled_from(["shared", "per_query"]),
)
def test_outputs_are_means_of_the_values(n, m, factor, sampling):
    q, k, v = qkv(1, 2, n, m, 3, 2)
    out, weights = build(factor, sampling=sampling)(q, k, v, need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert (out <= v.amax(-2, keepdim=True) + 1e-9).all()
    assert (out >= v.amin(-2, keepdim=True) - 1e-9).all()


@sampling
def test_evaluation_repeats_itself_and_leaves_the_random_state_alone(sampling):
    q, k, v = qkv(1, 2, 29, 29, 5, 7)
    attention = build(sampling=sampling)
    state, python_state = torch.get_rng_state(), random.getstate()
    first, _ = attention(q, k, v)
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python_state
    torch.rand(3)
    assert torch.equal(attention(q, k, v)[0], first)
    assert torch.equal(build(sampling=sampling)(q, k, v)[0], first)


@sampling
def test_training_draws_anew_and_can_be_seeded(sampling):
    attention = ProbSparseAttention(sampling=sampling).train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (attention._sample(101, 103, CPU) for _ in range(2))
        torch.manual_seed(0)
        again = attention._sample(101, 103, CPU)
    assert not torch.equal(first, second)
    assert torch.equal(first, again)


def test_a_shared_sample_holds_each_key_once():
    sample = build(5)._sample(7, 103, CPU)
    assert len(set(sample.tolist())) == len(sample) == 25


@causal_or_not
@sampling
@pytest.mark.parametrize("width", [3, 8], ids=["narrow values", "equal widths"])
def test_nothing_quadratic_is_built(width, sampling, causal):
    length = 4099
    q, k, v = draw(1, 1, length, 8), draw(1, 1, length, 8), draw(1, 1, length, width)
    with watch_sizes() as sizes:
        build(5, sampling=sampling)(q, k, v, causal=causal)
    kept = 5 * math.ceil(math.log(length))
    bound = length * kept if sampling == "shared" else max(length * kept, prob_sparse.CHUNK)
    assert 0 < max(sizes) <= bound < length**2 // 15


@pytest.mark.parametrize(("n", "m"), [(29, 31), (31, 29), (5, 7)])
def test_causal_attention_between_different_lengths_is_refused(n, m):
    with pytest.raises(ValueError, match=exactly(f"causal=True needs as many queries as keys, got {n} and {m}")):
        build(2)(*qkv(1, 1, n, m, 3, 3), causal=True)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("factor", [0, -3, 2.5, True, "5"])
def test_a_factor_that_is_no_count_is_refused(factor):
    with pytest.raises(ValueError, match=exactly(f"factor={factor!r} must be an integer of at least 1")):
        ProbSparseAttention(factor)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("sampling", ["none", "", None, 3])
def test_an_unknown_sampling_is_refused(sampling):
    with pytest.raises(ValueError, match=exactly(f"sampling={sampling!r} must be one of ['per_query', 'shared']")):
        ProbSparseAttention(sampling=sampling)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("context", ["mean", "", None, 3])
def test_an_unknown_lazy_context_is_refused(context):
    with pytest.raises(ValueError, match=exactly(f"lazy_context={context!r} must be one of ['cummean', 'cumsum']")):
        ProbSparseAttention(lazy_context=context)


@causal_or_not
def test_an_exported_program_takes_other_batch_sizes_and_draws_nothing(causal):
    class Exported(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = build()

        def forward(self, q, k, v):
            return self.attention(q, k, v, causal=causal)[0]

    q, k, v = (t.detach() for t in qkv(5, 3, 29, 29, 5, 7))
    batch = {0: torch.export.Dim("batch")}
    with torch.no_grad():
        program = torch.export.export(Exported(), (q[:2], k[:2], v[:2]), dynamic_shapes=(batch,) * 3, strict=False)
    assert not any("rand" in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(q, k, v), build()(q, k, v, causal=causal)[0])


@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1)), (97, (7, 5)), (8191, (301, 55))])
def test_plain_numbers_for_export_are_those_of_the_generator(n: int, shape: tuple[int, int]):
    generator = torch.Generator().manual_seed(prob_sparse.EVALUATION_SEED)
    assert prob_sparse._evaluation_draws(n, shape) == torch.randint(n, shape, generator=generator).tolist()


@pytest.mark.usefixtures("unchecked")
def test_an_integer_of_numpy_is_a_factor():
    assert ProbSparseAttention(np.int64(3)).factor == 3
