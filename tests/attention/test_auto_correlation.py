import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_tsformers.attention import AutoCorrelation, _delays, build_attention
from darts_tsformers.attention.naive.auto_correlation import auto_correlation, correlation, fit
from darts_tsformers.execution import cache
from tests.helpers import assert_same_with_gradients, draw, exactly, watch_sizes

CASES = [
    (2, 3, 29, 29, 5, 7, 1.0),
    (1, 1, 12, 12, 4, 4, 1.0),
    (3, 2, 23, 17, 3, 5, 3.0),
    (3, 2, 17, 23, 3, 2, 1.5),
    (2, 1, 1, 1, 3, 2, 1.0),
    (2, 2, 1, 5, 1, 1, 1.0),
    (2, 1, 2, 2, 1, 3, 1.0),
    (1, 2, 2, 1, 3, 1, 2.0),
    (5, 1, 7, 7, 2, 3, 100.0),
]
ids = [f"B{b}-h{h}-L{n}-M{m}-e{e}-f{f}-factor{c}" for b, h, n, m, e, f, c in CASES]
truncation = pytest.mark.parametrize("truncate", ["last", "first"])
in_chunks = pytest.mark.parametrize("chunk", [cache.CHUNK, 200, 1], ids=["one chunk", "some chunks", "many chunks"])


def qkv(b, h, n, m, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, m, e), (b, h, m, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def how_many(factor, length):
    return min(max(1, math.floor(factor * math.log(length))), length)


@in_chunks
@truncation
@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("b", "h", "n", "m", "e", "f", "factor"), CASES, ids=ids)
def test_equals_its_definition(b, h, n, m, e, f, factor, normalize, truncate, chunk, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", chunk)
    q, k, v = qkv(b, h, n, m, e, f)
    attention = AutoCorrelation(factor, truncate=truncate, normalize=normalize)
    out, weights = attention(q, k, v, need_weights=True)
    expected, _ = auto_correlation(q, k, v, n=how_many(factor, n), truncate=truncate, normalize=normalize)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights @ v, expected)


@pytest.mark.parametrize(("b", "h", "n", "m", "e", "f", "factor"), CASES, ids=ids)
def test_shared_delays_equal_their_definition(b, h, n, m, e, f, factor):
    q, k, v = qkv(b, h, n, m, e, f)
    out, weights = AutoCorrelation(factor, shared_delays=True).train()(q, k, v, need_weights=True)
    expected, _ = auto_correlation(q, k, v, n=how_many(factor, n), shared_delays=True)
    assert_same_with_gradients(out, expected, (q, k, v))
    torch.testing.assert_close(weights @ v, expected)


def test_only_training_shares_delays_and_only_if_asked():
    q, k, v = qkv(5, 2, 23, 23, 3, 3)
    own, _ = AutoCorrelation().eval()(q, k, v)
    shared, _ = AutoCorrelation(shared_delays=True).train()(q, k, v)
    assert not torch.allclose(own, shared)
    assert torch.equal(AutoCorrelation().train()(q, k, v)[0], own)
    assert torch.equal(AutoCorrelation(shared_delays=True).eval()(q, k, v)[0], own)


def test_layouts_of_a_projection_make_no_difference():
    tokens = draw(3, 23, 3 * 2 * 5, dtype=torch.float64).requires_grad_()
    q, k, v = (t.unflatten(-1, (2, 5)).transpose(1, 2) for t in tokens.chunk(3, dim=-1))
    ours, _ = AutoCorrelation()(q, k, v)
    assert_same_with_gradients(ours, auto_correlation(q, k, v, n=3)[0], (tokens,))


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 5), (5, 7), (1, 1), (2, 2)])
def test_gradients_equal_finite_differences(n, m, need_weights):
    q, k, v = qkv(2, 2, n, m, 2, 3)

    def outputs(*inputs):
        return [t for t in AutoCorrelation()(*inputs, need_weights=need_weights) if t is not None]

    assert torch.autograd.gradcheck(outputs, (q, k, v))


def fill(*shape, a=0.37, b=0.11):
    """Draw the layout (B, L, h, e) of the golden values, and return ours."""
    return (a * torch.arange(math.prod(shape), dtype=torch.float64) + b).sin().reshape(shape).transpose(1, 2)


def golden_qkv():
    shape = 2, 8, 2, 3
    return fill(*shape), fill(*shape, a=0.53, b=0.2), fill(*shape, a=0.29, b=-0.4)


