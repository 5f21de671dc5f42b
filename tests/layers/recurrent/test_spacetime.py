import math

import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.layers.recurrent.differencing import Differencing
from darts_tsformers.layers.recurrent.spacetime import Repeat, SpaceTimeBlock, SpaceTimeDecoder
from darts_tsformers.recurrence import CompanionSSM
from darts_tsformers.recurrence.naive import companion as naive
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_

F64 = torch.float64
SIZES = [(2, 29, 6, 5, 3), (1, 13, 5, 3, 5), (3, 1, 7, 3, 1), (1, 5, 1, 11, 1)]
ids = [f"B{b}-L{length}-D{d}-n{n}-K{k}" for b, length, d, n, k in SIZES]
every_size = pytest.mark.parametrize(("b", "length", "d", "n", "k"), SIZES, ids=ids)


def block(d, n, k, n_filters=0, **settings):
    filters = Differencing(d, n_filters, max_window=7) if n_filters else None
    return scatter_(SpaceTimeBlock(CompanionSSM(d, n, k), filters, **settings)).double().eval()


def decoder(d, n, k, n_out=3, **settings):
    ssm = CompanionSSM(d, n, k, closed_loop=True, skip=False)
    return scatter_(SpaceTimeDecoder(ssm, n_out, **settings)).double().eval()


