"""LogSparse attention: which cells are seen, and a softmax over those."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def log_sparse_pattern(length: int, *, pattern: str, sub_length: int, causal: bool) -> Bool[Tensor, "L L"]:
    """LogSparse: row by row, the steps that a step sees; when not causal, the mirror image too."""
    w = math.ceil(math.log2(sub_length))
    near, restart = (w if "local" in pattern else 1), "restart" in pattern
    visible = torch.zeros(length, length, dtype=torch.bool)
    for row in range(length):
        seen: set[int] = set()
        for anchor in range(row, -1, -sub_length) if restart else [row]:
            first = anchor - near + 1
            beyond = {first - 2**i for i in range(w if restart else length.bit_length())}
            seen |= {*range(first, anchor + 1), *(key for key in beyond if not restart or anchor - key <= sub_length)}
        if pattern == "local+restart" and (length // sub_length) * 2 * w > row:
            seen = set(range(row + 1))
        visible[row, [key for key in seen if key >= 0]] = True
    return visible if causal else visible | visible.flip(0, 1)


def log_sparse_attention(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    *,
    visible: Bool[Tensor, "L L"],
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L L"]]:
    """Exact attention in which a row meets only the keys it sees."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
    return weights @ v, weights
