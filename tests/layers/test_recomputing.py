"""What is computed anew for the backward pass is what was computed."""

import pytest
import torch
from darts.utils.data.torch_datasets.utils import ModuleStage
from torch import nn

from darts_tsformers.layers.norm import TokenBatchNorm
from darts_tsformers.layers.recomputing import Recomputing, let_recompute
from tests.contracts import checks
from tests.contracts.cases import CASE, MAIN, Case, make_data
from tests.helpers import draw


def rate(case: Case) -> float:
    """Return a dropout, but none where recomputing goes by blocks of steps, each of which draws its own."""
    return 0.0 if case.takes("d_variable") else 0.2


def gradients_of(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.requires_grad}


def step(module: nn.Module, *, recompute: bool) -> tuple[torch.Tensor, dict[str, torch.Tensor], int]:
    """Take one training step; return the loss, the gradients, and the numbers kept for the backward pass."""
    kept: dict[int, int] = {}

    def keep(t: torch.Tensor) -> torch.Tensor:
        kept[t.untyped_storage().data_ptr()] = t.untyped_storage().size()
        return t

    let_recompute(module, recompute)
    module.zero_grad()
    torch.manual_seed(5)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        loss = checks.learnt(module, checks.batch(31, stage=ModuleStage.TRAIN))
    loss.backward()
    return loss.detach(), gradients_of(module), sum(kept.values())


WITHOUT = {"ReGENNModel-counts", "AutoTimesModel-none", "TEMPOModel", "TimeLLMModel"}
"""Forms that have no stack of layers, so that there is nothing to compute anew."""
FORMS = dict.fromkeys([*MAIN, CASE["TEMPOModel-text"], CASE["TimeLLMModel-random"]])
"""Those under test, and two around a language model."""
LESS = {"SpaceTimeModel": 0.9}
"""What is kept at most, as a share, where little of it is of layers: kernels are not, nor is the closed loop."""
every_stack = pytest.mark.parametrize(
    "case", [case for case in FORMS if case.takes("recompute") and case.name not in WITHOUT], ids=lambda case: case.name
)


@every_stack
def test_gradients_are_the_same_and_less_is_kept(case: Case):
    data = make_data()
    wider = {"d_model": 16} if case.takes("d_model") else {}
    module = case.model(dropout=rate(case), **wider).fit(data.series, **data.covariates()).model.train()
    (loss, gradients, kept), (again, others, fewer) = (step(module, recompute=one) for one in (False, True))
    torch.testing.assert_close(again, loss)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-5, atol=1e-6, msg=name)
    assert fewer < LESS.get(case.name, 0.8) * kept


@every_stack
def test_a_model_learns_the_same(case: Case):
    data = make_data(2, ())
    first, second = (case.model(recompute=one, dropout=rate(case)).fit(data.series).model for one in (False, True))
    assert any(part.recompute for part in second.modules() if isinstance(part, Recomputing))
    for name, value in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], value, rtol=1e-4, atol=1e-5, msg=name)


def test_running_statistics_count_a_batch_once():
    class Stack(nn.Module, Recomputing):
        def __init__(self) -> None:
            super().__init__()
            self.layer = TokenBatchNorm(5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.run(self.layer, x)

    stacks = [Stack().train() for _ in range(2)]
    let_recompute(stacks[1], True)
    for stack in stacks:
        stack(draw(3, 7, 5).requires_grad_()).square().sum().backward()
    plain, recomputed = (stack.state_dict() for stack in stacks)
    assert all(torch.equal(plain[name], value) for name, value in recomputed.items())
    assert plain["layer.norm.num_batches_tracked"] == 1
