"""Optimisers are fused where that is open, and take the steps they took before."""

import numpy as np
import pytest
import torch
from darts import TimeSeries
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from darts_tsformers import ITransformerModel
from darts_tsformers.adapter.training.optimizer import fuse

QUIET = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
SERIES = TimeSeries.from_values(np.sin(np.arange(23, dtype=np.float32)))


def trained(**arguments):
    given = {"n_epochs": 1, "random_state": 0, "pl_trainer_kwargs": QUIET} | arguments
    return ITransformerModel(7, 3, d_model=4, n_heads=2, d_ff=5, **given).fit(SERIES, verbose=False)


def fused(model):
    (optimizer,) = model.trainer.optimizers
    return [group.get("fused") for group in optimizer.param_groups]


@pytest.mark.parametrize("optimizer", [Adam, AdamW, SGD])
def test_steps_are_those_of_the_loop(optimizer):
    torch.manual_seed(0)
    start, gradients = torch.randn(11, 13), torch.randn(5, 11, 13)
    weights = []
    for one_pass in (False, True):
        parameter = nn.Parameter(start.clone())
        built = optimizer([parameter], lr=0.1)
        if one_pass:
            fuse(built)
        for gradient in gradients:
            parameter.grad = gradient
            built.step()
        assert built.param_groups[0]["fused"] is (True if one_pass else None)
        weights.append(parameter.detach())
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("choice", [{"fused": False}, {"foreach": True}, {"foreach": False}, {"differentiable": True}])
def test_what_the_user_chose_stays(choice):
    built = Adam([nn.Parameter(torch.zeros(3))], **choice)
    fuse(built)
    assert built.param_groups[0]["fused"] is choice.get("fused")


def test_complex_parameters_which_no_such_kernel_takes_are_left_to_the_loop():
    parameter = nn.Parameter(torch.ones(3, dtype=torch.complex64))
    built = Adam([parameter], lr=0.1)
    fuse(built)
    parameter.grad = torch.ones_like(parameter)
    built.step()
    assert built.param_groups[0]["fused"] is None
    assert parameter[0].real.item() == pytest.approx(0.9)


def test_an_optimiser_that_knows_no_foreach_can_be_fused():
    built = Adam([nn.Parameter(torch.zeros(3))])
    del built.param_groups[0]["foreach"]
    fuse(built)
    assert built.param_groups[0]["fused"] is True


def test_an_optimiser_without_such_a_kernel_is_left_alone():
    built = RMSprop([nn.Parameter(torch.zeros(3))])
    fuse(built)
    assert "fused" not in built.param_groups[0]


@pytest.mark.parametrize(
    "arguments",
    [{}, {"lr_scheduler_cls": torch.optim.lr_scheduler.StepLR, "lr_scheduler_kwargs": {"step_size": 1}}],
    ids=["alone", "with a scheduler"],
)
def test_a_model_trains_by_a_fused_optimiser(arguments):
    assert fused(trained(**arguments)) == [True]


def test_a_model_trains_by_the_optimiser_it_was_given():
    assert fused(trained(optimizer_kwargs={"lr": 0.01, "foreach": False})) == [None]


def test_mixed_precision_goes_with_clipped_gradients():
    precise = {"precision": "bf16-mixed", "gradient_clip_val": 0.5}
    assert fused(trained(pl_trainer_kwargs=QUIET | precise)) == [True]
