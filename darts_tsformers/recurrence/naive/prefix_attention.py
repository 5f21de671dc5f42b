"""Prefix attention as its definition says: a softmax for each prefix."""

import torch
from jaxtyping import Float
from torch import Tensor


def prefix_attention(
    scores: Float[Tensor, "B h N"], values: Float[Tensor, "B h N e"]
) -> tuple[Float[Tensor, "B h N e"], Float[Tensor, "B h N N"]]:
    """Return the average over each prefix and the weights, a row a prefix; all zeros where every score is -inf."""
    length = scores.shape[-1]
    out, weights = [], []
    for t in range(length):
        prefix = scores[..., : t + 1]
        empty = prefix.isneginf().all(-1, keepdim=True)
        row = prefix.masked_fill(empty, 0).softmax(-1).masked_fill(empty, 0)
        out.append((row[..., None] * values[..., : t + 1, :]).sum(-2))
        weights.append(torch.nn.functional.pad(row, (0, length - t - 1)))
    return torch.stack(out, dim=-2), torch.stack(weights, dim=-2)
