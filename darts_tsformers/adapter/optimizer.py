"""Optimisers that take all parameters in one pass."""

from torch.optim import Optimizer


def fuse(optimizer: Optimizer) -> None:
    """Let an optimiser update all parameters in one kernel, where PyTorch has one and the user left it open.

    On a processor PyTorch goes through the parameters one by one otherwise, in a dozen operations for each.
    """
    for group in optimizer.param_groups:
        open_to_it = group.get("fused", False) is None and group.get("foreach") is None
        is_real = all(parameter.is_floating_point() for parameter in group["params"])
        if open_to_it and is_real and not group.get("differentiable") and not group.get("capturable"):
            group["fused"] = True
