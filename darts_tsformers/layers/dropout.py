"""Dropout that draws what it drops, and nothing for what it keeps."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.execution.tracing import is_traced

FEW = 2**14  # elements up to which drawing one number for each is the faster way


class Dropout(nn.Dropout):
    """:class:`torch.nn.Dropout` in a fraction of the time and, at low rates, of the memory.

    The gaps between dropped elements are geometric: drawing them takes one random number for each dropped element
    instead of one for each element, and only the dropped positions are kept for the backward pass. The numbers come
    from torch's default generator. Few elements, other devices, exported and compiled models are left to
    :func:`torch.nn.functional.dropout`.
    """

    @property
    def rate(self) -> float:
        """Share of elements that a call would drop now: 0 in evaluation."""
        return self.p if self.training else 0.0

    def forward(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Drop elements and scale the others up."""
        rate = self.rate
        if is_traced() or x.device.type != "cpu" or x.numel() <= FEW or self.inplace or rate in (0.0, 1.0):
            return F.dropout(x, rate, rate > 0, self.inplace)
        return drop(x, draw_dropped(x.numel(), rate), 1 / (1 - rate))


def draw_dropped(n: int, rate: float) -> Int[Tensor, " d"]:
    """Draw which of ``n`` elements to drop, each with probability ``rate`` in (0, 1); positions in increasing order."""
    draws = math.ceil(n * rate + 4 * math.sqrt(n * rate)) + 4  # nearly always enough
    positions = _walk(draws, rate)
    while positions[-1] < n - 1:
        positions = torch.cat([positions, positions[-1] + 1 + _walk(draws, rate)])
    return positions[: int(torch.searchsorted(positions, n))]


def _walk(draws: int, rate: float) -> Int[Tensor, " d"]:
    """Return the first dropped positions of an endless row of elements."""
    skipped = torch.rand(draws, dtype=torch.float32).neg_().log1p_().div_(math.log1p(-rate)).floor_()
    skipped.clamp_(max=2.0**40)  # beyond any tensor, and a sum of them is still a number
    return skipped.add_(1).cumsum(0, dtype=torch.int64).sub_(1)


def drop(x: Float[Tensor, "..."], positions: Int[Tensor, " d"], scale: float) -> Float[Tensor, "..."]:
    """Set the elements at the positions, counted over all axes, to zero and scale the others."""
    out: Tensor = _Drop.apply(x, positions, scale)  # type: ignore[no-untyped-call]
    return out


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, positions: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(positions)
        ctx.scale = scale
        out = x.contiguous() * scale
        out.view(-1).index_fill_(0, positions, 0)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (positions,) = ctx.saved_tensors
        return drop(gradient, positions, ctx.scale), None, None
