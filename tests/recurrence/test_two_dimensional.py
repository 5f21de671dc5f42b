import pytest
import torch

from darts_tsformers.recurrence import (
    GridState,
    advance_two_dimensional,
    linear_recurrence,
    two_dimensional_closed_loop,
    two_dimensional_scan,
)
from darts_tsformers.recurrence.naive import two_dimensional as naive
from darts_tsformers.recurrence.two_dimensional import _step_by_step
from tests.helpers import assert_same_with_gradients, draw, exactly, watch_sizes

SIZES = [(2, 3, 11, 5, 7), (1, 5, 3, 2, 2), (3, 1, 7, 1, 2), (1, 7, 1, 2, 1), (2, 1, 1, 3, 5), (1, 2, 2, 1, 1)]
FORMS = ["diagonals", "fixed", "matrices", "mixed"]
every_size = pytest.mark.parametrize("size", SIZES, ids=["B{}-V{}-T{}-D{}-n{}".format(*size) for size in SIZES])
every_form = pytest.mark.parametrize("form", FORMS)


def transitions(form, size, dtype=torch.float64):
    """Draw the four transitions: at every cell, the same at all cells, or matrices along time."""
    *_, width, n = size
    shapes = {
        "diagonals": [size] * 4,
        "fixed": [(width, n)] * 4,
        "matrices": [(width, n, n)] * 2 + [(width, n)] * 2,
        "mixed": [(width, n, n), size, (width, n), size],
    }[form]
    return tuple((0.6 * draw(*shape, seed=i, dtype=dtype)).requires_grad_() for i, shape in enumerate(shapes))


def inputs(size, dtype=torch.float64):
    return tuple(draw(*size, seed=seed, dtype=dtype).requires_grad_() for seed in (5, 6))


def at(a, t):
    return tuple(each[:, :, t] if each.ndim == 5 else each for each in a)


@every_form
@every_size
def test_equals_its_definition(size, form):
    a, b = transitions(form, size), inputs(size)
    ours, theirs = (torch.stack(f(a, b)) for f in (two_dimensional_scan, naive.two_dimensional_scan))
    if size[1] == size[2] == 1:  # no cell has another before it
        torch.testing.assert_close(ours, torch.stack(b))
    else:
        assert_same_with_gradients(ours, theirs, (*a, *b))


@every_form
def test_gradients_equal_finite_differences(form):
    size = (1, 2, 3, 2, 2)
    given = *transitions(form, size), *inputs(size)
    assert torch.autograd.gradcheck(lambda *given: two_dimensional_scan(given[:4], given[4:]), given)


@every_form
@every_size
def test_one_step_at_a_time_equals_the_whole(size, form):
    a, b = transitions(form, size), inputs(size)
    whole = two_dimensional_scan(a, b)
    states = [GridState(*(h[:, :, 0] for h in whole))]
    for t in range(1, size[2]):
        states.append(advance_two_dimensional(at(a, t), at(b, t), states[-1]))
    ours = torch.stack([torch.stack(h, dim=2) for h in zip(*states, strict=True)])
    torch.testing.assert_close(ours, torch.stack(whole))
    traced = torch.stack(_step_by_step([*a, *b]))
    torch.testing.assert_close(traced, torch.stack(whole))


def test_without_couplings_each_variate_is_a_recurrence_of_its_own():
    size = (2, 3, 13, 5, 7)
    a, b = transitions("diagonals", size), inputs(size)
    none = torch.zeros_like(a[0])
    h1, h2 = two_dimensional_scan((a[0], none, none, a[3]), b)
    along_time = linear_recurrence(a[0].movedim(2, 0), b[0].movedim(2, 0)).movedim(0, 2)
    along_variates = linear_recurrence(a[3].movedim(1, 0), b[1].movedim(1, 0)).movedim(0, 1)
    torch.testing.assert_close(h1, along_time)
    torch.testing.assert_close(h2, along_variates)


