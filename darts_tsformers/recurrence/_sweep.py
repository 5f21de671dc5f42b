"""A grid of variates and steps, worked on diagonal by diagonal."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


class Line(NamedTuple):
    """Neighbouring cells of an anti-diagonal: ``n`` of them, from ``(variate, step)`` on; none needs another."""

    variate: int
    step: int
    n: int

    def of(self, grid: Float[Tensor, "V T *F"]) -> Float[Tensor, "n *F"]:
        """Return these cells, a view."""
        down, on, *inner = grid.stride()  # the way to the next variate is at least as far as that to the next step
        start = grid.storage_offset() + self.variate * down + self.step * on
        return grid.as_strided((self.n, *grid.shape[2:]), (max(0, down - on), *inner), start)

    def earlier(self) -> "Line":
        """Return the cells one step before these."""
        return Line(self.variate, self.step - 1, self.n)

    def above(self) -> "Line":
        """Return the cells one variate before these."""
        return Line(self.variate - 1, self.step, self.n)


def lines(n_variates: int, length: int) -> Iterator[tuple[Line, Line]]:
    """Go through the anti-diagonals: the cells that have an earlier step, and those that have a variate before."""
    for k in range(1, n_variates + length - 1):
        first, last = max(0, k - length + 1), min(n_variates - 1, k)
        below = max(first, 1)
        yield Line(first, k - first, min(last, k - 1) - first + 1), Line(below, k - below, last - below + 1)


class Sweep(torch.autograd.Function):
    """The two states of every cell; nothing is kept for the backward pass but these and the transitions.

    ``a3`` and ``a4`` are diagonals, one for each cell; so are ``a1`` and ``a2``, or they are matrices of all cells, one
    for each feature. A grid is contiguous in variates and steps, or the same throughout.
    """

    @staticmethod
    def forward(
        ctx: Any,
        a1: Tensor,
        a2: Tensor,
        a3: Float[Tensor, "V T B D n"],
        a4: Float[Tensor, "V T B D n"],
        b1: Float[Tensor, "V T B D n"],
        b2: Float[Tensor, "V T B D n"],
    ) -> tuple[Float[Tensor, "V T B D n"], Float[Tensor, "V T B D n"]]:
        h1, h2 = (b.clone(memory_format=torch.contiguous_format) for b in (b1, b2))
        for late, low in lines(*b1.shape[:2]):
            for a, h in ((a1, h1), (a2, h2)):
                _move(a, late, h, late.earlier(), h1)
            for a, h in ((a3, h1), (a4, h2)):
                _move(a, low, h, low.above(), h2)
        ctx.save_for_backward(a1, a2, a3, a4, h1, h2)
        return h1, h2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_h1: Tensor, to_h2: Tensor) -> tuple[Tensor, ...]:
        a1, a2, a3, a4, h1, h2 = ctx.saved_tensors
        g1, g2 = (g.clone(memory_format=torch.contiguous_format) for g in (to_h1, to_h2))
        for late, low in reversed(list(lines(*h1.shape[:2]))):
            for a, g in ((a1, g1), (a2, g2)):
                _move_back(a, late, g1, late.earlier(), g)
            for a, g in ((a3, g1), (a4, g2)):
                _move_back(a, low, g2, low.above(), g)
        to_time = (_to_transition(a, g1[:, 1:], h[:, :-1], dim=1) for a, h in ((a1, h1), (a2, h2)))
        to_variates = (_to_transition(a, g2[1:], h[:-1], dim=0) for a, h in ((a3, h1), (a4, h2)))
        return *to_time, *to_variates, g1, g2


def _move(a: Tensor, there: Line, h: Tensor, here: Line, out: Tensor) -> None:
    """Add ``a`` times the states ``h`` of the cells here to the cells there."""
    if there.n <= 0:
        return
    if a.ndim == 3:
        there.of(out).add_(torch.einsum("l b d n, d m n -> l b d m", here.of(h), a))
    else:
        there.of(out).addcmul_(there.of(a), here.of(h))


def _move_back(a: Tensor, there: Line, g: Tensor, here: Line, out: Tensor) -> None:
    """Add the transpose of ``a`` times ``g`` of the cells there to the cells here."""
    if there.n <= 0:
        return
    if a.ndim == 3:
        here.of(out).add_(torch.einsum("l b d m, d m n -> l b d n", there.of(g), a))
    else:
        here.of(out).addcmul_(there.of(a), there.of(g))


def _to_transition(a: Tensor, g: Tensor, h: Tensor, dim: int) -> Tensor:
    """Return the gradient of a transition, of which the first cells along an axis make no use."""
    if a.ndim == 3:
        return torch.einsum("v t b d m, v t b d n -> d m n", g, h)
    to_a = g.new_empty(a.shape)
    to_a.select(dim, 0).zero_()
    torch.mul(g, h, out=to_a.narrow(dim, 1, a.shape[dim] - 1))
    return to_a
