import math

import pytest
import torch

from darts_tsformers.layers.recurrent.differencing import Differencing
from tests.helpers import assert_same_with_gradients, draw, exactly

CASES = [(2, 29, 15, 5, 4, 11), (1, 61, 7, 7, 13, 47), (3, 5, 6, 6, 7, 7), (2, 1, 5, 5, 4, 11), (1, 13, 1, 1, 4, 11)]
ids = [f"B{b}-L{n}-D{d}-k{k}-w{low}..{high}" for b, n, d, k, low, high in CASES]
every_case = pytest.mark.parametrize(("b", "n", "d", "k", "low", "high"), CASES, ids=ids)


def layer(d, k, low=4, high=11, **settings):
    return Differencing(d, k, min_window=low, max_window=high, **settings)


def by_loops(filters, u):
    """Filter step by step: what was before the window counts as 0."""
    _, length, d_model = u.shape
    windows = iter(filters.windows.flatten().tolist())
    channels = []
    for d in range(d_model):
        order = d % filters.n_kernels
        if order < 4:
            taps = [(-1) ** i * math.comb(order, i) for i in range(order + 1)]
        else:
            window = next(windows)
            taps = [(i == 0) - 1 / window for i in range(window)]
        series = u[..., d]
        steps = [sum(tap * series[:, t - i] for i, tap in enumerate(taps) if i <= t) for t in range(length)]
        channels.append(torch.stack(steps, dim=-1))
    return torch.stack(channels, dim=-1)


@every_case
def test_equals_its_definition(b, n, d, k, low, high):
    filters = layer(d, k, low, high)
    u = draw(b, n, d, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(filters(u), by_loops(filters, u), (u,))


@every_case
def test_advancing_equals_the_whole_pass(b, n, d, k, low, high):
    filters, u = layer(d, k, low, high), draw(b, n + 17, d, dtype=torch.float64)
    begun, past = filters.begin(u[:, :n])
    steps = [begun]
    for u_t in u[:, n:].unbind(1):
        y_t, past = filters.advance(u_t, past)
        steps.append(y_t[:, None])
    torch.testing.assert_close(torch.cat(steps, dim=1), filters(u), rtol=0, atol=1e-14)
    torch.testing.assert_close(past, filters.begin(u)[1], rtol=0, atol=0)


def test_a_polynomial_is_differenced_away():
    steps = torch.arange(29, dtype=torch.float64)
    y = layer(4, 4)((steps**2 + 3 * steps)[None, :, None].expand(1, 29, 4))
    assert (y[0, 3:, 2] == 2).all()
    assert (y[0, 3:, 3] == 0).all()


def test_a_constant_leaves_no_residual_once_the_window_is_full():
    filters = layer(14, 7, 5, 13)
    y = filters(torch.ones(1, 29, 14, dtype=torch.float64)).unflatten(-1, (2, 7))[0, :, :, 4:]
    for series, window in zip(y.flatten(1).T, filters.windows.flatten().tolist(), strict=True):
        torch.testing.assert_close(series[window - 1 :], torch.zeros(30 - window, dtype=torch.float64))
        assert (series[: window - 1] > 0).all()


def test_windows_are_drawn_within_their_range_and_by_their_seed():
    filters = Differencing(800, 8)
    assert filters.windows.shape == (100, 4)
    assert set(filters.windows.flatten().tolist()) == set(range(4, 64))
    assert torch.equal(filters.windows, Differencing(800, 8).windows)
    assert not torch.equal(filters.windows, Differencing(800, 8, seed=1).windows)


def test_windows_are_saved():
    saved, other = layer(14, 7, seed=1), layer(14, 7, seed=2)
    other.load_state_dict(saved.state_dict(), strict=True)
    u = draw(2, 13, 14)
    assert torch.equal(other(u), saved(u))
    assert list(saved.state_dict()) == ["windows"]
    assert list(saved.parameters()) == []


def test_the_past_does_not_move_when_the_future_does():
    filters, u = layer(7, 7), draw(2, 29, 7)
    moved = torch.cat([u[:, :17], u[:, 17:] + 1e3], dim=1)
    assert torch.equal(filters(moved)[:, :17], filters(u)[:, :17])


def test_a_sample_does_not_depend_on_its_batch_mates():
    filters, u = layer(7, 7), draw(3, 13, 7)
    torch.testing.assert_close(filters(u)[1:2], filters(u[1:2]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_type_is_kept(dtype):
    filters, u = layer(7, 7), draw(2, 13, 7, dtype=dtype)
    assert filters(u).dtype == dtype
    torch.testing.assert_close(filters(u).double(), filters(u.double()), rtol=1e-2, atol=8 * torch.finfo(dtype).eps)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"d_model": 8, "n_kernels": 0}, "n_kernels=0 must be an integer of at least 1"),
        ({"d_model": 12, "n_kernels": 8}, "n_kernels=8 must divide d_model=12"),
        ({"d_model": 8, "min_window": 0}, "min_window=0 must be an integer of at least 1"),
        ({"d_model": 8, "min_window": 7, "max_window": 5}, "max_window=5 must be an integer of at least 7"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_refused(settings, message):
    with pytest.raises(ValueError, match=exactly(message)):
        Differencing(**settings)
