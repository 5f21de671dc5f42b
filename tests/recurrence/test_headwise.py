"""Recurrent cells of separate heads."""

import pytest
import torch

from darts_tsformers.recurrence import headwise_recurrence
from darts_tsformers.recurrence.headwise import CELLS
from darts_tsformers.recurrence.naive.headwise import headwise_recurrence as naive
from tests.helpers import assert_same_with_gradients, draw, exactly

every_cell = pytest.mark.parametrize("cell", CELLS)


def drawn(cell, b, t, h, d, dtype=torch.float64):
    g, k, a = CELLS[cell][1]
    shapes = (b, t, g, h, d), (h, d, k, d), (a, h, d)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


def by_definition(inputs, weight, bias, cell):
    b, _, _, h, _ = inputs.shape
    each = [[naive(inputs[i, :, :, j], weight[j], bias[:, j], cell=cell) for j in range(h)] for i in range(b)]
    return torch.stack([torch.stack(heads, dim=1) for heads in each])


@every_cell
@pytest.mark.parametrize(("b", "t", "h", "d"), [(3, 11, 2, 5), (1, 7, 1, 3), (2, 1, 3, 1)])
def test_equals_its_definition(cell, b, t, h, d):
    tensors = drawn(cell, b, t, h, d)
    out, _ = headwise_recurrence(*tensors, cell=cell)
    assert_same_with_gradients(out, by_definition(*tensors, cell), tensors)


@every_cell
def test_gradients_equal_finite_differences(cell):
    assert torch.autograd.gradcheck(lambda *t: headwise_recurrence(*t, cell=cell)[0], drawn(cell, 2, 5, 2, 3))


@every_cell
def test_it_goes_on_where_it_stopped(cell):
    inputs, weight, bias = drawn(cell, 2, 13, 3, 5)
    whole, last = headwise_recurrence(inputs, weight, bias, cell=cell)
    first, state = headwise_recurrence(inputs[:, :6], weight, bias, cell=cell)
    second, end = headwise_recurrence(inputs[:, 6:], weight, bias, cell=cell, state=state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
    torch.testing.assert_close(end, last)


@every_cell
def test_heads_and_samples_do_not_mix(cell):
    inputs, weight, bias = drawn(cell, 3, 7, 2, 5)
    whole, _ = headwise_recurrence(inputs, weight, bias, cell=cell)
    alone, _ = headwise_recurrence(inputs[1:2, :, :, 1:], weight[1:], bias[:, 1:], cell=cell)
    torch.testing.assert_close(whole[1:2, :, 1:], alone)


def test_exponential_gates_do_not_overflow():
    inputs, weight, bias = (1e3 * t.detach() for t in drawn("slstm", 2, 11, 2, 3, dtype=torch.float32))
    inputs.requires_grad_()
    out, _ = headwise_recurrence(inputs, weight, bias, cell="slstm")
    out.sum().backward()
    assert out.isfinite().all()
    assert inputs.grad.isfinite().all()


@every_cell
def test_bfloat16_is_kept(cell):
    tensors = drawn(cell, 2, 7, 2, 5, dtype=torch.bfloat16)
    out, _ = headwise_recurrence(*tensors, cell=cell)
    expected, _ = headwise_recurrence(*(t.float() for t in tensors), cell=cell)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=0.1, atol=0.1)


def test_gates_that_do_not_fit_are_refused():
    tensors = drawn("gru", 2, 7, 2, 5)
    message = "cell='lstm' needs (4, 4, 4) gates in inputs, weight and bias, got (3, 3, 4)"
    with pytest.raises(ValueError, match=exactly(message)):
        headwise_recurrence(*tensors, cell="lstm")
    with pytest.raises(ValueError, match="cell='rnn' must be one of"):
        headwise_recurrence(*tensors, cell="rnn")
