"""Sinkhorn attention: blocks that are sorted to others."""

import pytest
import torch

from darts_tsformers.attention import SinkhornAttention
from darts_tsformers.attention.naive import sinkhorn as naive
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.attention.sinkhorn import choose_blocks, compare_blocks
from tests.helpers import assert_same_with_gradients, draw, exactly

CASES = [(2, 3, 13, 4), (1, 1, 24, 5), (2, 2, 12, 3), (1, 2, 5, 7), (1, 1, 1, 2), (1, 3, 6, 1)]
sizes = pytest.mark.parametrize(("b", "h", "n", "size"), CASES, ids=str)


def qkv(b, h, n, e, f, dtype=torch.float64):
    shapes = (b, h, n, e), (b, h, n, e), (b, h, n, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def head_by_head(attend, q, k, v):
    heads = zip(*(t.flatten(0, 1) for t in (q, k, v)), strict=True)
    return torch.stack([attend(i % q.shape[1], *head) for i, head in enumerate(heads)]).unflatten(0, q.shape[:2])


@sizes
@pytest.mark.parametrize(("sorting", "n_top"), [("sinkhorn", 1), ("top", 1), ("top", 2)])
def test_equals_its_definition(b, h, n, size, sorting, n_top):
    tensors = qkv(b, h, n, 3, 5)
    out, _ = SinkhornAttention(size, sorting=sorting, n_top=n_top).eval()(*tensors)
    how = {"sorting": sorting, "n_top": n_top, "n_iterations": 7, "temperature": 0.75}
    expected = head_by_head(lambda _, *head: naive.attend(*head, size, **how), *tensors)
    assert_same_with_gradients(out, expected, tensors)


@sizes
@pytest.mark.parametrize("n_top", [1, 2])
def test_the_causal_form_equals_its_definition(b, h, n, size, n_top):
    tensors = qkv(b, h, n, 3, 5)
    out, _ = SinkhornAttention(size, n_top=n_top)(*tensors, causal=True)
    expected = head_by_head(
        lambda head, *one: naive.attend_the_past(
            *one, size, n_top=n_top, first=min(n, size - 1) if head >= h // 2 else 0
        ),
        *tensors,
    )
    assert_same_with_gradients(out, expected, tensors)


@pytest.mark.parametrize("sorting", ["sinkhorn", "top"])
@pytest.mark.parametrize("size", [13, 17])
def test_one_block_is_exact_attention(sorting, size):
    tensors = qkv(2, 3, 13, 5, 7)
    out, _ = SinkhornAttention(size, sorting=sorting)(*tensors)
    assert_same_with_gradients(out, full_attention(*tensors)[0], tensors)


def test_iterations_make_a_permutation():
    q, k, _ = qkv(1, 2, 60, 3, 3)
    weights = SinkhornAttention(6, n_iterations=200).eval().weights(q, k)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 2, 60).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_of_blocks_that_rounding_told_apart_the_first_are_chosen(level):
    block = level + draw(150, 1, 4, 5)
    k = (block.expand(-1, 9, -1, -1) * (1 + 1e-7 * draw(150, 9, 4, 5, seed=1))).flatten(1, 2)
    order = choose_blocks(*compare_blocks(level + draw(150, 36, 5, seed=2), k, 4), 2)
    assert (order[:, :, 0].argmax(-1) == 0).all()
    assert (order[:, :, 1].argmax(-1) == 1).all()


def test_noise_is_drawn_in_training_alone():
    q, k, v = qkv(1, 2, 61, 5, 3)
    mechanism = SinkhornAttention(8)
    assert not torch.equal(mechanism(q, k, v)[0], mechanism(q, k, v)[0])
    mechanism.eval()
    assert torch.equal(mechanism(q, k, v)[0], mechanism(q, k, v)[0])


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), True])
def test_what_is_none_of_its_choices_is_refused(temperature):
    with pytest.raises(ValueError, match=exactly(f"temperature={temperature!r} must be a positive number")):
        SinkhornAttention(temperature=temperature)
    with pytest.raises(ValueError, match=exactly("sorting='all' must be one of ['sinkhorn', 'top']")):
        SinkhornAttention(sorting="all")
