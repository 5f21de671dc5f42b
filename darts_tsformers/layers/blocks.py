"""Work on a few steps, or a few samples, at a time, which a processor's cache can hold."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.recording import is_recording

ROWS = 256
"""Rows of a block, over all samples. Measured: training takes 0.6 of the time of one large block, and 0.35 where the
products are narrow; a forecast of 336 steps 0.6. 128 to 512 rows are alike."""
TOKENS = 1200
"""Tokens of the samples taken at a time. Measured on PatchTST, width 64, one thread, in a process of its own: at a
look-back of 336 a forecast takes a quarter of the memory of all samples at once and 0.95 of the time; by 4096 tokens at
a time it takes twice that memory and 1.1 times as long."""
FEW = 4096
"""Tokens up to which all samples are taken at once: at a look-back of 96, with 2688, blocks take 1.1 of the time."""


def by_blocks(
    function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor, recompute: bool = False
) -> tuple[Tensor, ...]:
    """Apply a function that treats each step alike to blocks of steps, and join what it returns.

    Parameters
    ----------
    function
        From tensors ``(B, T, ...)`` to tensors ``(B, T, ...)``.
    *inputs
        What it takes.
    recompute
        Whether a block keeps only its inputs for the backward pass, which then computes the rest anew.

    Notes
    -----
    Off the processor all steps are one block, and so are those of a compiled or exported forecast, whose kernels are
    fused without it.
    """
    if is_traced() and not torch.is_grad_enabled():
        return function(*inputs)
    batch, length = inputs[0].shape[:2]
    steps = max(1, ROWS // batch) if inputs[0].device.type == "cpu" else length
    run = partial(checkpoint, function, use_reentrant=False) if recompute else function
    if length <= steps:
        return run(*inputs)
    blocks = [run(*block) for block in zip(*(torch.split(t, steps, dim=1) for t in inputs), strict=True)]
    return tuple(torch.cat(parts, dim=1) for parts in zip(*blocks, strict=True))


def by_samples(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a function that treats each sample by itself to a few samples at a time, where nothing is kept of them.

    Parameters
    ----------
    function
        From tokens ``(B, N, D)`` to a tensor ``(B, ...)``.
    x
        What it takes.

    Notes
    -----
    All samples are taken at once where they are few; with gradients, which keep every block; off the processor; in a
    compiled or exported forecast; and where something is recorded, which is of the whole batch.
    """
    if torch.is_grad_enabled() or x.device.type != "cpu" or is_traced() or is_recording():
        return function(x)
    if x.shape[:2].numel() <= FEW:
        return function(x)
    return torch.cat([function(block) for block in torch.split(x, max(1, TOKENS // x.shape[1]))])
