"""Modules as they compute in single precision, whatever they were trained in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

SINGLE = {
    torch.float64: torch.float32,
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
    torch.complex128: torch.complex64,
}


@contextmanager
def in_single_precision(module: Any) -> Iterator[None]:
    """Put a module of Lightning into single precision, and then its own numbers back, to the last bit."""
    dtype, kept = module.dtype, []
    copies: dict[Tensor, Tensor] = {}
    try:
        module._dtype = torch.float32
        for part in module.modules():
            for name, tensor in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                if tensor.dtype in SINGLE:
                    kept.append((part, name, tensor))
                    setattr(part, name, copies.setdefault(tensor, _single(tensor)))
        yield
    finally:
        module._dtype = dtype
        for part, name, tensor in kept:
            setattr(part, name, tensor)


def _single(tensor: Tensor) -> Tensor:
    copied = tensor.detach().to(SINGLE[tensor.dtype])
    return nn.Parameter(copied, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else copied


class InSinglePrecision(nn.Module):
    """A module that computes in single precision, and takes and gives numbers of another type.

    Parameters
    ----------
    module
        In single precision; it takes tensors and gives one.
    dtype
        What it is to give.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self.dtype = dtype

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the module gives."""
        out: Tensor = self.module(*(one.to(torch.float32) for one in inputs))
        return out.to(self.dtype)
