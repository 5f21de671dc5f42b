import copy
import math

import pytest
import torch

from darts_tsformers.recurrence import (
    LegendreMemory,
    legendre_matrices,
    legendre_memory,
    legendre_response,
    legendre_window,
)
from darts_tsformers.recurrence.naive import legendre as naive
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

WINDOWS = [(1, 1), (1, 7), (2, 5.5), (4, 8), (5, 3), (7, 29)]
window_ids = [f"q{order}-theta{theta}" for order, theta in WINDOWS]
CASES = [(2, 29, 3, 7, 5, 11), (1, 31, 1, 1, 1, 13), (3, 13, 5, 2, 11, 7.5), (2, 1, 3, 5, 4, 8), (1, 61, 2, 3, 13, 61)]
ids = [f"B{b}-L{n}-in{i}-out{o}-q{q}-theta{theta}" for b, n, i, o, q, theta in CASES]
every_case = pytest.mark.parametrize(("b", "n", "i", "o", "q", "theta"), CASES, ids=ids)


def cell_of(i, o, q, theta, dtype=torch.float64, d_memory=1):
    return scatter_(LegendreMemory(i, o, q, theta, d_memory=d_memory)).to(dtype)


def by_definition(cell, x):
    memories = []
    for weight, bias in zip(cell.project_in.weight, cell.project_in.bias, strict=True):
        u = (x @ weight + bias).clamp(min=0)
        memories.append(naive.legendre_memory(u, *legendre_matrices(cell.order, cell.theta)))
    both = torch.cat([*memories, x], dim=-1)
    return (both @ cell.project_out.weight.T + cell.project_out.bias).clamp(min=0)


