import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.layers.recurrent import chimera
from darts_tsformers.layers.recurrent.chimera import COUPLINGS, ChimeraLayer
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

every_coupling = pytest.mark.parametrize("coupling", COUPLINGS)
either_way = pytest.mark.parametrize("bidirectional", [False, True], ids=["onward", "both ways"])


def a_layer(d_model=5, d_state=3, **other):
    return scatter_(ChimeraLayer(d_model, d_state, **other).double().eval())


def grid(b, v, t, d=5):
    return draw(b, v, t, d, seed=7, dtype=torch.float64)


@pytest.mark.parametrize("input_zoh", [False, True])
@either_way
@every_coupling
@pytest.mark.parametrize(("v", "t"), [(3, 11), (1, 7), (7, 2)])
def test_one_step_at_a_time_equals_the_whole(v, t, coupling, bidirectional, input_zoh):
    layer = a_layer(coupling=coupling, bidirectional=bidirectional, input_zoh=input_zoh)
    x = grid(2, v, t)
    y, states = layer.begin(x[:, :, :1])
    rows = [y]
    for step in range(1, t):
        y, states = layer.advance(x[:, :, step], states)
        rows.append(y[:, :, None])
    torch.testing.assert_close(torch.cat(rows, dim=2), layer(x))


@pytest.mark.parametrize("input_zoh", [False, True])
@every_coupling
@torch.no_grad()
def test_equals_a_loop_over_its_equations(coupling, input_zoh):
    layer, x = a_layer(coupling=coupling, input_zoh=input_zoh, bidirectional=False), grid(2, 3, 5)
    scan = layer.onward
    h1, h2 = torch.zeros(2, 2, 3, 6, 5, 3, dtype=torch.float64)
    y = torch.empty_like(x)
    for v in range(3):
        for t in range(5):
            here = x[:, v, t]
            d1, d2 = (F.softplus(dt(here))[..., None] for dt in (scan.dt1, scan.dt2))
            alpha1, alpha4 = scan.A1_log.exp(), scan.A4_log.exp()
            a1, a4 = (-d1 * alpha1).exp(), (-d2 * alpha4).exp()
            if coupling == "exp":
                a2, a3 = (-d1 * scan.A2_log.exp()).exp(), (-d2 * scan.A3_log.exp()).exp()
            elif coupling == "linear":
                a2, a3 = d1 * scan.A2, d2 * scan.A3
            else:
                a2, a3 = (1 - a1) * torch.tanh(scan.A2 / alpha1), (1 - a4) * torch.tanh(scan.A3 / alpha4)
            g1, g2 = ((1 - a1) / alpha1, (1 - a4) / alpha4) if input_zoh else (d1, d2)
            above = (h1[:, v - 1, t + 1], h2[:, v - 1, t + 1]) if v else (0, 0)
            before = h1[:, v, t].clone(), h2[:, v, t].clone()
            h1[:, v, t + 1] = a1 * before[0] + a2 * before[1] + g1 * scan.B1(here)[:, None] * here[..., None]
            h2[:, v, t + 1] = a3 * above[0] + a4 * above[1] + g2 * scan.B2(here)[:, None] * here[..., None]
            read = h1[:, v, t + 1] * scan.C1(here)[:, None] + h2[:, v, t + 1] * scan.C2(here)[:, None]
            y[:, v, t] = read.sum(-1) + scan.D * here
    torch.testing.assert_close(layer(x), y)


@either_way
@torch.no_grad()
def test_shares_are_what_each_variate_adds_to_the_output(bidirectional):
    layer, x = a_layer(bidirectional=bidirectional), grid(2, 3, 7)
    scans = [layer.onward] + [layer.reverse] * bidirectional
    shares = list(layer.shares(x))
    torch.testing.assert_close(sum(shares), layer(x) - sum(scan.D for scan in scans) * x)
    for v, share in enumerate(shares):
        seen = share.abs().amax((0, 2, 3)) > 0
        assert seen.tolist() == [bidirectional or other >= v for other in range(3)]


@torch.no_grad()
def test_a_share_is_the_output_for_an_input_of_one_variate_alone():
    layer, x = a_layer(), grid(2, 3, 7)
    for scan in (layer.onward, layer.reverse):
        for selecting in (scan.dt1, scan.dt2, scan.B1, scan.B2, scan.C1, scan.C2):
            selecting.weight.zero_()
        for by in (scan.B1, scan.B2, scan.C1, scan.C2):
            by.bias = torch.nn.Parameter(torch.ones(3, dtype=torch.float64))  # nothing depends on the input now
        scan.D.zero_()
    for v, share in enumerate(layer.shares(x)):
        torch.testing.assert_close(share, layer(torch.zeros_like(x).index_copy(1, torch.tensor(v), x[:, v : v + 1])))


