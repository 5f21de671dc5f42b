import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from darts_tsformers.layers.recurrent.chimera_stack import ChimeraStack, GatedScan
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_

ORDER = [[2, 0, 1], [1, 2, 0]]


def stack(n_layers: int = 2, **changes) -> ChimeraStack:
    return scatter_(ChimeraStack(5, n_layers=n_layers, d_state=2, **changes)).double().eval()


def cells(v: int = 3, t: int = 7) -> Tensor:
    return draw(2, v, t, 5, dtype=torch.float64).requires_grad_()


def gated(part: GatedScan, x: Tensor, order: list[list[int]]) -> Tensor:
    """Scan sample by sample, each in its order."""
    scanned = torch.empty_like(x)
    for i, at in enumerate(order):
        scanned[i, at] = part.scan(x[i : i + 1, at])[0]
    gate = F.linear(x, part.gate.weight, part.gate.bias)
    return F.linear(scanned * gate * torch.sigmoid(gate), part.out.weight, part.out.bias)


def parted(layers: ChimeraStack, x: Tensor, order: list[list[int]]) -> Tensor:
    trend = seasonal = x
    for layer in layers.layers:
        z = layer.norm(trend + seasonal)
        trend, seasonal = trend + gated(layer.trend, z, order), seasonal + gated(layer.seasonal, z, order)
    return torch.stack([trend, seasonal])


@pytest.mark.parametrize(("v", "t"), [(3, 7), (1, 5), (2, 1)])
def test_a_stack_is_what_its_equations_say(v, t):
    layers, x = stack(), cells(v, t)
    ours, theirs = torch.stack(layers(x)), parted(layers, x, [list(range(v))] * 2)
    if v > 1 and t > 1:
        assert_same_with_gradients(ours, theirs, [x, *layers.parameters()])
    else:
        torch.testing.assert_close(ours, theirs)


def test_each_sample_is_scanned_in_its_own_order():
    layers, x = stack(), cells()
    ours = torch.stack(layers(x, torch.tensor(ORDER)))
    assert_same_with_gradients(ours, parted(layers, x, ORDER), [x, *layers.parameters()])
    assert not torch.isclose(ours, torch.stack(layers(x))).all(-1).any()


def test_the_steps_of_the_trend_begin_shorter_than_those_of_the_season():
    (layer,) = ChimeraStack(97, n_layers=1, d_state=2).layers
    for name in ("dt1", "dt2"):
        short, long = (
            F.softplus(getattr(scan, name).bias)
            for part in (layer.trend, layer.seasonal)
            for scan in (part.scan.onward,)
        )
        assert 1e-3 - 1e-6 < short.min() < short.max() < 0.1 + 1e-6
        assert 0.1 - 1e-6 < long.min() < long.max() < 1 + 1e-6


def test_states_of_the_trend_last_longer():
    torch.manual_seed(0)
    (layer,) = ChimeraStack(31, n_layers=1, d_state=2).layers
    x = 0.1 + torch.zeros(1, 1, 23, 31)
    moved = x.clone()
    moved[:, :, 0] += 1
    kept = []
    for part in (layer.trend, layer.seasonal):
        felt = (part.scan(moved) - part.scan(x)).abs().mean((0, 1, 3))
        kept.append(felt[-1] / felt[1])
    assert kept[0] > 10 * kept[1]


def one_at_a_time(part: GatedScan, x: Tensor, order: list[list[int]]) -> Tensor:
    """Measure for each sample, in its order, how large what comes of each variate is in the output of each."""
    sizes = torch.empty(2, 3, 3, dtype=torch.float64)
    for i, at in enumerate(order):
        gate = F.silu(part.gate(x[i : i + 1, at]))
        for column, share in zip(at, part.scan.shares(x[i : i + 1, at]), strict=True):
            out = (share * gate) @ part.out.weight.mT
            for row, let_out in zip(at, out[0], strict=True):
                sizes[i, row, column] = let_out.abs().mean()
    return sizes / sizes.sum(-1, keepdim=True)


@pytest.mark.parametrize("order", [[[0, 1, 2]] * 2, ORDER], ids=["given", "of each"])
@torch.no_grad()
def test_what_is_recorded_is_how_much_comes_of_each_variate(order):
    layers, x = stack(1), cells()
    with recording("attention") as record:
        layers(x, None if order[0] == order[1] else torch.tensor(order))
    (layer,) = layers.layers
    z = layer.norm(2 * x)
    for part, entry in zip((layer.trend, layer.seasonal), record["attention"], strict=True):
        assert entry.module is part
        torch.testing.assert_close(entry.tensors["weights"], one_at_a_time(part, z, order)[:, None])


def test_what_is_let_out_is_dropped_at_times():
    layers = stack(dropout=0.5).train()
    calls = count_dropouts(layers)
    layers(cells())
    assert calls == {"layers.0.dropout": 2, "layers.1.dropout": 2}


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"coupling": "none"}, "coupling='none' must be one of ['bounded', 'exp', 'linear']"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        stack(**changes)
