"""Performer's attention as its definition says: every product of features is formed."""

import math

from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention.naive.linear import weighted


def performer_attention(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h M e"],
    v: Float[Tensor, "B h M f"],
    projection: Float[Tensor, "m e"],
    *,
    kernel: str,
    causal: bool = False,
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Weigh values by products of random features; 1e-4 or 1e-3 is added to each of them."""
    m, e = projection.shape
    projected = [x / e**0.25 @ projection.mT for x in (q, k)]
    if kernel == "relu":
        of_queries, of_keys = (x.clamp_min(0) + 1e-3 for x in projected)
    else:
        half_squares = [(x / e**0.25).square().sum(-1, keepdim=True) / 2 for x in (q, k)]
        longest = projection.square().sum(-1).max().item()
        of_all_keys = max(0.0, longest / 2 - 60) if causal else projected[1].amax((-2, -1), keepdim=True)
        highest = [projected[0].amax(-1, keepdim=True).detach(), of_all_keys]
        of_queries, of_keys = (
            ((x - half - (top if isinstance(top, float) else top.detach())).exp() + 1e-4) / math.sqrt(m)
            for x, half, top in zip(projected, half_squares, highest, strict=True)
        )
    return weighted(of_queries @ of_keys.mT, v, causal=causal)
