"""Local attention as its definition says: row by row, the steps that a step sees."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor


def local_pattern(
    length: int,
    *,
    window: int,
    dilation: int = 1,
    global_at: Sequence[int] = (),
    whole_blocks: bool = False,
    causal: bool = False,
) -> Bool[Tensor, "L L"]:
    """Return what each row sees: its window or blocks, the global tokens, and all from a global token."""
    visible = torch.zeros(length, length, dtype=torch.bool)
    globals_ = {at + length if at < 0 else at for at in global_at} & set(range(length))
    block = window * dilation
    for i in range(length):
        for j in range(i + 1 if causal else length):
            near = abs(i // block - j // block) <= 1 if whole_blocks else abs(i - j) <= block
            visible[i, j] = (near and (i - j) % dilation == 0) or i in globals_ or j in globals_
    return visible
