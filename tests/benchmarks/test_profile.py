"""A profile of a step: every operation is of some kind, and the floor has exactly the products of the step."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.core.costs import AUTOGRAD, OPTIMIZER, OTHER, events, kind, shares
from benchmarks.core.products import all_of, floor
from darts_tsformers.networks import (
    Autoformer,
    FEDformer,
    Forecaster,
    Informer,
    ITransformer,
    LogSparseTransformer,
    PatchTST,
    TemporalFusionTransformer,
)
from darts_tsformers.window import Sizes, Window

NETWORKS = [
    Autoformer,
    FEDformer,
    Informer,
    ITransformer,
    partial(LogSparseTransformer, mode="direct"),
    PatchTST,
    TemporalFusionTransformer,
]


def shapes(step):
    return [product.shapes for product in all_of(step)]


def test_a_linear_layer_has_three_products():
    layer, x = nn.Linear(5, 3), torch.randn(7, 5, requires_grad=True)
    forward, *backward = shapes(lambda: layer(x).sum().backward())
    assert forward == [(3,), (7, 5), (5, 3)]  # bias, input, weight
    assert sorted(backward) == [[(3, 7), (7, 5)], [(7, 3), (3, 5)]]  # of the weight, of the input


def test_fused_attention_has_two_products_and_five_backward():
    q, k, v = (torch.randn(2, 3, n, 8, requires_grad=True) for n in (5, 7, 7))
    with torch.no_grad():
        assert shapes(lambda: F.scaled_dot_product_attention(q, k, v)) == [
            [(6, 5, 8), (6, 8, 7)],
            [(6, 5, 7), (6, 7, 8)],
        ]
    assert len(shapes(lambda: F.scaled_dot_product_attention(q, k, v).sum().backward())) == 2 + 5


def test_a_convolution_is_written_down_forward_and_backward():
    layer, x = nn.Conv1d(3, 5, kernel_size=2), torch.randn(7, 3, 11, requires_grad=True)
    forward, backward = shapes(lambda: layer(x).sum().backward())
    assert forward == [(7, 3, 11), (5, 3, 2), (5,)]
    assert backward == [(7, 5, 10), (7, 3, 11), (5, 3, 2)]


def test_a_recurrent_layer_goes_state_by_state():
    layer, x = nn.LSTM(3, 5, batch_first=True), torch.randn(2, 7, 3, requires_grad=True)
    found = shapes(lambda: layer(x)[0].sum().backward())
    assert found.count([(1, 14, 3), (1, 3, 20)]) == 1  # all inputs at once
    assert found.count([(1, 2, 5), (1, 5, 20)]) == 7  # each state
    assert found.count([(1, 2, 20), (1, 20, 5)]) == 7  # and back
    assert len(found) == 1 + 7 + 1 + 7 + 2


def test_the_floor_makes_the_same_products_in_the_same_layouts():
    def step():
        return torch.randn(5, 7).T @ torch.randn(5, 3), torch.baddbmm(torch.randn(2, 1, 3), x.expand(2, 4, 5), y.mT)

    x, y = torch.randn(4, 5), torch.randn(2, 3, 5)
    products = all_of(step)
    again = all_of(floor(products))
    assert [(one.operation, one.args) for one in again] == [(one.operation, one.args) for one in products]
    assert products[0].args[0].stride == (1, 7)
    assert products[1].args[1].stride == (0, 5, 1)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_operation_of_a_training_step_is_of_some_kind(network):
    sizes = Sizes(input_length=24, output_length=6, n_targets=3)
    forecaster = Forecaster(network(sizes, d_model=8, n_heads=2))
    optimizer = torch.optim.Adam(forecaster.parameters())
    target, future = torch.randn(2, 24, 3), torch.randn(2, 6, 3, 1)

    def step():
        F.mse_loss(forecaster(Window(target)), future).backward()
        optimizer.step()

    assert {event.name for event in events(step, 1) if kind(event) == OTHER} == set()


def test_costs_are_shares_of_the_whole_step():
    parameter = nn.Parameter(torch.randn(300, 300))
    optimizer = torch.optim.SGD([parameter])

    def step():
        for _ in range(10):
            (parameter @ parameter).sum().backward()
        optimizer.step()

    found = shares(step)
    assert sum(found.values()) == pytest.approx(1)
    assert next(iter(found)) == "matrix products"
    assert found[OPTIMIZER] > 0
    assert found[AUTOGRAD] > 0


def test_what_the_optimiser_calls_is_its_own_cost():
    parameter = nn.Parameter(torch.randn(5))
    parameter.grad = torch.ones(5)
    optimizer = torch.optim.Adam([parameter])
    names = {event.name: kind(event) for event in events(optimizer.step, 1)}
    assert names["aten::lerp_"] == OPTIMIZER


def test_an_operation_of_no_kind_is_other():
    x = torch.randn(5)
    assert [kind(event) for event in events(lambda: torch.special.i0e(x), 1) if "i0e" in event.name] == [OTHER]
