import math

import pytest
import torch

from darts_tsformers.recurrence import (
    CompanionSSM,
    companion_kernel,
    companion_modes,
    companion_rollout,
    companion_state,
    companion_step,
    rollout_waves,
)
from darts_tsformers.recurrence.companion import normalised
from darts_tsformers.recurrence.naive import companion as naive
from tests.helpers import assert_same_with_gradients, draw, exactly

SIZES = [(3, 5, 29), (2, 7, 5), (1, 1, 13), (1, 1, 1), (2, 3, 1), (1, 2, 2), (2, 11, 61)]
ids = [f"K{k}-n{n}-L{length}" for k, n, length in SIZES]
LAYERS = [(2, 29, 6, 5, 3), (1, 31, 1, 3, 1), (3, 13, 5, 1, 5), (2, 1, 7, 3, 1), (1, 5, 2, 11, 2)]
layer_ids = [f"B{b}-L{length}-D{d}-n{n}-K{k}" for b, length, d, n, k in LAYERS]


def vectors(k, n, names="abck", dtype=torch.float64):
    drawn = {name: draw(k, n, seed=seed, dtype=dtype) for seed, name in enumerate(names)}
    return {name: normalised(vector, 1).requires_grad_() for name, vector in drawn.items()}


def layer(d_model, d_state, n_kernels=None, seed=0, dtype=torch.float64, **settings):
    ssm = CompanionSSM(d_model, d_state, n_kernels, **settings).to(dtype)
    with torch.no_grad():
        for i, parameter in enumerate(ssm.parameters()):
            parameter.copy_(draw(*parameter.shape, seed=10 * seed + i))
    return ssm


