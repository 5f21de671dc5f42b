"""Less memory in training for more time: layers that keep their inputs alone, and compute the rest again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from darts_tsformers.execution.tracing import is_traced


class Recomputing:
    """A module that can compute what its layers kept anew in the backward pass.

    Attributes
    ----------
    recompute
        Whether it does so; see :func:`let_recompute`.
    """

    recompute: bool = False

    def run(self, layer: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
        """Apply a layer of the module."""
        if not self.recompute or not torch.is_grad_enabled() or is_traced():
            return layer(*inputs, **options)
        contexts = partial(_contexts, layer)
        return checkpoint(layer, *inputs, use_reentrant=False, context_fn=contexts, **options)


def let_recompute(module: nn.Module, recompute: bool) -> None:
    """Tell all parts of a module whether to compute anew what they would keep for the backward pass."""
    for part in module.modules():
        if isinstance(part, Recomputing):
            part.recompute = recompute


def _contexts(layer: Callable[..., Any]) -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
    return nullcontext(), _statistics_kept(layer)


@contextmanager
def _statistics_kept(layer: Callable[..., Any]) -> Iterator[None]:
    """Let no running statistics count a batch twice."""
    parts = layer.modules() if isinstance(layer, nn.Module) else ()
    norms = [part for part in parts if isinstance(part, nn.modules.batchnorm._BatchNorm)]
    before = [{name: buffer.clone() for name, buffer in norm.named_buffers()} for norm in norms]
    try:
        yield
    finally:
        for norm, buffers in zip(norms, before, strict=True):
            for name, buffer in buffers.items():
                norm.get_buffer(name).copy_(buffer)
