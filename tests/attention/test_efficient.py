"""What holds for every mechanism that keeps to features, mixtures or a pattern."""

import pytest
import torch

from darts_tsformers.attention import nprf
from tests.attention.cases import BOTH_WAYS, MECHANISMS, qkv
from tests.helpers import assert_same_with_gradients, exactly, watch_sizes

SIZES = [(2, 3, 41, 5, 7), (1, 1, 37, 4, 3), (1, 5, 2, 3, 3), (3, 1, 1, 2, 1)]
CAUSAL = [name for name, causal in BOTH_WAYS if causal]
TO_DIFFERENTIATE = ("linear", "performer", "nprf", "linformer", "local-global", "sparse-strided-joint")
either_way = pytest.mark.parametrize(
    ("name", "causal"), BOTH_WAYS, ids=lambda x: {True: "causal", False: "all"}.get(x, x)
)


@either_way
@pytest.mark.parametrize(("b", "h", "n", "e", "f"), SIZES, ids=[f"B{b}-h{h}-L{n}-e{e}-f{f}" for b, h, n, e, f in SIZES])
def test_it_equals_its_definition(name, causal, b, h, n, e, f, monkeypatch):
    monkeypatch.setattr(nprf, "FEW_STEPS", 1)
    mechanism = MECHANISMS[name].build(h, e, n)
    heads = qkv(b, h, n, e, f)
    out, weights = mechanism(*heads, causal=causal, need_weights=True)
    expected, expected_weights = MECHANISMS[name].meaning(mechanism, *heads, causal=causal)
    assert_same_with_gradients(out, expected, [*heads, *mechanism.parameters()])
    torch.testing.assert_close(weights, expected_weights)
    torch.testing.assert_close(weights @ heads[2], out)


@pytest.mark.parametrize(("name", "causal"), [(name, way) for name, way in BOTH_WAYS if name in TO_DIFFERENTIATE])
def test_gradients_equal_finite_differences(name, causal, monkeypatch):
    monkeypatch.setattr(nprf, "FEW_STEPS", 1)
    mechanism = MECHANISMS[name].build(1, 2, 7)
    heads = qkv(1, 1, 7, 2, 1)
    assert torch.autograd.gradcheck(lambda *heads: mechanism(*heads, causal=causal)[0], heads, fast_mode=True)


@either_way
def test_bfloat16_is_kept_and_accurate(name, causal):
    mechanism = MECHANISMS[name].build(3, 5, 41, torch.float32)
    heads = [(0.4 * t.detach()).requires_grad_() for t in qkv(2, 3, 41, 5, 7, torch.bfloat16)]
    out, weights = mechanism(*heads, causal=causal, need_weights=True)
    expected, expected_weights = MECHANISMS[name].meaning(mechanism, *(t.float() for t in heads), causal=causal)
    assert out.dtype == weights.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(weights.float(), expected_weights, rtol=2e-2, atol=2e-2)
    out.sum().backward()
    assert all(t.grad.dtype == torch.bfloat16 and t.grad.isfinite().all() for t in heads)


@either_way
def test_a_sample_does_not_depend_on_its_batch_mates(name, causal):
    mechanism = MECHANISMS[name].build(2, 5, 29)
    heads = qkv(3, 2, 29, 5, 7)
    whole, _ = mechanism(*heads, causal=causal)
    alone, _ = mechanism(*(t[1:2] for t in heads), causal=causal)
    torch.testing.assert_close(whole[1:2], alone)


@either_way
def test_large_scores_stay_finite_with_their_gradients(name, causal):
    mechanism = MECHANISMS[name].build(2, 3, 31, torch.float32)
    heads = [(1e3 * t.detach()).requires_grad_() for t in qkv(1, 2, 31, 3, 5, torch.float32)]
    out, _ = mechanism(*heads, causal=causal)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(t.grad.isfinite().all() for t in heads)


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_rows_do_not_move_when_the_future_does(name, monkeypatch):
    monkeypatch.setattr(nprf, "FEW_STEPS", 1)
    mechanism = MECHANISMS[name].build(3, 5, 41)
    heads = [t.detach() for t in qkv(2, 3, 41, 5, 7)]
    before, _ = mechanism(*heads, causal=True)
    for cut in (1, 16, 31, 40):
        moved = [t.clone() for t in heads]
        for t in moved:
            t[..., cut:, :] += 10
        after, _ = mechanism(*moved, causal=True)
        torch.testing.assert_close(after[..., :cut, :], before[..., :cut, :])
        assert not torch.allclose(after[..., cut:, :], before[..., cut:, :])


