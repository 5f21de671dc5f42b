"""Reformer: attention within buckets of a hash."""

import pytest
import torch

from darts_tsformers.attention import ReformerAttention
from darts_tsformers.attention.naive import reformer as naive
from darts_tsformers.attention.reformer import SELF, bucket_factors, hashed
from tests.helpers import assert_same_with_gradients, draw, exactly

either_way = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


def qkv(b, h, n, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, n, e), (b, h, n, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def buckets_of(mechanism, tokens):
    return hashed(tokens, mechanism._rotations(*tokens.shape[1:], tokens))


def by_definition(mechanism, q, k, v, causal):
    tokens = ((q + k) / 2).flatten(0, 1)
    heads = [
        naive.attend(*head, mechanism.bucket_size, causal=causal, across=mechanism.across, once=mechanism.once)
        for head in zip(tokens, v.flatten(0, 1), buckets_of(mechanism, tokens.detach()), strict=True)
    ]
    return [torch.stack(one).unflatten(0, q.shape[:2]) for one in zip(*heads, strict=True)]


@either_way
@pytest.mark.parametrize("options", [{}, {"across": False}, {"once": True}, {"across": False, "once": True}], ids=str)
@pytest.mark.parametrize(
    ("b", "h", "n", "size", "rounds"),
    [(2, 3, 13, 3, 2), (1, 1, 23, 5, 3), (1, 2, 12, 4, 1), (2, 1, 7, 11, 2), (1, 1, 1, 2, 2), (1, 1, 5, 1, 2)],
    ids=str,
)
def test_equals_its_definition(b, h, n, size, rounds, options, causal):
    tensors = qkv(b, h, n, 3, 5)
    mechanism = ReformerAttention(size, rounds, **options).eval()
    out, weights = mechanism(*tensors, causal=causal, need_weights=True)
    expected, expected_weights = by_definition(mechanism, *tensors, causal)
    assert_same_with_gradients(out, expected, tensors)
    torch.testing.assert_close(weights, expected_weights)


@either_way
@pytest.mark.parametrize("rounds", [1, 3])
def test_one_bucket_is_exact_attention_of_shared_queries_and_keys(rounds, causal):
    q, _, v = tensors = qkv(2, 3, 13, 5, 7)
    out, _ = ReformerAttention(13, rounds)(q, q, v, causal=causal)
    scores = (q @ torch.nn.functional.normalize(q, dim=-1).mT / 5**0.5).masked_fill(torch.eye(13).bool(), SELF)
    if causal:
        scores = scores.masked_fill(torch.ones(13, 13).bool().triu(1), -torch.inf)
    assert_same_with_gradients(out, scores.softmax(-1) @ v, tensors[::2])


def test_a_token_falls_where_its_definition_says():
    x, mechanism = draw(2, 29, 5, dtype=torch.float64), ReformerAttention(3, 2).eval()
    (rotation,) = mechanism._rotations(29, 5, x)
    found = hashed(x, [rotation])
    for n in range(2):
        for r in range(2):
            assert found[n, r].tolist() == [naive.bucket(token, rotation[:, r]) for token in x[n]]


@pytest.mark.parametrize("n_chunks", [1, 2, 63, 64, 65, 128, 129, 1024])
def test_there_are_as_many_buckets_as_chunks_or_some_more(n_chunks):
    factors = bucket_factors(n_chunks)
    total = factors[0] * (factors[1] if len(factors) > 1 else 1)
    assert all(factor % 2 == 0 for factor in factors)
    assert n_chunks <= total <= 1.5 * n_chunks + 2
    assert len(factors) == (1 if n_chunks <= 64 else 2)


def test_many_buckets_are_told_apart_by_two_rotations():
    tokens, mechanism = draw(1, 400, 5), ReformerAttention(2, 1).eval()
    buckets = buckets_of(mechanism, tokens)
    assert bucket_factors(200) == [16, 14]
    assert len(buckets.unique()) > 40
    assert buckets.max() < 16 * 14
    tensors = [t.float() for t in qkv(1, 1, 400, 5, 3)]
    out, _ = mechanism(*tensors)
    torch.testing.assert_close(out, by_definition(mechanism, *tensors, False)[0])


@pytest.mark.parametrize("length", [37, 1009])
def test_tokens_that_rounding_told_apart_share_a_bucket_and_stand_in_order_of_time(length):
    mechanism = ReformerAttention(4, 2).eval()
    tokens = draw(150, 1, 5, seed=1) * (1 + 1e-7 * draw(150, length, 5, seed=2))
    buckets = buckets_of(mechanism, tokens)
    assert torch.equal(buckets, buckets[..., :1].expand_as(buckets))
    tokens.zero_()
    assert not buckets_of(mechanism, tokens).any()


def test_the_buckets_of_a_token_do_not_hang_on_batch_or_precision():
    mechanism, tokens = ReformerAttention(4, 2).eval(), draw(7, 101, 5)
    found = buckets_of(mechanism, tokens)
    assert torch.equal(found[3:4], buckets_of(mechanism, tokens[3:4]))
    assert torch.equal(found, buckets_of(mechanism, tokens.double()))


def test_rotations_are_drawn_anew_in_training_alone():
    q, k, v = qkv(1, 2, 61, 5, 3)
    mechanism = ReformerAttention(4)
    assert not torch.equal(mechanism(q, k, v)[0], mechanism(q, k, v)[0])
    mechanism.eval()
    assert torch.equal(mechanism(q, k, v)[0], mechanism(q, k, v)[0])


def test_what_is_none_of_its_choices_is_refused():
    with pytest.raises(ValueError, match=exactly("bucket_size=0 must be an integer of at least 1")):
        ReformerAttention(0)
    with pytest.raises(ValueError, match=exactly("n_rounds=0 must be an integer of at least 1")):
        ReformerAttention(n_rounds=0)
