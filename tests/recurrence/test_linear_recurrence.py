import pytest
import torch

from darts_tsformers.recurrence import linear_recurrence
from darts_tsformers.recurrence.linear_recurrence import _by_doubling
from darts_tsformers.recurrence.naive import linear_recurrence as naive
from tests.helpers import assert_same_with_gradients, draw, watch_sizes

SIZES = [(29, 3, 5), (1, 2, 3), (2, 1, 1), (64, 1, 7), (17, 11, 1)]
every_size = pytest.mark.parametrize("size", SIZES, ids=["-".join(map(str, size)) for size in SIZES])


def inputs(*size, dtype=torch.float64):
    tensors = draw(*size, seed=1, dtype=dtype), draw(*size, seed=2, dtype=dtype), draw(*size[1:], seed=3, dtype=dtype)
    return [t.requires_grad_() for t in tensors]


@every_size
def test_equals_its_definition(size):
    a, b, initial = inputs(*size)
    ours, theirs = linear_recurrence(a, b, initial), naive.linear_recurrence(a, b, initial)
    assert_same_with_gradients(ours, theirs, (a, b, initial))


@every_size
def test_starts_at_zero(size):
    a, b, initial = inputs(*size)
    torch.testing.assert_close(linear_recurrence(a, b), naive.linear_recurrence(a, b, torch.zeros_like(initial)))


@pytest.mark.parametrize("size", [(1, 3, 5), (29, 1, 5), (1, 3, 1), (1, 1, 1)])
def test_what_is_the_same_all_over_is_given_once(size):
    _, b, initial = inputs(29, 3, 5)
    a = draw(*size, seed=1, dtype=torch.float64).requires_grad_()
    ours = linear_recurrence(a, b, initial)
    assert_same_with_gradients(ours, naive.linear_recurrence(a.expand(29, 3, 5), b, initial), (a, b, initial))


def test_one_axis_is_enough():
    a, b = (draw(7, seed=seed, dtype=torch.float64) for seed in (1, 2))
    expected = naive.linear_recurrence(a, b, torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(linear_recurrence(a, b), expected)


def test_gradients_equal_finite_differences():
    assert torch.autograd.gradcheck(linear_recurrence, inputs(5, 2, 3))


def test_any_layout_of_memory_will_do():
    a, b = (draw(5, 3, 29, seed=seed, dtype=torch.float64).permute(2, 1, 0).requires_grad_() for seed in (1, 2))
    zero = torch.zeros(3, 5, dtype=torch.float64)
    assert_same_with_gradients(linear_recurrence(a, b), naive.linear_recurrence(a, b, zero), (a, b))


def test_bfloat16_is_rounded_at_the_end_only():
    a, b, initial = inputs(61, 3, 5, dtype=torch.bfloat16)
    states = linear_recurrence(0.5 * a, b, initial)
    assert torch.equal(states, linear_recurrence(0.5 * a.float(), b.float(), initial.float()).bfloat16())
    states.sum().backward()
    assert all(t.grad.dtype == torch.bfloat16 and t.grad.isfinite().all() for t in (a, b, initial))


def test_the_past_does_not_move_when_the_future_does():
    a, b, _ = (t.detach() for t in inputs(29, 3, 5))
    before = linear_recurrence(a, b)
    a[17:] += 1
    b[17:] += 1e3
    after = linear_recurrence(a, b)
    assert torch.equal(before[:17], after[:17])
    assert not torch.equal(before[17:], after[17:])


def test_the_inputs_are_left_as_they_are():
    a, b, _ = (t.detach() for t in inputs(5, 3, 7))
    copies = a.clone(), b.clone()
    linear_recurrence(a, b)
    assert torch.equal(a, copies[0])
    assert torch.equal(b, copies[1])


def test_memory_is_linear_in_the_length():
    a, b, _ = inputs(1031, 3, 5)
    with watch_sizes() as sizes:
        linear_recurrence(a, b).sum().backward()
    assert max(sizes) == 1031 * 3 * 5


@pytest.mark.parametrize("length", [2, 17, 64])
def test_the_form_that_is_traced_equals_the_fast_one(length):
    a, b, _ = inputs(length, 3, 5)
    assert_same_with_gradients(linear_recurrence(a, b), _by_doubling(a, b), (a, b))
