"""Exact attention, every query with every key, and that which adds the scores of the layers before."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def full_attention(
    q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M f"], *, causal: bool = False
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Every query looks at every key; a causal one at the keys up to its own position."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        hidden = torch.arange(k.shape[-2]) > torch.arange(q.shape[-2])[:, None]
        scores = scores.masked_fill(hidden, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


def residual_attention(
    qs: list[Float[Tensor, "B h L e"]], ks: list[Float[Tensor, "B h L e"]], v: Float[Tensor, "B h L f"]
) -> Float[Tensor, "B h L f"]:
    """RealFormer: the scores of a layer are its own plus those of all layers before it."""
    scores = sum(q @ k.mT / math.sqrt(q.shape[-1]) for q, k in zip(qs, ks, strict=True))
    assert isinstance(scores, Tensor)
    return scores.softmax(-1) @ v
