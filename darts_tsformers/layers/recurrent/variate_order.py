"""In which order a scan meets variates, which have none of their own."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

ORDERS = ("given", "correlation")
EQUAL = 1e-5
"""Correlations no further apart are equal, so that rounding never decides on an order."""


def scan_order(
    target: Float[Tensor, "B L C"], n_past: int, n_future: int, variate_order: str
) -> Int[Tensor, "B N"] | None:
    """Return where the tokens stand that a scan meets one after the other; None for as they are.

    Parameters
    ----------
    target
        The look-back.
    n_past, n_future
        Tokens behind those of the target. A scan meets those of the future before the targets and those of the past
        behind them, so that from either end it brings some to the targets.
    variate_order
        That of the targets: as they are ``"given"``, or by ``"correlation"``, see :func:`by_correlation`.
    """
    if variate_order == "given" and not n_future:
        return None
    batch, n_targets = target.shape[0], target.shape[-1]
    given = torch.arange(n_targets + n_past + n_future, device=target.device).expand(batch, -1)
    targets, past, future = torch.split(given, [n_targets, n_past, n_future], dim=1)
    return torch.cat([future, by_correlation(target) if variate_order == "correlation" else targets, past], dim=1)


def by_correlation(target: Float[Tensor, "B L C"]) -> Int[Tensor, "B C"]:
    """Order the components by their correlation with the mean of all, the highest first.

    All are at their own level and spread in this mean. Equals keep their order: two components always do.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.variate_order import by_correlation
    >>> falling, rising, late = [3.0, 2, 1], [1.0, 2, 3], [1.0, 1, 3]
    >>> by_correlation(torch.tensor([[falling, rising, late]]).mT)
    tensor([[2, 1, 0]])
    """
    wide = target.detach().to(torch.promote_types(target.dtype, torch.float32))
    shapes = F.normalize(wide - wide.mean(dim=1, keepdim=True), dim=1)
    center = F.normalize(shapes.mean(dim=-1, keepdim=True), dim=1)
    falling, order = (shapes * center).sum(1).sort(dim=1, descending=True)
    ranks = F.pad(falling.diff(dim=1) < -EQUAL, (1, 0)).cumsum(dim=1)
    given = torch.arange(order.shape[1], device=order.device)
    return (ranks.gather(1, order.argsort(dim=1)) * len(given) + given).argsort(dim=1)