@pytest.mark.parametrize(("order", "theta"), WINDOWS, ids=window_ids)
def test_matrices_solve_the_equation(order, theta):
    for ours, theirs in zip(legendre_matrices(order, theta), naive.legendre_matrices(order, theta), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize("length", [1, 2, 29])
@pytest.mark.parametrize(("order", "theta"), WINDOWS, ids=window_ids)
def test_the_response_is_what_a_pulse_leaves(order, theta, length):
    a, b = legendre_matrices(order, theta)
    expected = torch.stack([torch.linalg.matrix_power(a, t) @ b for t in range(length)], dim=-1)
    torch.testing.assert_close(legendre_response(order, theta, length), expected, rtol=0, atol=1e-14)


@every_case
def test_all_memories_equal_those_one_by_one(b, n, i, o, q, theta):  # noqa: ARG001
    u = draw(b, n, dtype=torch.float64).requires_grad_()
    expected = naive.legendre_memory(u, *legendre_matrices(q, theta))
    assert_same_with_gradients(legendre_memory(u, q, theta), expected, (u,))


@every_case
def test_a_cell_equals_its_definition(b, n, i, o, q, theta):
    cell, x = cell_of(i, o, q, theta), draw(b, n, i, seed=5, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(cell(x), by_definition(cell, x), (x, *cell.parameters()))


@every_case
def test_advancing_equals_the_whole_pass(b, n, i, o, q, theta):
    cell, x = cell_of(i, o, q, theta), draw(b, n + 17, i, seed=5, dtype=torch.float64)
    begun, memory = cell.begin(x[:, :n])
    steps = [begun]
    for x_t in x[:, n:].unbind(1):
        h_t, memory = cell.advance(x_t, memory)
        steps.append(h_t[:, None])
    torch.testing.assert_close(torch.cat(steps, dim=1), cell(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(memory, cell.remember(x)[:, -1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("d_memory", [2, 3])
def test_each_value_that_is_written_has_a_memory_of_its_own(d_memory):
    cell, x = cell_of(5, 7, 4, 11, d_memory=d_memory), draw(2, 29, 5, seed=5, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(cell(x), by_definition(cell, x), (x, *cell.parameters()))
    _, memory = cell.begin(x[:, :17])
    for x_t in x[:, 17:].unbind(1):
        last, memory = cell.advance(x_t, memory)
    torch.testing.assert_close(last, cell(x)[:, -1], rtol=0, atol=1e-12)
    for r in range(d_memory):
        alone = legendre_memory(cell.write(x)[..., r], 4, 11)[:, -1]
        torch.testing.assert_close(memory[:, 4 * r : 4 * r + 4], alone, rtol=0, atol=1e-12)


def test_padding_in_front_leaves_nothing_in_the_memory():
    cell, x = cell_of(3, 5, 7, 11, d_memory=2), draw(2, 13, 3, dtype=torch.float64)
    padded = torch.cat([torch.full((2, 5, 3), 1e3, dtype=torch.float64), x], dim=1)
    mask = (torch.arange(18) >= 5).expand(2, 18)
    (alone, memory), (whole, after) = cell.begin(x), cell.begin(padded, mask)
    torch.testing.assert_close(whole[:, 5:], alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(after, memory, rtol=0, atol=1e-12)
    torch.testing.assert_close(cell(padded, mask), whole)


def test_gradients_are_those_of_differences():
    cell = cell_of(2, 3, 4, 5)
    cell.project_out.bias.data += 3  # away from the bends
    cell.project_in.bias.data += 7
    x = draw(2, 5, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, *_: cell(x), (x, *cell.parameters()))


SMOOTH = {
    "constant": (lambda t: torch.ones_like(t), 1e-9),
    "line": (lambda t: t, 1e-3),
    "parabola": (lambda t: t**2 - t, 1e-3),
    "wave": (lambda t: torch.sin(2 * math.pi * t), 0.01),
    "two waves": (lambda t: torch.sin(2 * math.pi * t) + 0.5 * torch.cos(4 * math.pi * t + 1), 0.01),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("length", [257, 331])
def test_a_smooth_window_comes_back(name, length):
    signal, tolerance = SMOOTH[name]
    u = signal(torch.arange(length, dtype=torch.float64) / 64)
    held = legendre_window(legendre_memory(u, 16, 64)[-1], 64)
    scale = u.abs().max()
    torch.testing.assert_close(held / scale, u[-64:] / scale, rtol=0, atol=tolerance)


def test_a_higher_order_holds_a_faster_wave():
    u = torch.sin(2 * math.pi * torch.arange(512, dtype=torch.float64) / 16)  # eight in a window
    gaps = [(legendre_window(legendre_memory(u, q, 128)[-1], 128) - u[-128:]).abs().max() for q in (4, 48)]
    assert gaps[0] > 0.5
    assert gaps[1] < 0.1


def test_what_is_older_than_the_window_is_gone():
    u = torch.zeros(2, 199, dtype=torch.float64)
    u[1, :29] = 100 * draw(29, dtype=torch.float64)
    memory = legendre_memory(u, 12, 16)
    assert memory[1, 29].abs().max() > 1
    torch.testing.assert_close(memory[1, -1], memory[0, -1], rtol=0, atol=1e-9)


def test_a_window_that_is_not_whole_has_its_whole_steps():
    line = torch.arange(99, dtype=torch.float64) / 99
    held = legendre_window(legendre_memory(line, 5, 7.5)[-1], 7.5)
    torch.testing.assert_close(held, line[-7:], rtol=0, atol=0.002)


@pytest.mark.parametrize("theta", [1, 3.5, 16, 128, 4096, 4e5])
@pytest.mark.parametrize("order", [1, 2, 17, 64, 200])
def test_a_memory_is_exact_and_stable_at_any_order_and_window(order, theta):
    a, b = legendre_matrices(order, theta)
    still = torch.eye(order, dtype=torch.float64)[0]
    torch.testing.assert_close(a @ still + b, still, rtol=0, atol=1e-10)
    assert torch.linalg.eigvals(a).abs().max() < 1
    assert torch.linalg.matrix_norm(a, 2) < 3


@pytest.mark.parametrize(("order", "theta"), [(700, 1.0), (3, 1e6), (64, 1e15)])
def test_what_cannot_be_computed_is_refused(order, theta):
    message = f"order={order} and theta={theta} must leave 10 digits in double precision, but lose "
    with pytest.raises(ValueError, match=message.replace("+", r"\+")):
        LegendreMemory(2, 3, order, theta)


def test_the_past_does_not_move_when_the_future_does():
    cell, x = cell_of(3, 5, 7, 11), draw(2, 29, 3, dtype=torch.float64)
    moved = torch.cat([x[:, :17], x[:, 17:] + 1e3], dim=1)
    torch.testing.assert_close(cell(moved)[:, :17], cell(x)[:, :17], rtol=0, atol=1e-11)
    assert (cell(moved)[:, 17] - cell(x)[:, 17]).abs().max() > 1


def test_a_sample_does_not_depend_on_its_batch_mates():
    cell, x = cell_of(3, 5, 7, 11), draw(3, 13, 3, dtype=torch.float64)
    torch.testing.assert_close(cell(x)[1:2], cell(x[1:2]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_lower_precision_is_near_double(dtype):
    cell = cell_of(3, 5, 7, 11, dtype)
    exact = copy.deepcopy(cell).double()
    x = draw(2, 29, 3, dtype=dtype)
    h, memory = cell.begin(x)
    last, after = cell.advance(x[:, -1], memory)
    assert (h.dtype, memory.dtype, last.dtype, after.dtype) == (dtype, torch.float32, dtype, torch.float32)
    tolerance = {"rtol": 4 * torch.finfo(dtype).eps, "atol": 8 * torch.finfo(dtype).eps}
    torch.testing.assert_close(h.double(), exact(x.double()), **tolerance)
    torch.testing.assert_close(after.double(), exact.advance(x[:, -1].double(), memory.double())[1], **tolerance)
    h.sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == dtype for p in cell.parameters())


def test_autocast_leaves_the_memory_alone():
    cell, x = cell_of(3, 5, 7, 11, torch.float32), draw(2, 29, 3)
    with torch.autocast("cpu", torch.bfloat16):
        h, memory = cell.begin(x)
        last, after = cell.advance(x[:, -1], memory)
        u = cell.write(x)
    assert (h.dtype, last.dtype, memory.dtype, after.dtype) == (*2 * [torch.bfloat16], *2 * [torch.float32])
    torch.testing.assert_close(memory, legendre_memory(u[..., 0].float(), 7, 11)[:, -1])
    a, b = (matrix.float() for matrix in legendre_matrices(7, 11))
    torch.testing.assert_close(after, memory @ a.T + u[:, -1].float() * b, rtol=1e-6, atol=1e-6)


def test_only_what_is_learnt_is_saved():
    cell = LegendreMemory(3, 5, 7, 11)
    assert set(cell.state_dict()) == {f"project_{part}.{kind}" for part in ("in", "out") for kind in ("weight", "bias")}


def test_nobody_can_change_the_matrices_of_others():
    a, _ = legendre_matrices(3, 5)
    response = legendre_response(3, 5, 7)
    a.zero_()
    response.zero_()
    assert legendre_matrices(3, 5)[0].abs().max() > 0
    assert legendre_response(3, 5, 7).abs().max() > 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0, 5, 7, 11), "d_in=0 must be an integer of at least 1"),
        ((3, 0, 7, 11), "d_hidden=0 must be an integer of at least 1"),
        ((3, 5, 0, 11), "order=0 must be an integer of at least 1"),
        ((3, 5, 7.0, 11), "order=7.0 must be an integer of at least 1"),
        ((3, 5, 7, 0.5), "theta=0.5 must be a number of at least 1"),
        ((3, 5, 7, math.nan), "theta=nan must be a number of at least 1"),
        ((3, 5, 7, math.inf), "theta=inf must be a number of at least 1"),
        ((3, 5, 7, "11"), "theta='11' must be a number of at least 1"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_refused(settings, message):
    with pytest.raises(ValueError, match=exactly(message)):
        LegendreMemory(*settings)


def test_no_memory_at_all_is_refused():
    with pytest.raises(ValueError, match=exactly("d_memory=0 must be an integer of at least 1")):
        LegendreMemory(3, 5, 7, 11, d_memory=0)
