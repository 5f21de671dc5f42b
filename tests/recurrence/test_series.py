import numpy as np
import pytest
import torch

from darts_tsformers.recurrence._series import delayed, product, quotient
from tests.helpers import assert_same_with_gradients, draw

SIZES = [(5, 3, 7), (5, 3, 4), (3, 5, 2), (1, 1, 1), (1, 7, 7), (11, 1, 11), (29, 13, 29)]
ids = [f"m{m}-n{n}-L{length}" for m, n, length in SIZES]


def factors(m, n, dtype=torch.float64):
    x, y = draw(2, 1, m, dtype=dtype), draw(3, n, seed=1, dtype=dtype)
    return x.requires_grad_(), y.requires_grad_()


def from_one(y):
    """Let a series begin with 1, as denominators do."""
    return torch.cat([torch.ones_like(y[..., :1]), 0.5 * y[..., 1:]], dim=-1)


def by_recurrence(x, y, length):
    """Divide term by term."""
    out = []
    for i in range(length):
        term = x[..., i].expand(2, 3) if i < x.shape[-1] else torch.zeros(2, 3, dtype=x.dtype)
        out.append(term - sum(y[..., j] * out[i - j] for j in range(1, min(i, y.shape[-1] - 1) + 1)))
    return torch.stack(out, dim=-1)


def by_sum(x, y, length):
    shape = x.shape[-1], y.shape[-1]
    pairs = [(i, j) for i in range(shape[0]) for j in range(shape[1])]
    terms = [sum(x[..., i] * y[..., j] for i, j in pairs if i + j == total) for total in range(length)]
    return torch.stack(terms, dim=-1)


@pytest.mark.parametrize(("m", "n", "length"), SIZES, ids=ids)
def test_a_product_is_the_sum_of_its_terms(m, n, length):
    x, y = factors(m, n)
    assert_same_with_gradients(product(x, y, length), by_sum(x, y, length), (x, y))


@pytest.mark.parametrize(("m", "n", "length"), [(m, n, max(m, length)) for m, n, length in SIZES], ids=ids)
def test_a_quotient_obeys_its_recurrence(m, n, length):
    x, y = factors(m, n)
    assert_same_with_gradients(quotient(x, from_one(y), length), by_recurrence(x, from_one(y), length), (x, y))


def test_gradients_are_those_of_differences():
    x, y = factors(3, 4)
    assert torch.autograd.gradcheck(lambda x, y: product(x, y, 5), (x, y))
    assert torch.autograd.gradcheck(lambda x, y: quotient(x, from_one(y), 7), (x, y))


def test_a_quotient_times_its_denominator_is_the_numerator():
    x, y = draw(11, dtype=torch.float64), draw(13, seed=1, dtype=torch.float64)
    y = from_one(y / y.abs().sum())
    back = np.convolve(quotient(x, y, 4099), y)[:4099]
    np.testing.assert_allclose(back[:11], x, atol=1e-13)
    np.testing.assert_allclose(back[11:], 0, atol=1e-13)


def test_only_what_requires_a_gradient_gets_one():
    x, y = draw(5).requires_grad_(), draw(3, seed=1)
    product(x, y, 5).sum().backward()
    quotient(x, y / y[0], 5).sum().backward()
    assert x.grad is not None
    assert y.grad is None


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_single(dtype):
    x, y = (t.detach() for t in factors(7, 5, dtype))
    torch.testing.assert_close(product(x, y, 7), product(x.float(), y.float(), 7), rtol=0, atol=0)


def test_delayed_moves_on_by_one_term():
    assert delayed(torch.tensor([2.0, 3, 5])).tolist() == [0, 2, 3]
    assert delayed(torch.tensor([2.0])).tolist() == [0]
