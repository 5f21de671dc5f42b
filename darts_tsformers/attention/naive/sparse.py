"""The patterns of the Sparse Transformer as their definition says: row by row, the steps that a step sees."""

import torch
from jaxtyping import Bool
from torch import Tensor


def sparse_pattern(
    length: int, *, pattern: str, stride: int, n_summaries: int, part: str, causal: bool
) -> Bool[Tensor, "L L"]:
    """Return what each row sees: near steps, far ones, or both."""
    visible = torch.zeros(length, length, dtype=torch.bool)
    for i in range(length):
        for j in range(i + 1 if causal else length):
            if pattern == "strided":
                near, far = abs(i - j) < stride, (i - j) % stride == 0
            else:
                near, far = i // stride == j // stride, j % stride >= stride - n_summaries or i == j
            visible[i, j] = {"near": near, "far": far, "joint": near or far}[part]
    return visible