CORRELATION = [
    [0.57216, -0.514489, 0.411508, -0.3552, 0.400083, -0.520082, 0.629135, -0.649245],
    [-0.322929, 0.413358, -0.406387, 0.297119, -0.16124, 0.095177, -0.139846, 0.248313],
]
EVALUATION = {
    (0, 0): [-0.485952, -0.457808, -0.39143, -0.292364, -0.168881, -0.031295],
    (1, 7): [-0.021359, 0.030023, 0.078897, 0.121183, 0.153348, 0.172707],
}
TRAINING = EVALUATION | {(1, 7): [0.120352, 0.072941, 0.01944, -0.035685, -0.08783, -0.132641]}


def test_the_correlation_is_the_authors():
    q, k, _ = golden_qkv()
    torch.testing.assert_close(
        AutoCorrelation().correlation(q, k), torch.tensor(CORRELATION).double(), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    ("training", "delays", "rows"),
    [(False, [[6, 0], [1, 3]], EVALUATION), (True, [[6, 0], [6, 0]], TRAINING)],
    ids=["evaluation", "training"],
)
def test_equals_the_authors_code(training, delays, rows):
    q, k, v = golden_qkv()
    attention = AutoCorrelation(1, shared_delays=True).train(training)
    assert attention.delays(q, k)[0].tolist() == delays
    out, _ = attention(q, k, v)
    for (b, t), values in rows.items():
        torch.testing.assert_close(out[b, :, t].flatten(), torch.tensor(values).double(), rtol=0, atol=1e-6)


def test_equals_the_authors_code_with_short_keys():
    q, k, v = golden_qkv()
    out, _ = AutoCorrelation()(q, k[..., :5, :], v[..., :5, :])
    expected = torch.tensor([-0.163983, -0.046227, 0.075389, 0.190709, 0.290103, 0.36527]).double()
    torch.testing.assert_close(out[0, :, 2].flatten(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13, 24, 29])
@pytest.mark.parametrize(("h", "e"), [(1, 1), (3, 1), (2, 4)])
def test_every_delay_has_its_correlation(h, e, length):
    q, k, _ = qkv(3, h, length, length, e, e)
    found = AutoCorrelation().correlation(q, k)
    torch.testing.assert_close(found, correlation(q, k))
    assert not found.requires_grad
    torch.testing.assert_close(AutoCorrelation(normalize=True).correlation(q, k), correlation(q, k) / length)


@pytest.mark.parametrize("period", [4, 6, 7, 12])
@pytest.mark.parametrize("length", [84, 168])
def test_a_sine_is_delayed_by_its_period(length, period):
    wave = (2 * math.pi / period * torch.arange(length, dtype=torch.float64)).sin().expand(1, 1, 1, -1).mT
    attention = AutoCorrelation(0.4)
    delays, _ = attention.delays(wave, wave)
    assert delays.remainder(period).tolist() == [[0] * delays.shape[-1]]
    torch.testing.assert_close(attention(wave, wave, wave)[0], wave)


def test_queries_ahead_of_the_keys_find_how_far():
    k = draw(1, 2, 29, 3)
    delays, _ = AutoCorrelation().delays(k.roll(5, -2), k)
    assert delays[0, 0] == 5


@pytest.mark.parametrize(
    ("length", "n"), [(1, 1), (2, 1), (7, 1), (8, 2), (20, 2), (21, 3), (96, 4), (336, 5), (720, 6)]
)
def test_how_many_delays_are_chosen(length, n):
    q, k, _ = qkv(2, 1, length, length, 2, 2)
    delays, weights = AutoCorrelation().delays(q, k)
    assert delays.shape == weights.shape == (2, n)


def test_delays_come_with_the_weights_that_made_the_output():
    q, k, v = qkv(3, 2, 23, 23, 3, 5)
    attention = AutoCorrelation(2)
    delays, weights = attention.delays(q, k)
    assert (weights.diff() <= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(3).double())
    assert delays.tolist() == auto_correlation(q, k, v, n=6)[1]
    out, _ = attention(q, k, v)
    for b in range(3):
        copies = [v[b].roll(-delay, -2) for delay in delays[b].tolist()]
        torch.testing.assert_close(out[b], torch.tensordot(weights[b], torch.stack(copies), 1))


def test_with_all_delays_it_is_attention_among_shifts():
    q, k, v = qkv(2, 3, 11, 11, 5, 7)
    weights = correlation(q, k).softmax(-1)
    at = (torch.arange(11)[:, None] + torch.arange(11)) % 11
    circulant = torch.zeros(2, 11, 11).double().scatter(-1, at.expand(2, -1, -1), weights[:, None].expand(-1, 11, -1))
    assert_same_with_gradients(AutoCorrelation(5)(q, k, v)[0], circulant[:, None] @ v, (q, k, v))