@pytest.mark.parametrize("name", [name for name, one in MECHANISMS.items() if not one.attention.supports_causal])
def test_what_has_no_causal_form_says_so(name):
    with pytest.raises(ValueError, match="causal=True is undefined"):
        MECHANISMS[name].build(2, 3, 7)(*qkv(1, 2, 7, 3, 3), causal=True)


@pytest.mark.parametrize("name", [name for name, one in MECHANISMS.items() if one.attention.supports_cross])
def test_queries_may_be_fewer_or_more_than_keys(name):
    for n, m in ((11, 29), (29, 11)):
        mechanism = MECHANISMS[name].build(2, 5, 29)
        heads = qkv(2, 2, n, 5, 7, m=m)
        out, weights = mechanism(*heads, need_weights=True)
        expected, expected_weights = MECHANISMS[name].meaning(mechanism, *heads, causal=False)
        assert_same_with_gradients(out, expected, heads)
        torch.testing.assert_close(weights, expected_weights)


@either_way
def test_other_numbers_of_keys_are_refused_where_positions_must_agree(name, causal):
    mechanism = MECHANISMS[name].build(2, 3, 11)
    if mechanism.supports_cross and not causal:
        assert mechanism(*qkv(1, 2, 7, 3, 3, m=11), causal=False)[0].shape == (1, 2, 7, 3)
        return
    with pytest.raises(ValueError, match="needs as many queries as keys, got 7 and 11"):
        mechanism(*qkv(1, 2, 7, 3, 3, m=11), causal=causal)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_row_by_row_form_is_the_whole_row_by_row(name):
    mechanism = MECHANISMS[name].build(2, 5, 23)
    heads = [t.detach() for t in qkv(2, 2, 23, 5, 3)]
    whole, _ = mechanism(*heads, causal=True)
    for row in (0, 1, 16, 22):
        torch.testing.assert_close(mechanism.row(*heads, row), whole[..., row : row + 1, :])


@pytest.mark.parametrize(("name", "causal"), [(name, way) for name, way in BOTH_WAYS if "-7" not in name])
def test_nothing_quadratic_is_built(name, causal):
    length = 1031
    mechanism = MECHANISMS[name].build(1, 8, length, torch.float32)
    heads = qkv(1, 1, length, 8, 8, torch.float32)
    with watch_sizes() as sizes:
        out, _ = mechanism(*heads, causal=causal)
        out.sum().backward()
    assert length * 8 <= max(sizes) < length**2 / 4


@pytest.mark.parametrize("name", MECHANISMS)
def test_it_rebuilds_from_its_arguments(name):
    pattern = MECHANISMS[name].attention
    assert type(pattern)(**pattern.config()).config() == pattern.config()
    assert MECHANISMS[name].build(1, 3, 5).config() == pattern.config()


@pytest.mark.parametrize("name", MECHANISMS)
def test_no_weights_come_back_unasked(name):
    assert MECHANISMS[name].build(1, 3, 5)(*qkv(1, 1, 5, 3, 3))[1] is None


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda c: c.LocalAttention(0), "window=0 must be an integer of at least 1"),
        (lambda c: c.LocalAttention(dilation=0), "dilation=0 must be an integer of at least 1"),
        (lambda c: c.LocalAttention(global_at=(1.5,)), "global_at=(1.5,) must be integers"),
        (lambda c: c.LocalAttention(whole_blocks=1), "whole_blocks=1 must be True or False"),
        (lambda c: c.SparseAttention("loose"), "pattern='loose' must be one of ['fixed', 'strided']"),
        (lambda c: c.SparseAttention(stride=0), "stride=0 must be an integer of at least 1"),
        (lambda c: c.SparseAttention("fixed", 3, n_summaries=4), "n_summaries=4 must be at most stride=3"),
        (lambda c: c.SparseAttention(parts="all"), "parts='all' must be one of ['alternate', 'far', 'joint', 'near']"),
        (lambda c: c.LinformerAttention(0), "n_mixtures=0 must be an integer of at least 1"),
        (lambda c: c.LinformerAttention(shared="no"), "shared='no' must be True or False"),
        (lambda c: c.PerformerAttention(0), "n_features=0 must be an integer of at least 1"),
        (lambda c: c.PerformerAttention(kernel="rbf"), "kernel='rbf' must be one of ['relu', 'softmax']"),
        (lambda c: c.NPRFAttention(0), "n_features=0 must be an integer of at least 1"),
    ],
)
def test_a_wrong_argument_is_refused(build, message):
    from darts_tsformers import attention

    with pytest.raises(ValueError, match=exactly(message)):
        build(attention)
