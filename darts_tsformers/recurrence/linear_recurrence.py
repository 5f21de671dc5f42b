"""The linear recurrence of first order, each feature on its own."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.execution.tracing import is_traced


def linear_recurrence(
    a: Float[Tensor, "..."], b: Float[Tensor, "T *F"], initial: Float[Tensor, "*F"] | None = None
) -> Float[Tensor, "T *F"]:
    r"""Carry a state from step to step: :math:`h_t = a_t h_{t-1} + b_t`, element by element.

    Time is the first axis, so that a step is one piece of memory. Cost: O(T F) time and memory; a step is one operation
    on all features, in place, and for the backward pass nothing is kept but ``a`` and the states.

    Parameters
    ----------
    a
        What is left of a state after a step, ``(T, *F)``. Axes of size 1 are repeated: a single step is that of all.
    b
        What is added at each step.
    initial
        State before the first step; zeros by default.

    Returns
    -------
    Tensor
        The state after each step, in the type of ``b``.

    Notes
    -----
    Half precision is carried in float32. Where operations are written down, for a compiler or an export, log T of them
    on the whole sequence take the place of the T steps.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import linear_recurrence
    >>> linear_recurrence(torch.tensor([0.5]), torch.tensor([8.0, 0.0, 0.0, 1.0]))
    tensor([8., 4., 2., 2.])
    """
    wide = torch.promote_types(torch.promote_types(a.dtype, b.dtype), torch.float32)
    decay, added = a.to(wide).expand(b.shape), b.to(wide)
    if initial is not None:
        added = torch.cat([torch.addcmul(added[:1], decay[:1], initial.to(wide)), added[1:]])
    states: Tensor = _by_doubling(decay, added) if is_traced() else _Steps.apply(decay, added)  # type: ignore[no-untyped-call]
    return states.to(b.dtype)


def _by_doubling(a: Tensor, b: Tensor) -> Tensor:
    """Let each state reach back over 1, 2, 4 and more steps."""
    distance = 1
    while distance < b.shape[0]:
        reached = torch.addcmul(b[distance:], a[distance:], b[:-distance])
        a = torch.cat([a[:distance], a[distance:] * a[:-distance]])
        b = torch.cat([b[:distance], reached])
        distance *= 2
    return b


class _Steps(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Float[Tensor, "T *F"], b: Float[Tensor, "T *F"]) -> Float[Tensor, "T *F"]:
        states = b.clone(memory_format=torch.contiguous_format)
        decays, rows = a.unbind(), states.unbind()
        for t in range(1, len(rows)):
            rows[t].addcmul_(decays[t], rows[t - 1])
        ctx.save_for_backward(a, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_states: Float[Tensor, "T *F"]) -> tuple[Tensor, Tensor]:
        a, states = ctx.saved_tensors
        to_b = to_states.clone(memory_format=torch.contiguous_format)
        decays, rows = a.unbind(), to_b.unbind()
        for t in range(len(rows) - 1, 0, -1):
            rows[t - 1].addcmul_(decays[t], rows[t])
        to_a = torch.zeros_like(to_b)
        torch.mul(to_b[1:], states[:-1], out=to_a[1:])
        return to_a, to_b
