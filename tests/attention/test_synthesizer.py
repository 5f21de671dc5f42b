"""The Synthesizer: scores without products of queries and keys."""

import pytest
import torch

from darts_tsformers.attention import HeadSizes, build_attention
from darts_tsformers.attention.naive import synthesizer as naive
from darts_tsformers.attention.synthesizer import KINDS
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

any_kind = pytest.mark.parametrize("kind", KINDS)


def built(kind, h=3, e=5, n=17, m=17, width=7):
    return scatter_(build_attention(("synthesizer", {"kind": kind, "width": width}), HeadSizes(h, e, n, m))).double()


def scores_of(mechanism, q, m):
    n = q.shape[2]
    if mechanism.kind == "dense":
        dense = naive.dense_scores(q, mechanism.widen, mechanism.widen_bias, mechanism.narrow, mechanism.narrow_bias)
        return dense[..., :m]
    if mechanism.kind == "random":
        return mechanism.scores[:, :n, :m].expand(len(q), -1, -1, -1)
    return (mechanism.of_queries[:, :n] @ mechanism.of_keys[:, :m].mT).expand(len(q), -1, -1, -1)


@any_kind
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize(("b", "h", "n", "f"), [(2, 3, 17, 5), (1, 1, 13, 11), (3, 2, 1, 3)])
def test_equals_its_definition(kind, b, h, n, f, causal, need_weights):
    mechanism = built(kind, h)
    q, k, v = (draw(b, h, n, width, seed=i, dtype=torch.float64).requires_grad_() for i, width in enumerate((5, 5, f)))
    out, weights = mechanism(q, k, v, causal=causal, need_weights=need_weights)
    expected, expected_weights = naive.attend(scores_of(mechanism, q, n), v, causal=causal)
    assert_same_with_gradients(out, expected, [q, v, *mechanism.parameters()])
    torch.testing.assert_close(mechanism.weights(q, k, causal=causal), expected_weights)
    assert (weights is not None) == need_weights


@any_kind
def test_queries_and_keys_may_differ_in_number(kind):
    mechanism = built(kind, m=23)
    q, k, v = (draw(2, 3, n, 5, seed=i, dtype=torch.float64) for i, n in enumerate((13, 19, 19)))
    torch.testing.assert_close(mechanism(q, k, v)[0], naive.attend(scores_of(mechanism, q, 19), v, causal=False)[0])
    with pytest.raises(ValueError, match=exactly("causal=True needs as many queries as keys, got 13 and 19")):
        mechanism(q, k, v, causal=True)


@pytest.mark.parametrize("kind", ["random", "factorised"])
def test_scores_that_are_learnt_are_the_same_for_all_inputs(kind):
    mechanism = built(kind)
    q, other = (draw(2, 3, 17, 5, seed=seed, dtype=torch.float64) for seed in range(2))
    assert torch.equal(mechanism.weights(q, q), mechanism.weights(other, other))


def test_what_is_none_of_its_choices_is_refused():
    with pytest.raises(ValueError, match=exactly("kind='full' must be one of ['dense', 'factorised', 'random']")):
        build_attention(("synthesizer", {"kind": "full"}))
    with pytest.raises(ValueError, match=exactly("width=0 must be an integer of at least 1")):
        build_attention(("synthesizer", {"width": 0}))
