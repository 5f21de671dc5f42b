"""The selective scan as its equations say it."""

import torch
from jaxtyping import Float
from torch import Tensor


def selective_scan(
    x: Float[Tensor, "B L D"],
    delta: Float[Tensor, "B L D"],
    A: Float[Tensor, "D n"],
    B: Float[Tensor, "B L n"],
    C: Float[Tensor, "B L n"],
    D: Float[Tensor, " D"] | None = None,
    state: Float[Tensor, "B D n"] | None = None,
) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D n"]]:
    """Go through the steps one after the other."""
    h = x.new_zeros(x.shape[0], *A.shape) if state is None else state
    outputs = []
    for t in range(x.shape[1]):
        decay = torch.exp(delta[:, t, :, None] * A)
        h = decay * h + delta[:, t, :, None] * B[:, t, None, :] * x[:, t, :, None]
        y = (C[:, t, None, :] * h).sum(-1)
        outputs.append(y if D is None else y + D * x[:, t])
    return torch.stack(outputs, dim=1), h
