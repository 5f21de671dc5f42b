import pytest
import torch

from darts_tsformers.layers.selection.gating import GateAddNorm, GatedResidualNetwork
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, scatter_
from tests.layers import _tft_naive as naive

SIZES = [(2, 7, 6, 5, 3), (1, 1, 1, 1, 1), (3, 11, 5, 7, 5), (5, 13, 2, 3, 2)]
sizes = pytest.mark.parametrize(
    ("b", "n", "d_in", "d_hidden", "d_out"), SIZES, ids=[f"B{s[0]}-N{s[1]}-{s[2]}-{s[3]}-{s[4]}" for s in SIZES]
)


@pytest.mark.parametrize(("b", "n", "d_in", "d_out"), [(2, 7, 6, 3), (1, 1, 1, 1), (3, 11, 5, 5), (5, 13, 2, 7)])
def test_gate_add_norm_equals_its_definition(b, n, d_in, d_out):
    layer = scatter_(GateAddNorm(d_in, d_out)).double()
    x, skip = (draw(b, n, d, seed=d, dtype=torch.float64).requires_grad_() for d in (d_in, d_out))
    inputs = [x, skip, *layer.parameters()]
    assert_same_with_gradients(layer(x, skip), naive.gate_add_norm(layer, x, skip), inputs)


@sizes
@pytest.mark.parametrize("d_context", [0, 3])
def test_gated_residual_network_equals_its_definition(b, n, d_in, d_hidden, d_out, d_context):
    layer = scatter_(GatedResidualNetwork(d_in, d_hidden, d_out, d_context=d_context)).double()
    a = draw(b, n, d_in, dtype=torch.float64).requires_grad_()
    context = draw(b, d_context, seed=1, dtype=torch.float64).requires_grad_() if d_context else None
    inputs = [a, *layer.parameters()] + ([] if context is None else [context])
    assert_same_with_gradients(layer(a, context), naive.grn(layer, a, context), inputs)


def test_without_a_context_there_is_no_map_for_it():
    assert GatedResidualNetwork(6, 5, 3).context is None
    assert GatedResidualNetwork(6, 5, 3, d_context=2).context.bias is None


def test_a_context_takes_inputs_with_and_without_steps():
    layer, context = scatter_(GatedResidualNetwork(6, 5, 6, d_context=2)), draw(3, 2, seed=1)
    x = draw(3, 7, 6)
    torch.testing.assert_close(layer(x, context)[:, 4], layer(x[:, 4], context))


def test_a_closed_gate_leaves_the_residual():
    layer = GatedResidualNetwork(6, 5, 6)
    with torch.no_grad():
        layer.gate.gate.bias[6:] = -1e4
    x = draw(3, 7, 6)
    torch.testing.assert_close(layer(x), layer.gate.norm(x))


def test_dropout_acts_once_and_before_the_gate():
    layer = GatedResidualNetwork(6, 5, 6, dropout=0.5).train()
    calls = count_dropouts(layer)
    seen = {}
    layer.gate.gate.register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    layer(draw(7, 11, 6))
    assert list(calls.values()) == [1]
    assert 0.3 < (seen["x"] == 0).float().mean() < 0.7
