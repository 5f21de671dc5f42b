"""What an optimiser updates, and how: all parameters in one pass, and no frozen language model."""

from torch import nn
from torch.optim import Optimizer

from darts_tsformers.language import LanguageModel


def leave_out_frozen(optimizer: Optimizer, module: nn.Module) -> None:
    """Take the frozen weights of language models out of an optimiser, and what it has set up for them."""
    languages = [part for part in module.modules() if isinstance(part, LanguageModel)]
    frozen = {weight for part in languages for weight in part.parameters() if not weight.requires_grad}
    for group in optimizer.param_groups:
        group["params"] = [weight for weight in group["params"] if weight not in frozen]
    for weight in frozen:
        optimizer.state.pop(weight, None)


def fuse(optimizer: Optimizer) -> None:
    """Let an optimiser update all parameters in one kernel, where PyTorch has one and the user left it open.

    On a processor PyTorch goes through the parameters one by one otherwise, in a dozen operations for each.
    """
    for group in optimizer.param_groups:
        open_to_it = group.get("fused", False) is None and group.get("foreach") is None
        is_real = all(parameter.is_floating_point() for parameter in group["params"])
        if open_to_it and is_real and not group.get("differentiable") and not group.get("capturable"):
            group["fused"] = True
