import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.recurrent.summed_lstm import SummedLSTM
from tests.helpers import assert_same_with_gradients, draw, scatter_


def by_hand(layer: SummedLSTM, x: Tensor, suffix: str) -> Tensor:
    """Go step by step."""
    weights = dict(layer.lstm.named_parameters())
    w_in, w_state, b_in, b_state = (
        weights[f"{name}_l0{suffix}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    state = memory = x.new_zeros(len(x), w_state.shape[1])
    steps = []
    for step in x.unbind(1):
        write, forget, new, out = (step @ w_in.mT + b_in + state @ w_state.mT + b_state).chunk(4, dim=-1)
        memory = forget.sigmoid() * memory + write.sigmoid() * new.tanh()
        state = out.sigmoid() * memory.tanh()
        steps.append(state)
    return torch.stack(steps, dim=1)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize(("b", "n", "n_in", "n_out"), [(2, 7, 3, 5), (1, 1, 1, 1), (3, 5, 4, 1)], ids=str)
def test_equals_its_definition(b, n, n_in, n_out, bidirectional):
    layer = scatter_(SummedLSTM(n_in, n_out, bidirectional=bidirectional)).double()
    x = draw(b, n, n_in, dtype=torch.float64).requires_grad_()
    expected = by_hand(layer, x, "")
    if bidirectional:
        expected = expected + by_hand(layer, x.flip(1), "_reverse").flip(1)
    assert_same_with_gradients(layer(x), expected, [x, *layer.parameters()])


def test_biases_start_at_zero_and_weights_do_not():
    for parameter in SummedLSTM(3, 5, bidirectional=True).parameters():
        assert (parameter == 0).all() == (parameter.ndim == 1)
