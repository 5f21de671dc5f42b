import pytest
import torch

from darts_tsformers.window.covariates import FutureResponse, zero_linear
from tests.helpers import draw, scatter_


@pytest.mark.parametrize("bias", [False, True])
def test_zero_linear_starts_as_the_zero_map(bias):
    layer = zero_linear(5, 3, bias=bias)
    assert torch.equal(layer(draw(7, 5)), torch.zeros(7, 3))
    assert (layer.bias is not None) == bias


def test_zero_linear_can_leave_zero():
    layer = zero_linear(5, 3)
    layer(draw(7, 5)).sum().backward()
    assert (layer.weight.grad != 0).all()


def test_a_response_starts_at_zero_and_can_leave_it():
    response = FutureResponse(d_model=7, n_future=2, n_parameters=3)
    out = response(draw(3, 5, 2), draw(3, 4, 7))
    assert torch.equal(out, torch.zeros(3, 4, 5, 3))
    (out * draw(*out.shape, seed=1)).sum().backward()
    assert (response.response.weight.grad != 0).any()


def test_a_response_equals_its_formula():
    response = scatter_(FutureResponse(d_model=7, n_future=2, n_parameters=3)).double()
    future, state = draw(2, 5, 2, dtype=torch.float64), draw(2, 4, 7, seed=1, dtype=torch.float64)
    out = response(future, state)
    for b in range(2):
        for c in range(4):
            answer = response.response(state[b, c]).view(9, 3)
            for t in range(5):
                features = torch.cat([future[b, t], torch.nn.functional.gelu(response.features[0](future[b, t]))])
                torch.testing.assert_close(out[b, c, t], features @ answer)


def test_a_step_responds_to_its_own_covariates_only():
    response = scatter_(FutureResponse(d_model=7, n_future=2, n_parameters=1))
    future, state = draw(3, 5, 2), draw(3, 4, 7, seed=1)
    moved = future.clone()
    moved[:, 2] += 10
    before, after = response(future, state), response(moved, state)
    others = [0, 1, 3, 4]
    assert torch.equal(before[:, :, others], after[:, :, others])
    assert (before[:, :, 2] != after[:, :, 2]).all()


def test_components_answer_in_their_own_way():
    response = scatter_(FutureResponse(d_model=7, n_future=2, n_parameters=1))
    out = response(draw(3, 5, 2), draw(3, 4, 7, seed=1))
    assert (out[:, 0] != out[:, 1]).all()