@truncation
@pytest.mark.parametrize(("n", "m"), [(23, 17), (17, 23), (17, 17)])
def test_other_lengths_are_fitted(n, m, truncate):
    q, k, v = qkv(2, 2, n, m, 3, 5)
    attention = AutoCorrelation(2, truncate=truncate)
    out, weights = attention(q, k, v, need_weights=True)
    fitted = (fit(x, n, truncate=truncate) for x in (k, v))
    torch.testing.assert_close(out, attention(q, *fitted)[0])
    assert weights.shape == (2, 2, n, m)
    torch.testing.assert_close(weights @ v, out)
    assert torch.equal(attention.weights(q, k), weights)
    if n <= m:
        torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, n).double())


def test_no_weights_come_back_unasked():
    assert AutoCorrelation()(*qkv(1, 2, 13, 13, 7, 2))[1] is None


def test_it_is_made_by_name_and_says_how():
    arguments = {"factor": 1.0, "truncate": "last", "shared_delays": False, "normalize": False}
    assert AutoCorrelation().config() == arguments
    changed = {"factor": 3, "truncate": "first", "shared_delays": True, "normalize": True}
    assert build_attention(("auto_correlation", changed)).config() == changed
    assert not AutoCorrelation.supports_causal
    assert AutoCorrelation.supports_cross


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_is_kept_and_accurate(dtype):
    q, k, v = qkv(2, 3, 29, 29, 5, 7, dtype=dtype)
    out, weights = AutoCorrelation()(q, k, v, need_weights=True)
    expected, _ = auto_correlation(q.float(), k.float(), v.float(), n=3)
    assert out.dtype == weights.dtype == dtype
    torch.testing.assert_close(out.float(), expected, rtol=1e-2, atol=1e-2)
    torch.autograd.grad(out.sum(), (q, k, v))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("sizes", "shapes"),
    [
        (((4, 3, 25, 5), (4, 1, 25, 5), (4, 1, 25, 5)), "q (4, 3, 25, 5), k (4, 1, 25, 5), v (4, 1, 25, 5)"),
        (((2, 3, 25, 5), (2, 3, 25, 5), (2, 3, 20, 5)), "q (2, 3, 25, 5), k (2, 3, 25, 5), v (2, 3, 20, 5)"),
        (((2, 3, 25, 5), (7, 3, 25, 5), (7, 3, 25, 5)), "q (2, 3, 25, 5), k (7, 3, 25, 5), v (7, 3, 25, 5)"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(sizes, shapes):
    message = f"{shapes} must have the same samples and heads, and k and v the same steps"
    with pytest.raises(ValueError, match=exactly(message)):
        AutoCorrelation()(*(torch.ones(size) for size in sizes))


def test_autocast_changes_nothing():
    q, k, v = qkv(2, 3, 29, 29, 5, 7, dtype=torch.float32)
    plain, _ = AutoCorrelation()(q, k, v)
    with torch.autocast("cpu", torch.bfloat16):
        cast, _ = AutoCorrelation()(q, k, v)
    assert torch.equal(plain, cast)


@pytest.mark.parametrize("training", [False, True])
def test_a_sample_does_not_depend_on_its_batch_mates(training):
    q, k, v = qkv(3, 2, 29, 29, 5, 7)
    attention = AutoCorrelation().train(training)
    whole, _ = attention(q, k, v)
    alone, _ = attention(q[1:2], k[1:2], v[1:2])
    torch.testing.assert_close(whole[1:2], alone)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(4)), n=st.integers(1, 40), factor=st.floats(0.1, 5))
def test_reordering_the_batch_reorders_the_output(order, n, factor):
    q, k, v = qkv(4, 1, n, n, 3, 3)
    attention = AutoCorrelation(factor)
    whole, _ = attention(q, k, v)
    reordered, _ = attention(q[order], k[order], v[order])
    torch.testing.assert_close(reordered, whole[order])


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 60), m=st.integers(1, 60), e=st.integers(1, 4), factor=st.floats(0.1, 5))
def test_every_pair_of_lengths_equals_the_definition(n, m, e, factor):
    q, k, v = qkv(2, 2, n, m, e, 3)
    out, _ = AutoCorrelation(factor)(q, k, v)
    torch.testing.assert_close(out, auto_correlation(q, k, v, n=how_many(factor, n))[0])


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 40), shift=st.integers(-50, 50))
def test_shifting_everything_shifts_the_output(n, shift):
    q, k, v = (t.detach() for t in qkv(2, 2, n, n, 3, 5))
    out, _ = AutoCorrelation()(q, k, v)
    shifted, _ = AutoCorrelation()(*(t.roll(shift, -2) for t in (q, k, v)))
    torch.testing.assert_close(shifted, out.roll(shift, -2))


