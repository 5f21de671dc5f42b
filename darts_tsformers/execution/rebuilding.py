"""Work on heads in parts, and keep nothing of a part but its inputs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.execution.cache import parts
from darts_tsformers.execution.tracing import is_traced


def in_parts(function: Callable[..., Tensor], *tensors: Tensor, size: int) -> Tensor:
    """Apply a function of ``(G, ...)`` tensors to a few of the ``G`` at a time, and again in the backward pass.

    Parameters
    ----------
    function
        Treats each of the ``G`` by itself, and needs nothing that requires a gradient but its arguments.
    tensors
        What it is given, all of them with the same first axis.
    size
        Elements for each of the ``G`` of the largest tensor that the function makes.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.execution.rebuilding import in_parts
    >>> in_parts(torch.matmul, torch.ones(2, 1, 3), torch.ones(2, 3, 1), size=3).flatten()
    tensor([3., 3.])
    """
    if is_traced():
        return function(*tensors)
    out: Tensor = _InParts.apply(function, size, *tensors)  # type: ignore[no-untyped-call]
    return out


class _InParts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, function: Callable[..., Tensor], size: int, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        ctx.function = function
        ctx.parts = parts(tensors[0], tensors[0].shape[0], size)
        return torch.cat([function(*(t[some] for t in tensors)) for some in ctx.parts])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        tensors, needed = ctx.saved_tensors, ctx.needs_input_grad[2:]
        found: list[list[Tensor]] = []
        for some in ctx.parts:
            with torch.enable_grad():
                own = [t[some].detach().requires_grad_(n) for t, n in zip(tensors, needed, strict=True)]
                out = ctx.function(*own)
            found.append(list(torch.autograd.grad(out, [t for t in own if t.requires_grad], d_out[some])))
        gradients = iter([torch.cat(one) for one in zip(*found, strict=True)])
        return None, None, *(next(gradients) if n else None for n in needed)
