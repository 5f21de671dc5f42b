import pytest
import torch

from darts_tsformers.layers.recurrent.auxiliary_inputs import AuxiliaryInputs
from tests.helpers import assert_same_with_gradients, draw, scatter_


@pytest.mark.parametrize("n_static", [0, 2])
@pytest.mark.parametrize("n_future", [0, 6])
def test_each_kind_is_as_many_steps_behind_the_series(n_future, n_static):
    inputs = scatter_(AuxiliaryInputs(11, n_future=n_future, n_static=n_static, d_state=3)).double()
    series, future, static = (
        draw(2, 5, width, seed=width, dtype=torch.float64).requires_grad_() if width else None
        for width in (11, n_future, n_static)
    )
    parts = [series]
    if future is not None:
        mixed = inputs.mixer.onward(future) + inputs.mixer.reverse(future.flip(1)).flip(1)
        parts.append(mixed @ inputs.future.weight.T + inputs.future.bias)
    if static is not None:
        parts.append(static @ inputs.static.weight.T + inputs.static.bias)
    given = [x for x in (series, future, static) if x is not None]
    expected = torch.cat(parts, dim=-1)
    assert inputs.length == expected.shape[-1]
    assert_same_with_gradients(inputs(series, future, static), expected, [*given, *inputs.parameters()])