def test_large_scores_leave_finite_gradients():
    q, k, v = qkv(2, 2, 29, 29, 3, 3, dtype=torch.float32)
    out, _ = AutoCorrelation()(1e3 * q, 1e3 * k, v)
    gradients = torch.autograd.grad(out.sum(), (q, k, v))
    assert all(gradient.isfinite().all() for gradient in gradients)


far_apart = pytest.mark.parametrize("size", [1.0, 3.0, 10.0, 100.0])


@far_apart
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_too_small_to_count_leave_no_subnormal_numbers(size, dtype):
    """A processor takes many times as long over each: a training step was seen to take two and a half times as long."""
    q, k, v = qkv(5, 2, 41, 41, 3, 3, dtype)
    q, k = (x.detach().mul(size).requires_grad_() for x in (q, k))
    out, _ = AutoCorrelation(5.0)(q, k, v)
    weights = AutoCorrelation(5.0).delays(q, k)[1]
    for x in (weights, out, *torch.autograd.grad(out.sum(), (q, k, v))):
        assert not ((x != 0) & (x.abs() < torch.finfo(dtype).tiny)).any()


@far_apart
def test_weights_far_apart_equal_their_definition(size):
    q, k, v = qkv(5, 2, 41, 41, 3, 3)
    ours, _ = AutoCorrelation(5.0)(size * q, size * k, v)
    expected, _ = auto_correlation(size * q, size * k, v, n=how_many(5.0, 41))
    assert_same_with_gradients(ours, expected, (q, k, v))


def test_nothing_quadratic_is_built():
    length = 4099
    q, k, v = draw(1, 1, length, 8), draw(1, 1, length, 8), draw(1, 1, length, 3)
    with watch_sizes() as sizes:
        AutoCorrelation()(q, k, v)
    assert 0 < max(sizes) <= 8 * length


def test_nothing_but_inputs_and_steps_is_kept_for_the_backward_pass():
    b, h, n, e = 2, 2, 101, 8
    kept = {}

    def pack(t):
        kept[t.data_ptr()] = t.numel()
        return t

    q, k, v = qkv(b, h, n, n, e, e)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        AutoCorrelation()(q, k, v)
    others = sum(kept.values()) - 3 * q.numel()
    assert 0 < others <= 2 * b * n * how_many(1, n) + 20 * b * how_many(1, n)


@pytest.mark.parametrize(
    "call", [lambda a, q, k, v: a(q, k, v, causal=True), lambda a, q, k, _: a.weights(q, k, causal=True)]
)
def test_a_causal_form_is_refused(call):
    message = "causal=True cannot be served: delays go round the end of the series"
    with pytest.raises(ValueError, match=exactly(message)):
        call(AutoCorrelation(), *qkv(1, 1, 7, 7, 3, 3))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("factor", [0, -3, -0.5, True, "5", None, math.nan, math.inf])
def test_a_factor_that_is_no_positive_number_is_refused(factor):
    with pytest.raises(ValueError, match=exactly(f"factor={factor!r} must be a positive number")):
        AutoCorrelation(factor)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("truncate", ["middle", "", None, 3])
def test_an_unknown_truncation_is_refused(truncate):
    with pytest.raises(ValueError, match=exactly(f"truncate={truncate!r} must be one of ['first', 'last']")):
        AutoCorrelation(truncate=truncate)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("name", ["shared_delays", "normalize"])
@pytest.mark.parametrize("value", [None, 1, "yes"])
def test_a_flag_that_is_no_flag_is_refused(name, value):
    with pytest.raises(ValueError, match=exactly(f"{name}={value!r} must be True or False")):
        AutoCorrelation(**{name: value})


def test_an_exported_program_takes_other_batch_sizes():
    class Exported(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = AutoCorrelation().eval()

        def forward(self, q, k, v):
            return self.attention(q, k, v)[0]

    q, k, v = (t.detach() for t in qkv(5, 3, 29, 29, 5, 7))
    batch = {0: torch.export.Dim("batch")}
    with torch.no_grad():
        program = torch.export.export(Exported(), (q[:2], k[:2], v[:2]), dynamic_shapes=(batch,) * 3, strict=False)
    torch.testing.assert_close(program.module()(q, k, v), AutoCorrelation()(q, k, v)[0])


@pytest.mark.parametrize("length", [1, 2, 13, 16])
@pytest.mark.parametrize("e", [1, 3])
def test_the_forms_for_export_equal_the_fast_ones(length: int, e: int):
    generator = torch.Generator().manual_seed(length)
    q, k = torch.randn(2, 3, 2, length, e, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(_delays._correlate_by_products(q, k), _delays.correlate(q, k))
    steps = torch.randint(length, (3, length, 5), generator=generator, dtype=torch.int32)
    weights = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    torch.testing.assert_close(_delays._sum_gathered(q, steps, weights), _delays._sum_steps(q, steps, weights))