def vectors_of(ssm, channel):
    return {name: vector[channel // ssm.n_heads] for name, vector in ssm.vectors().items()}


def run(ssm, u, read="c"):
    """Run each channel of each sample through its matrix."""
    of_samples = []
    for sample in u:
        channels = [naive.companion_states(x, *ab(ssm, d)) @ vectors_of(ssm, d)[read] for d, x in enumerate(sample.T)]
        of_samples.append(torch.stack(channels, dim=-1))
    return torch.stack(of_samples)


def ab(ssm, channel):
    vectors = vectors_of(ssm, channel)
    return vectors["a"], vectors["b"]


@pytest.mark.parametrize("skip_preprocessing", [False, True])
@pytest.mark.parametrize("filtered", [False, True])
@every_size
def test_a_block_equals_its_definition(b, length, d, n, k, filtered, skip_preprocessing):
    layer = block(d, n, k, d if filtered else 0, skip_preprocessing=skip_preprocessing)
    u = draw(b, length, d, seed=9, dtype=F64).requires_grad_()
    v = layer.preprocessing(u) if filtered else u
    y = run(layer.ssm, v) + layer.ssm.skip * v
    expected = y + F.gelu(y) @ layer.mix.weight.T + layer.mix.bias + (u if skip_preprocessing else v)
    assert_same_with_gradients(layer(u), expected, (u, *layer.parameters()))


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("known", [1, 2, 17])
@every_size
def test_a_block_goes_on_step_by_step(b, length, d, n, k, known, filtered):
    layer, u = block(d, n, k, d if filtered else 0), draw(b, known + length, d, seed=9, dtype=F64)
    y, state = layer.begin(u[:, :known])
    steps = [y]
    for u_t in u[:, known:].unbind(1):
        y_t, state = layer.advance(u_t, state)
        steps.append(y_t[:, None])
    torch.testing.assert_close(torch.cat(steps, dim=1), layer(u), rtol=0, atol=1e-12)


def test_steps_that_are_not_there_leave_no_trace():
    layer, u = block(5, 3, 5, 5), draw(2, 13, 5, dtype=F64)
    mask = torch.arange(13) >= torch.tensor([0, 4])[:, None]
    given = torch.where(mask[..., None], u, 0)
    y = layer(given, mask)
    torch.testing.assert_close(y[:1], layer(u[:1]))
    torch.testing.assert_close(y[1:, 4:], layer(u[1:, 4:]))
    assert (y[1, :4] == 0).all()
    begun, state = layer.begin(given, mask)
    torch.testing.assert_close(begun, y)
    torch.testing.assert_close(state.state[1:], layer.begin(u[1:, 4:])[1].state)


def fed_back(layer, u, known, horizon):
    """Walk through the equations with the matrices, channel by channel."""
    rows = []
    for sample, more in zip(u, known, strict=True):
        channels = []
        for d in range(sample.shape[-1]):
            v = vectors_of(layer.ssm, d)
            matrix, x, before, read = naive.companion_matrix(v["a"]), torch.zeros_like(v["a"]), 0.0, []
            for t in range(len(sample) + horizon):
                x = matrix @ x + v["b"] * (before + more[t, d])
                read.append(v["c"] @ x)
                before = sample[t, d] if t < len(sample) else v["k"] @ x
            channels.append(torch.stack(read))
        y = torch.stack(channels, dim=-1)
        rows.append(F.gelu(y) @ layer.project.weight.T + layer.project.bias)
    return torch.stack(rows)


@pytest.mark.parametrize("horizon", [1, 2, 7])
@every_size
def test_a_decoder_equals_its_definition(b, length, d, n, k, horizon):
    layer, u = decoder(d, n, k), draw(b, length, d, seed=9, dtype=F64).requires_grad_()
    known = draw(b, length + horizon, d, seed=8, dtype=F64).requires_grad_()
    expected = fed_back(layer, u, known, horizon)
    ahead = layer.closed_loop(layer.begin(u, known[:, :length]), horizon, known[:, length:])
    values, _ = layer.open_loop(u, known[:, : length + 1])
    ours = torch.cat([values[:, :length], ahead], dim=1)
    assert_same_with_gradients(ours, expected, (u, known, *layer.parameters()))
    torch.testing.assert_close(values[:, length], ahead[:, 0])


@every_size
def test_next_inputs_are_read_off_the_state_before_them(b, length, d, n, k):
    layer, u = decoder(d, n, k), draw(b, length, d, seed=9, dtype=F64)
    _, inputs = layer.open_loop(u)
    torch.testing.assert_close(inputs, run(layer.ssm, F.pad(u, (0, 0, 1, 0)), "k"))


@pytest.mark.parametrize("given", [1, 2, 13])
def test_a_decoder_goes_on_step_by_step(given):
    layer, u, known = decoder(5, 3, 5), draw(2, 17, 5, dtype=F64), draw(2, 22, 5, seed=1, dtype=F64)
    state = layer.begin(u[:, :given], known[:, :given])
    for t in range(given, 17):
        state = layer.advance(u[:, t], state, known[:, t])
    whole = layer.closed_loop(layer.begin(u, known[:, :17]), 5, known[:, 17:])
    torch.testing.assert_close(layer.closed_loop(state, 5, known[:, 17:]), whole, rtol=0, atol=1e-12)


def test_the_weights_of_waves_are_summed_by_whole_periods():
    """One channel swings with 11 steps, one with 4.4, which is rounded, and one does not."""
    layer = decoder(3, 2, 3, n_out=2)
    angles = torch.tensor([2 * math.pi / 11, 2 * math.pi / 4.4], dtype=F64)
    swings = torch.stack([2 * angles.cos(), torch.full((2,), -1.0, dtype=F64)], dim=-1)
    layer.ssm.norm_order = 0
    k = torch.cat([swings, torch.tensor([[0.5, 0.0]], dtype=F64)])
    vectors = {"a": torch.zeros(3, 2), "b": torch.tensor([[1.0, 0.0]]).expand(3, 2), "c": k, "k": k}
    layer.ssm.load_state_dict(vectors)
    with torch.no_grad():
        layer.project.weight.copy_(torch.tensor([[1.0, 2, 0], [-3, 0, 5]]))
    state = torch.tensor([[[1.0, 0.0]] * 3, [[3.0, 0.0]] * 3], dtype=F64)
    period, weight = layer.spectrum(state, horizon=1, longest=13)
    assert period.tolist() == [[*range(2, 14), math.inf]] * 2
    assert (weight[0] > 0).nonzero().flatten().tolist() == [2, 9, 12]
    sizes = [2 / math.sin(angles[1]), 4 / math.sin(angles[0]), 5 * 0.5]  # sin((h + 2) w) / sin(w), and 0.5^(h + 1)
    torch.testing.assert_close(weight[0, [2, 9, 12]], torch.tensor(sizes))
    torch.testing.assert_close(weight[1], 3 * weight[0])
    assert layer.spectrum(state, horizon=1, longest=5)[1][0].nonzero().flatten().tolist() == [2, 4]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_lower_precision_is_near_double(dtype):
    layer, u = decoder(5, 3, 5), draw(2, 13, 5, dtype=dtype)
    exact = layer.closed_loop(layer.begin(u.double()), 7)
    narrow = layer.to(dtype)
    out = narrow.closed_loop(narrow.begin(u), 7)
    assert out.dtype == dtype
    assert (out.double() - exact).norm() < 4 * torch.finfo(dtype).eps * exact.norm()


def test_values_are_repeated_feature_by_feature():
    x = draw(2, 7, 3)
    assert torch.equal(Repeat(3, 6)(x), torch.cat([x, x], dim=-1))
    with pytest.raises(ValueError, match=exactly("d_model=8 must be a multiple of the 3 values that are repeated")):
        Repeat(3, 8)


def test_dropout_acts_before_each_map():
    layer, head = block(5, 3, 5, dropout=0.5), decoder(5, 3, 5, dropout=0.5)
    calls, of_head = count_dropouts(layer), count_dropouts(head)
    layer(draw(2, 7, 5, dtype=F64))
    head.open_loop(draw(2, 7, 5, dtype=F64))
    assert calls == of_head == {"dropout": 1}
    dropped = block(5, 3, 5, dropout=0.999999).train()
    u = draw(1, 7, 5, dtype=F64)
    torch.testing.assert_close(dropped(u), u + dropped.ssm(u) + dropped.mix.bias)


@pytest.mark.usefixtures("unchecked")
def test_a_flag_is_a_flag():
    with pytest.raises(ValueError, match=exactly("skip_preprocessing=1 must be True or False")):
        block(5, 3, 5, skip_preprocessing=1)