@every_form
def test_no_cell_sees_later_steps_or_variates(form):
    size = (2, 5, 13, 3, 2)
    a, b = transitions(form, size), tuple(t.detach() for t in inputs(size))
    before = two_dimensional_scan(a, b)
    for t in b:
        t[:, 3:, 7:] += 1e3
    after = two_dimensional_scan(a, b)
    for h, moved in zip(before, after, strict=True):
        assert torch.equal(h[:, :, :7], moved[:, :, :7])
        assert torch.equal(h[:, :3], moved[:, :3])
        assert not torch.equal(h[:, 3:, 7:], moved[:, 3:, 7:])


@every_form
def test_a_sample_does_not_depend_on_its_batch_mates(form):
    size = (3, 2, 11, 5, 3)
    a, b = transitions(form, size), inputs(size)
    whole = two_dimensional_scan(a, b)
    alone = two_dimensional_scan(tuple(t[1:2] if t.ndim == 5 else t for t in a), tuple(t[1:2] for t in b))
    for ours, theirs in zip(alone, whole, strict=True):
        torch.testing.assert_close(ours, theirs[1:2])


@every_form
def test_bfloat16_is_rounded_at_the_end_only(form):
    size = (2, 3, 11, 5, 3)
    a, b = transitions(form, size, torch.bfloat16), inputs(size, torch.bfloat16)
    h = two_dimensional_scan(a, b)
    wide = two_dimensional_scan(tuple(t.float() for t in a), tuple(t.float() for t in b))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        autocast = two_dimensional_scan(tuple(t.float() for t in a), tuple(t.float() for t in b))
    for ours, theirs, cast in zip(h, wide, autocast, strict=True):
        assert torch.equal(ours, theirs.bfloat16())
        assert torch.equal(cast, theirs)
    (h[0].sum() + h[1].sum()).backward()
    assert all(t.grad.dtype == torch.bfloat16 and t.grad.isfinite().all() for t in (*a, *b))


def test_nothing_is_built_that_is_larger_than_the_grid():
    size = (1, 31, 37, 2, 3)
    a, b = transitions("diagonals", size), inputs(size)
    with watch_sizes() as sizes:
        sum(h.sum() for h in two_dimensional_scan(a, b)).backward()
    assert max(sizes) == a[0].numel()


def test_small_transitions_keep_states_small_and_large_ones_do_not():
    ones = torch.ones(1, 21, 96, 1, 1, dtype=torch.float64)
    kept, passed = torch.tensor([[0.99]], dtype=torch.float64), torch.tensor([[0.0099]], dtype=torch.float64)
    bounded = two_dimensional_scan((kept, passed, passed, kept), (0.01 * ones, 0.01 * ones))
    literal = two_dimensional_scan((kept, kept, kept, kept), (0.01 * ones, 0.01 * ones))
    assert max(h.max() for h in bounded) < 0.01 / (1 - 0.9999)
    assert max(h.max() for h in literal) > 1e20


@pytest.mark.parametrize("form", ["fixed", "matrices"])
@pytest.mark.parametrize("length", [1, 7])
def test_a_closed_loop_equals_its_definition(length, form):
    a = transitions(form, (2, 3, length, 5, 4))
    b, c, k = (tuple(0.3 * draw(5, 4, seed=seed + i, dtype=torch.float64) for i in range(2)) for seed in (10, 20, 30))
    x = draw(2, 3, length, 5, seed=5, dtype=torch.float64).requires_grad_()
    ours, theirs = (
        torch.cat(f(x, 11, a=a, b=b, c=c, k=k), dim=2)
        for f in (two_dimensional_closed_loop, naive.two_dimensional_closed_loop)
    )
    assert_same_with_gradients(ours, theirs, (x, *a))


@pytest.mark.parametrize("horizon", [0, -3])
def test_a_closed_loop_of_no_steps_is_refused(horizon):
    one = (torch.ones(1, 1),) * 2
    with pytest.raises(ValueError, match=exactly(f"horizon={horizon} must be at least 1")):
        two_dimensional_closed_loop(draw(1, 1, 1, 1), horizon, a=one * 2, b=one, c=one, k=one)