@either_way
def test_no_later_step_is_seen(bidirectional):
    layer, x = a_layer(bidirectional=bidirectional), grid(2, 3, 13)
    before = layer(x)
    x[:, :, 7:] += 3
    after = layer(x)
    assert torch.equal(before[:, :, :7], after[:, :, :7])
    assert not torch.equal(before[:, :, 7:], after[:, :, 7:])


@either_way
def test_variates_after_are_seen_in_reverse_only(bidirectional):
    layer, x = a_layer(bidirectional=bidirectional), grid(1, 5, 7)
    before = layer(x)
    x[:, 3] += 1
    moved = (layer(x) != before).any(-1).any(-1)[0].tolist()
    assert moved == [bidirectional] * 3 + [True] * 2


@pytest.mark.parametrize("samples", [1, 2])
def test_a_large_batch_is_scanned_in_parts(samples, monkeypatch):
    layer, x = a_layer(), grid(5, 3, 7).requires_grad_()
    whole, states = layer.begin(x)
    monkeypatch.setattr(chimera, "PART", samples * 3 * 7 * 5 * 3 + 1)
    in_parts, other_states = layer.begin(x)
    assert_same_with_gradients(in_parts, whole, (x, *layer.parameters()))
    for state, other in zip(states, other_states, strict=True):
        torch.testing.assert_close(tuple(other), tuple(state))


def test_any_number_of_variates_will_do():
    layer = a_layer()
    for v in (1, 2, 11):
        x = grid(2, v, 7)
        assert layer(x).shape == x.shape


def test_a_sample_does_not_depend_on_its_batch_mates():
    layer, x = a_layer(), grid(3, 3, 11)
    torch.testing.assert_close(layer(x[1:2]), layer(x)[1:2])


@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_a_bounded_coupling_is_within_its_bound(scale):
    scan = a_layer(coupling="bounded").onward
    with torch.no_grad():
        for coupling in (scan.A2, scan.A3):
            coupling.mul_(scale)
    (a1, a2, a3, a4), _, _ = scan._discrete(grid(2, 3, 5))
    for own, other in ((a1, a2), (a4, a3)):
        assert (own + other.abs()).max() <= 1
        assert other.abs().max() > 0.01


def test_a_weak_bounded_coupling_is_a_linear_one():
    bounded, linear = a_layer(coupling="bounded"), a_layer(coupling="linear")
    with torch.no_grad():
        for scan in (bounded.onward, bounded.reverse):
            for dt in (scan.dt1, scan.dt2):
                dt.bias.fill_(-9)
            for coupling in (scan.A2, scan.A3):
                coupling.mul_(1e-3)
    linear.load_state_dict(bounded.state_dict())
    x = 0.1 * grid(2, 3, 11)
    couplings = [layer.onward._discrete(x).a[1] for layer in (bounded, linear)]
    torch.testing.assert_close(*couplings, rtol=1e-3, atol=0)


@every_coupling
def test_every_parameter_learns(coupling):
    layer = ChimeraLayer(5, 3, coupling=coupling).double()
    layer(grid(2, 3, 7)).pow(3).sum().backward()
    assert [name for name, parameter in layer.named_parameters() if not parameter.grad.any()] == []


def test_step_sizes_begin_in_their_range():
    scan = ChimeraLayer(97, 3, dt_range=(0.02, 0.5)).double().onward
    for dt in (scan.dt1, scan.dt2):
        steps = F.softplus(dt.bias)
        assert 0.02 - 1e-6 <= steps.min() < 0.05
        assert 0.25 < steps.max() <= 0.5 + 1e-6


def test_bfloat16_is_kept_and_accurate():
    layer, x = a_layer(), grid(2, 3, 11)
    out = layer.bfloat16()(x.bfloat16())
    assert out.dtype == torch.bfloat16
    exact = layer.double()(x.bfloat16().double())
    torch.testing.assert_close(out.double(), exact, rtol=5e-2, atol=5e-2)
    out.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())


@pytest.mark.usefixtures("unchecked")  # whose checks of sizes would be written down too
def test_an_exported_graph_takes_any_batch():
    layer = a_layer()
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    exported = torch.export.export(layer, (grid(2, 3, 5),), dynamic_shapes=(batch,)).module()
    x = grid(3, 3, 5)
    torch.testing.assert_close(exported(x), layer(x))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"d_state": 0}, "d_state=0 must be an integer of at least 1"),
        ({"coupling": "none"}, "coupling='none' must be one of ['bounded', 'exp', 'linear']"),
        ({"bidirectional": 1}, "bidirectional=1 must be True or False"),
        ({"input_zoh": None}, "input_zoh=None must be True or False"),
        ({"dt_range": (0.1, 0.01)}, "dt_range=(0.1, 0.01) must be two positive numbers, the smaller first"),
        ({"dt_range": (0.0, 0.01)}, "dt_range=(0.0, 0.01) must be two positive numbers, the smaller first"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        ChimeraLayer(**{"d_model": 5, "d_state": 3} | arguments)
