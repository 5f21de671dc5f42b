"""Work on large tensors in parts that stay in a processor's cache."""

import torch
from torch import Tensor

from darts_tsformers.execution.tracing import is_traced

CHUNK = 2**18  # elements to work on at once: a processor's cache holds them


def parts(x: Tensor, count: int | torch.SymInt, size: int | torch.SymInt) -> list[slice]:
    """Slice ``count`` things of ``size`` elements for a CPU's cache; elsewhere, and for export, take them whole."""
    if x.device.type != "cpu" or is_traced():
        return [slice(None)]
    step = max(1, CHUNK // size)
    return [slice(start, start + step) for start in range(0, count, step)]