def by_definition(ssm, u, output="c"):
    """Run each channel of each sample through its matrix."""
    used, n_heads = ssm.vectors(), u.shape[-1] // len(ssm.a)
    rows = []
    for sample in u:
        channels = []
        for d, series in enumerate(sample.T):
            a, b, read = (used[name][d // n_heads] for name in ("a", "b", output))
            channels.append(naive.companion_states(series, a, b) @ read)
        rows.append(torch.stack(channels, dim=-1))
    y = torch.stack(rows)
    return y if ssm.skip is None or output == "k" else y + ssm.skip * u


def fed_back(ssm, u, horizon):
    """Forecast by advancing: each next input is fed back."""
    y, state = ssm.begin(u)
    k = ssm.vectors()["k"].repeat_interleave(ssm.n_heads, dim=0)
    outputs, inputs = [y[:, -1]], []
    for _ in range(horizon):
        inputs.append((k * state).sum(-1))
        y_next, state = ssm.advance(inputs[-1], state)
        outputs.append(y_next)
    return torch.stack(outputs[:-1], dim=1), torch.stack(inputs, dim=1)


@pytest.mark.parametrize(("k", "n", "length"), SIZES, ids=ids)
def test_a_kernel_equals_its_definition(k, n, length):
    a, b, c = vectors(k, n, "abc").values()
    expected = torch.stack([naive.companion_kernel(*each, length) for each in zip(a, b, c, strict=True)])
    assert_same_with_gradients(companion_kernel(a, b, c, length), expected, (a, b, c))


@pytest.mark.parametrize(("k", "n", "length"), SIZES, ids=ids)
def test_a_state_equals_its_definition(k, n, length):
    a, b = vectors(k, n, "ab").values()
    u = draw(k, length, seed=7, dtype=torch.float64).requires_grad_()
    expected = torch.stack([naive.companion_states(*each)[-1] for each in zip(u, a, b, strict=True)])
    assert_same_with_gradients(companion_state(u, a, b), expected, (u, a, b))


@pytest.mark.parametrize(("k", "n", "horizon"), SIZES, ids=ids)
def test_a_rollout_equals_its_definition(k, n, horizon):
    used = vectors(k, n)
    state = draw(k, n, seed=7, dtype=torch.float64).requires_grad_()
    pairs = [naive.companion_rollout(*each, horizon) for each in zip(state, *used.values(), strict=True)]
    expected = torch.stack([torch.stack(parts) for parts in zip(*pairs, strict=True)])
    ours = torch.stack(companion_rollout(state, **used, horizon=horizon))
    assert_same_with_gradients(ours, expected, (state, *used.values()))


@pytest.mark.parametrize(("k", "n", "horizon"), SIZES, ids=ids)
def test_a_driven_rollout_equals_its_definition(k, n, horizon):
    used = vectors(k, n)
    state = draw(k, n, seed=7, dtype=torch.float64).requires_grad_()
    drive = draw(k, horizon, seed=8, dtype=torch.float64).requires_grad_()
    each = zip(state, *used.values(), drive, strict=True)
    pairs = [naive.companion_rollout(*vectors, horizon, e) for *vectors, e in each]
    expected = torch.stack([torch.stack(parts) for parts in zip(*pairs, strict=True)])
    ours = torch.stack(companion_rollout(state, **used, horizon=horizon, drive=drive))
    assert_same_with_gradients(ours, expected, (state, drive, *used.values()))


@pytest.mark.parametrize(("b", "length", "d", "n", "k"), LAYERS, ids=layer_ids)
def test_going_on_from_a_state_adds_the_drive_to_what_is_fed_back(b, length, d, n, k):
    ssm, u = layer(d, n, k, closed_loop=True, skip=False), draw(b, length, d, seed=99, dtype=torch.float64)
    drive = draw(b, 7, d, seed=98, dtype=torch.float64)
    outputs, inputs = ssm.ahead(ssm.begin(u)[1], 7, drive)
    whole = torch.cat([u, inputs[:, :-1] + drive[:, :-1]], dim=1)
    torch.testing.assert_close(outputs, ssm(whole)[:, -7:])
    torch.testing.assert_close(inputs, ssm.next_inputs(whole)[:, -7:])


def test_gradients_are_those_of_differences():
    a, b, c, k = vectors(2, 3).values()
    u, state = draw(2, 5, seed=7, dtype=torch.float64), draw(2, 3, seed=8, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda *x: companion_kernel(*x, 7), (a, b, c))
    assert torch.autograd.gradcheck(companion_state, (u.requires_grad_(), a, b))
    assert torch.autograd.gradcheck(lambda *x: companion_rollout(*x, 5), (state.requires_grad_(), a, b, c, k))


@pytest.mark.parametrize("closed_loop", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize(("b", "length", "d", "n", "k"), LAYERS, ids=layer_ids)
def test_a_layer_equals_its_definition(b, length, d, n, k, closed_loop):
    ssm = layer(d, n, k, closed_loop=closed_loop)
    u = draw(b, length, d, seed=99, dtype=torch.float64).requires_grad_()
    assert_same_with_gradients(ssm(u), by_definition(ssm, u), (u, *ssm.parameters()))
    if closed_loop:
        assert_same_with_gradients(ssm.next_inputs(u), by_definition(ssm, u, "k"), (u, *ssm.parameters()))


@pytest.mark.parametrize(("b", "length", "d", "n", "k"), LAYERS, ids=layer_ids)
def test_advancing_equals_the_whole_pass(b, length, d, n, k):
    ssm, u = layer(d, n, k), draw(b, length + 17, d, seed=99, dtype=torch.float64)
    begun, state = ssm.begin(u[:, :length])
    steps = []
    for u_t in u[:, length:].unbind(1):
        y_t, state = ssm.advance(u_t, state)
        steps.append(y_t)
    torch.testing.assert_close(torch.cat([begun, torch.stack(steps, dim=1)], dim=1), ssm(u), rtol=0, atol=1e-12)
    torch.testing.assert_close(state, ssm.begin(u)[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("horizon", [1, 2, 19])
@pytest.mark.parametrize(("b", "length", "d", "n", "k"), LAYERS, ids=layer_ids)
def test_a_forecast_feeds_its_next_inputs_back(b, length, d, n, k, horizon):
    ssm, u = layer(d, n, k, closed_loop=True), draw(b, length, d, seed=99, dtype=torch.float64)
    for ours, theirs in zip(ssm.forecast(u, horizon), fed_back(ssm, u, horizon), strict=True):
        largest = theirs.abs().max().clamp(min=1)  # the loop of a state of size 1 doubles
        torch.testing.assert_close(ours / largest, theirs / largest, rtol=0, atol=1e-13)


@pytest.mark.parametrize("form", ["inputs", "outputs"])
def test_an_autoregressive_process_is_represented(form):
    """The coefficients stand in ``c`` over past inputs, or in ``a`` over past forecasts of a free run."""
    coefficients = torch.tensor([0.5, -0.3, 0.7, -0.2, 0.1], dtype=torch.float64)
    series = list(draw(17, dtype=torch.float64).unbind())
    one_step = [
        sum(phi * series[t - i] for i, phi in enumerate(coefficients) if i <= t).item() for t in range(len(series))
    ]
    run = list(series)
    for _ in range(23):
        run.append(sum(phi * value for phi, value in zip(coefficients, run[::-1], strict=False)))
    rolled = torch.stack(run[17:])
    latest, last = torch.eye(5, dtype=torch.float64)[[0, -1]]
    if form == "inputs":
        ssm = layer(1, 5, closed_loop=True, skip=False, norm_order=0)
        used = {"a": torch.zeros(5), "b": latest, "c": coefficients, "k": coefficients}
        ssm.load_state_dict({name: vector[None] for name, vector in used.items()})
        u = torch.stack(series)[None, :, None]
        torch.testing.assert_close(ssm(u).flatten(), torch.tensor(one_step, dtype=torch.float64))
        outputs, inputs = ssm.forecast(u, 23)
        torch.testing.assert_close(outputs.flatten(), rolled)
        torch.testing.assert_close(inputs.flatten(), rolled)
    else:
        a = coefficients.flip(0)
        first = torch.stack(run[17:22])
        by_recurrence = companion_kernel(a, latest, first, 23)  # the first n steps, and the recurrence from there
        torch.testing.assert_close(by_recurrence, rolled)
        response = companion_kernel(a, last, last, 23)
        pulse = [1.0, 0.5, -0.05]  # 1, phi_1, phi_1^2 + phi_2
        torch.testing.assert_close(response[:3], torch.tensor(pulse, dtype=torch.float64))


EXTREME = {
    "integrator": [0.0, 0, 0, 1],
    "period": [1.0, 0, 0, 0],
    "half period": [-1.0, 0, 0, 0],
    "alternating": [0.0, 0, 0, -1],
    "equal": [1.0, 1, 1, 1],
    "signs": [-1.0, 1, -1, 1],
    "huge": [1e30, -1e30, 1e30, 1e30],
    "tiny": [1e-3, 1e-3, -1e-3, 1e-3],
    "below the guard": [1e-5, 0, 1e-5, 0],
    "zero": [0.0, 0, 0, 0],
}


@pytest.mark.parametrize("name", EXTREME)
def test_no_kernel_outgrows_its_bound(name):
    a = normalised(torch.tensor(EXTREME[name]), 1)
    b, c = 7 * draw(4, seed=1), 3 * draw(4, seed=2)
    for b_, c_ in ((b, c), (b.abs(), c.abs()), (torch.eye(4)[0], torch.eye(4)[3])):
        kernel = companion_kernel(a, b_, c_, 4096)
        assert kernel.abs().max() <= 2.001 * b_.abs().sum() * c_.abs().sum()


@pytest.mark.parametrize("n", [1, 4, 64, 256])
def test_random_kernels_do_not_outgrow_their_bound(n):
    a, b, c = (draw(7, n, seed=seed) for seed in range(3))
    kernel = companion_kernel(normalised(a, 1), b, c, 4096)
    assert (kernel.abs().amax(-1) <= 2.001 * b.abs().sum(-1) * c.abs().sum(-1)).all()


def test_a_closed_loop_may_double_every_n_steps():
    first, last = torch.eye(8, dtype=torch.float64)[[0, -1]]
    outputs, _ = companion_rollout(last, a=first, b=first, c=last, k=last, horizon=8 * 11)
    torch.testing.assert_close(outputs[::8], 2.0 ** torch.arange(11, dtype=torch.float64))


def test_an_open_loop_that_grows_does_not_spoil_a_closed_one_that_does_not():
    a, b = torch.tensor([[0.2, 1.4], [1, 0]], dtype=torch.float64)  # the open loop grows by 1.5 a step
    k = torch.tensor([-0.5, -1.39], dtype=torch.float64)
    state, c = draw(2, dtype=torch.float64), draw(2, seed=1, dtype=torch.float64)
    outputs, inputs = companion_rollout(state, a, b, c, k, horizon=199)
    for ours, theirs in zip((outputs, inputs), naive.companion_rollout(state, a, b, c, k, 199), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    assert outputs[-1].abs() < 1


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_vectors_have_the_norm_asked_for(order):
    x = draw(5, 7, dtype=torch.float64)
    if order == 0:
        assert normalised(x, order) is x
    else:
        torch.testing.assert_close(normalised(x, order).norm(p=order, dim=-1), torch.ones(5, dtype=torch.float64))


def test_a_vector_too_small_to_divide_by_stays_as_it_is():
    x = torch.stack([torch.full((3,), 3e-5), torch.full((3,), 4e-5), torch.zeros(3)]).requires_grad_()
    out = normalised(x, 1)
    torch.testing.assert_close(out, torch.stack([x[0], torch.full((3,), 1 / 3), x[2]]))
    assert out.sum().backward() is None
    assert x.grad.isfinite().all()


def test_only_the_closed_loop_normalises_all_vectors():
    opened, closed = layer(3, 5), layer(3, 5, closed_loop=True)
    assert {name: bool((v.abs().sum(-1) - 1).abs().max() < 1e-12) for name, v in opened.vectors().items()} == {
        "a": True,
        "b": False,
        "c": False,
    }
    assert all((v.abs().sum(-1) - 1).abs().max() < 1e-12 for v in closed.vectors().values())
    assert closed.vectors().keys() == {"a", "b", "c", "k"}


def test_the_past_does_not_move_when_the_future_does():
    ssm, u = layer(3, 5), draw(2, 29, 3, dtype=torch.float64)
    moved = torch.cat([u[:, :17], u[:, 17:] + 1e3], dim=1)
    torch.testing.assert_close(ssm(moved)[:, :17], ssm(u)[:, :17], rtol=0, atol=1e-11)
    assert (ssm(moved)[:, 17] - ssm(u)[:, 17]).abs().min() > 1


def test_a_sample_does_not_depend_on_its_batch_mates():
    ssm, u = layer(3, 5, closed_loop=True), draw(3, 13, 3, dtype=torch.float64)
    torch.testing.assert_close(ssm(u)[1:2], ssm(u[1:2]))
    torch.testing.assert_close(ssm.forecast(u, 7)[0][1:2], ssm.forecast(u[1:2], 7)[0])


def test_a_channel_has_the_kernel_of_its_group():
    ssm = layer(6, 5, 3, skip=False)
    u = draw(2, 13, 1, dtype=torch.float64).expand(-1, -1, 6)
    y = ssm(u)
    torch.testing.assert_close(y[..., 0::2], y[..., 1::2])
    assert (y[..., 0] - y[..., 2]).abs().max() > 0.1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_lower_precision_is_near_double(dtype):
    exact, ssm = layer(3, 5, closed_loop=True), layer(3, 5, closed_loop=True, dtype=dtype)
    exact.load_state_dict(ssm.state_dict())
    u = draw(2, 29, 3, dtype=dtype)
    wide = u.double()
    (y, state), (outputs, inputs) = ssm.begin(u), ssm.forecast(u, 7)
    step, _ = ssm.advance(u[:, -1], state)
    assert {t.dtype for t in (y, outputs, inputs, step, ssm.next_inputs(u))} == {dtype}
    assert state.dtype == torch.float32
    tolerance = {"rtol": torch.finfo(dtype).eps, "atol": 4 * torch.finfo(dtype).eps}
    torch.testing.assert_close(y.double(), exact(wide), **tolerance)
    torch.testing.assert_close(outputs.double(), exact.forecast(wide, 7)[0], **tolerance)
    torch.testing.assert_close(step.double(), exact.advance(wide[:, -1], exact.begin(wide)[1])[0], **tolerance)
    y.sum().backward()
    assert ssm.a.grad.dtype == dtype
    assert ssm.a.grad.isfinite().all()


def test_autocast_changes_nothing():
    ssm, u = layer(3, 5, closed_loop=True, dtype=torch.float32), draw(2, 29, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y, outputs = ssm(u), ssm.forecast(u, 7)[0]
    assert torch.equal(y, ssm(u))
    assert torch.equal(outputs, ssm.forecast(u, 7)[0])


def test_no_matrix_is_built():
    sizes = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            sizes.extend(t.numel() for t in (out if isinstance(out, tuple) else [out]) if isinstance(t, torch.Tensor))
            return out

    with Watch():
        layer(1, 256)(draw(1, 512, 1, dtype=torch.float64))
    assert max(sizes) < 3 * (512 + 256)


def test_a_step_equals_the_matrix():
    a, b = (vector[0] for vector in vectors(1, 5, "ab").values())
    x, u = draw(5, seed=7, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64)
    torch.testing.assert_close(companion_step(u, x, a, b), naive.companion_matrix(a) @ x + 3 * b)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"d_model": 0, "d_state": 3}, "d_model=0 must be an integer of at least 1"),
        ({"d_model": 3, "d_state": 0}, "d_state=0 must be an integer of at least 1"),
        ({"d_model": 3, "d_state": 2.0}, "d_state=2.0 must be an integer of at least 1"),
        ({"d_model": 3, "d_state": 2, "n_kernels": 0}, "n_kernels=0 must be an integer of at least 1"),
        ({"d_model": 3, "d_state": 2, "n_kernels": 2}, "n_kernels=2 must divide d_model=3"),
        ({"d_model": 3, "d_state": 2, "norm_order": -1}, "norm_order=-1 must be an integer of at least 0"),
        ({"d_model": 3, "d_state": 2, "closed_loop": 1}, "closed_loop=1 must be True or False"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments_are_refused(settings, message):
    with pytest.raises(ValueError, match=exactly(message)):
        CompanionSSM(**settings)


def test_a_forecast_needs_a_closed_loop_and_a_horizon():
    u = draw(1, 3, 1)
    with pytest.raises(ValueError, match=exactly("closed_loop=False must be True for forecast")):
        CompanionSSM(1, 2).forecast(u, 3)
    with pytest.raises(ValueError, match=exactly("closed_loop=False must be True for next_inputs")):
        CompanionSSM(1, 2).next_inputs(u)
    with pytest.raises(ValueError, match=exactly("closed_loop=False must be True for ahead")):
        CompanionSSM(1, 2).ahead(draw(1, 1, 2), 3)
    with pytest.raises(ValueError, match=exactly("horizon=0 must be an integer of at least 1")):
        CompanionSSM(1, 2, closed_loop=True).forecast(u, 0)


@pytest.mark.usefixtures("unchecked")
def test_inputs_of_another_width_are_refused():
    ssm, u = layer(3, 5, closed_loop=True), draw(2, 7, 1, dtype=torch.float64)
    state = ssm.begin(u.expand(-1, -1, 3))[1]
    for run in (ssm, ssm.begin, ssm.next_inputs, lambda u: ssm.forecast(u, 2), lambda u: ssm.advance(u[:, 0], state)):
        with pytest.raises(ValueError, match=exactly("u has 1 channels instead of d_model=3")):
            run(u)


def ar2(period, radius):
    return torch.tensor([2 * radius * math.cos(2 * math.pi / period), -(radius**2)], dtype=torch.float64)


@pytest.mark.parametrize("n", [2, 3, 7, 64])
def test_the_period_of_an_autoregressive_process_is_read_off(n):
    coefficients = torch.cat([ar2(11, 0.95), torch.zeros(n - 2, dtype=torch.float64)])
    nothing, latest = torch.zeros(n, dtype=torch.float64), torch.eye(n, dtype=torch.float64)[0]
    (closed,) = companion_modes(a=nothing, b=latest, c=coefficients, k=coefficients)
    (opened,) = companion_modes(a=coefficients.flip(0), b=latest, c=coefficients)
    for mode in (closed, opened):
        assert mode.period == pytest.approx(11, abs=1e-9)
        assert mode.half_life == pytest.approx(math.log(0.5) / math.log(0.95))
    assert companion_modes(a=nothing, b=latest, c=coefficients) == []


@pytest.mark.parametrize("closed_loop", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_modes_add_up_to_the_impulse_response(n, closed_loop):
    used = {name: 0.7 * vector[0].detach() for name, vector in vectors(1, n, "abck" if closed_loop else "abc").items()}
    if closed_loop:
        expected, _ = companion_rollout(used["b"], **used, horizon=29)
    else:
        expected = companion_kernel(**used, length=29)
    modes, steps = companion_modes(**used), torch.arange(29, dtype=torch.float64)
    assert [mode.weight for mode in modes] == sorted((mode.weight for mode in modes), reverse=True)
    waves = []
    for mode in modes:
        angle, fall = 2 * math.pi * steps / mode.period, 2 ** (-steps / mode.half_life)
        waves += [fall * angle.cos(), fall * angle.sin()]
    fitted = torch.linalg.lstsq(torch.stack(waves, dim=-1), expected[:, None], driver="gelsd").solution
    torch.testing.assert_close((torch.stack(waves, dim=-1) @ fitted)[:, 0], expected, rtol=0, atol=1e-10)
    weights = fitted[:, 0].unflatten(0, (-1, 2)).norm(dim=-1)
    torch.testing.assert_close(weights, torch.tensor([mode.weight for mode in modes], dtype=torch.float64))


def test_modes_tell_trends_and_growth():
    a = torch.tensor([-0.5, 1.5], dtype=torch.float64)  # eigenvalues 1 and 0.5
    first, last = torch.eye(2, dtype=torch.float64)
    stays, falls = companion_modes(a, last, last)
    assert (stays.period, stays.weight) == (math.inf, pytest.approx(2))
    assert abs(stays.half_life) > 1e12
    assert falls == (math.inf, pytest.approx(1), pytest.approx(1))
    (grows,) = companion_modes(torch.tensor([-2.0]), torch.ones(1), torch.ones(1))
    assert grows == (pytest.approx(2), pytest.approx(-1), pytest.approx(1))
    equal = companion_modes(torch.tensor([-0.25, 1.0], dtype=torch.float64), first, last)
    assert all(mode.weight > 1e3 for mode in equal)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_waves_of_a_roll_out_are_those_that_fit_it(n):
    used = {name: vector[0].detach() for name, vector in vectors(1, n).items()}
    states, horizon = draw(3, n, seed=7, dtype=torch.float64), 7
    periods, sizes = rollout_waves(states, **used, horizon=horizon)
    closed = naive.companion_matrix(used["a"]) + torch.outer(used["b"], used["k"])
    roots = torch.linalg.eigvals(closed)
    powers = roots ** torch.arange(4 * n)[:, None]
    found = {}
    for i, state in enumerate(states):
        steps = naive.companion_rollout(state, **used, horizon=4 * n)[0]
        parts = torch.linalg.lstsq(powers, steps.to(powers.dtype)[:, None]).solution[:, 0]
        for root, part in zip(roots, parts, strict=True):
            if root.imag >= -1e-12:
                period = 2 * math.pi / root.angle().item() if abs(root.imag) > 1e-12 or root.real < 0 else math.inf
                decay = (root.abs() ** (2 * torch.arange(horizon))).mean().sqrt()
                size = part.abs() * (2 if root.imag > 1e-12 else 1) * decay
                found.setdefault(abs(period), []).append((i, size.item()))
    for period, size in zip(periods.tolist(), sizes.T, strict=True):
        (nearest,) = [of for other, of in found.items() if other == period or abs(other - period) < 1e-6]
        torch.testing.assert_close(size, torch.tensor([one for _, one in nearest], dtype=torch.float64))
    assert len(periods) == len(found)
