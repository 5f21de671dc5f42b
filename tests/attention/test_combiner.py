"""Combiner: steps, and summaries of regions."""

import math

import pytest
import torch

from darts_tsformers.attention import CombinerAttention
from darts_tsformers.attention.combiner import PATTERNS
from darts_tsformers.attention.naive import combiner as naive
from darts_tsformers.attention.naive.full import full_attention
from tests.helpers import assert_same_with_gradients, draw, exactly

any_pattern = pytest.mark.parametrize("pattern", PATTERNS)
either_way = pytest.mark.parametrize("causal", [False, True], ids=["both ways", "causal"])


def qkv(b, h, n, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, n, e), (b, h, n, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def by_definition(q, k, v, segment, **how):
    heads = zip(*(t.flatten(0, 1) for t in (q, k, v)), strict=True)
    return torch.stack([naive.attend(*head, segment, **how) for head in heads]).unflatten(0, q.shape[:2])


@any_pattern
@either_way
@pytest.mark.parametrize(
    ("b", "h", "n", "segment"),
    [(2, 3, 13, 4), (1, 1, 17, 5), (1, 2, 7, 1), (2, 1, 5, 11), (1, 1, 1, 3), (1, 1, 2, 1), (1, 1, 67, None)],
    ids=str,
)
def test_equals_its_definition(b, h, n, segment, pattern, causal):
    tensors = qkv(b, h, n, 3, 5)
    out, _ = CombinerAttention(pattern, segment)(*tensors, causal=causal)
    size = math.isqrt(n - 1) + 1 if segment is None else segment
    assert_same_with_gradients(out, by_definition(*tensors, size, pattern=pattern, causal=causal), tensors)


@either_way
def test_rows_may_have_plain_keys(causal):
    tensors = qkv(2, 1, 13, 3, 5)
    out, _ = CombinerAttention("axial", 4, row_keys="plain")(*tensors, causal=causal)
    expected = by_definition(*tensors, 4, pattern="axial", causal=causal, row_keys="plain")
    assert_same_with_gradients(out, expected, tensors)


@pytest.mark.parametrize("length", [*range(1, 20), 63, 64, 65, 129, 513, 600])
def test_each_earlier_step_is_in_one_block_of_the_logarithmic_pattern(length):
    """With equal scores a block has one share, and its steps the same of it."""
    q = torch.zeros(1, 1, length, 2, dtype=torch.float64)
    weights = CombinerAttention("log").weights(q, q, causal=True)[0, 0]
    for i in {0, length // 2, length - 2, length - 1} & set(range(length)):
        blocks = [1 << bit for bit in range(i.bit_length() - 1, -1, -1) if i >> bit & 1]
        shares = torch.cat([torch.full((size,), 1 / size) for size in blocks] + [torch.ones(1)]).double()
        torch.testing.assert_close(weights[i, : i + 1], shares / (len(blocks) + 1))


@either_way
@pytest.mark.parametrize(
    ("pattern", "segment"), [("fixed", 13), ("fixed", 17), ("fixed", 1), ("axial", 13), ("mixture", 13), ("mixture", 1)]
)
def test_regions_of_one_step_or_a_segment_of_all_is_exact_attention(pattern, segment, causal):
    tensors = qkv(2, 3, 13, 5, 7)
    out, _ = CombinerAttention(pattern, segment)(*tensors, causal=causal)
    assert_same_with_gradients(out, full_attention(*tensors, causal=causal)[0], tensors)


@either_way
@pytest.mark.parametrize("length", [1, 2])
def test_two_steps_leave_nothing_to_summarise(length, causal):
    tensors = qkv(2, 1, length, 3, 5)
    out, _ = CombinerAttention("log")(*tensors, causal=causal)
    assert_same_with_gradients(out, full_attention(*tensors, causal=causal)[0], tensors)


def test_what_is_none_of_its_choices_is_refused():
    with pytest.raises(ValueError, match=exactly("pattern='rows' must be one of ['axial', 'fixed', 'log', 'mixture']")):
        CombinerAttention("rows")
    with pytest.raises(ValueError, match=exactly("segment=0 must be an integer of at least 1")):
        CombinerAttention(segment=0)
    with pytest.raises(ValueError, match=exactly("row_keys='all' must be one of ['plain', 'weighted']")):
        CombinerAttention("axial", row_keys="all")
