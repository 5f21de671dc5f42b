"""Kernelised attention with relative positions as its definition says: a dense Toeplitz matrix of factors."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention.naive.linear import weighted


def nprf_attention(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    projection: Float[Tensor, "m e"],
    bias: Float[Tensor, "h D"],
    *,
    causal: bool = False,
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L L"]]:
    """Weigh values by products of features of unit vectors times ``exp(bias)`` of key minus query position."""
    of_queries, of_keys = (
        ((x / x.norm(dim=-1, keepdim=True)) @ projection.mT - 0.5).exp() / math.sqrt(len(projection)) for x in (q, k)
    )
    length, none = q.shape[-2], bias.shape[-1] // 2
    toeplitz = torch.stack(
        [torch.stack([bias[:, none + j - i].exp() for j in range(length)], -1) for i in range(length)], 1
    )
    return weighted(of_queries @ of_keys.mT * toeplitz, v, causal=causal)
