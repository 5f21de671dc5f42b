"""The Synthesizer, row by row."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def dense_scores(
    x: Float[Tensor, "B h L e"],
    widen: Float[Tensor, "h n e"],
    widen_bias: Float[Tensor, "h n"],
    narrow: Float[Tensor, "h M n"],
    narrow_bias: Float[Tensor, "h M"],
) -> Float[Tensor, "B h L M"]:
    """Each token makes one score for each position out of itself alone."""
    heads = [
        (x[:, h] @ widen[h].T + widen_bias[h]).relu() @ narrow[h].T + narrow_bias[h] for h in range(widen.shape[0])
    ]
    return torch.stack(heads, dim=1)


def attend(
    scores: Float[Tensor, "B h L M"], v: Float[Tensor, "B h M f"], *, causal: bool
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Take the softmax of the scores, and of the past alone when causal."""
    if causal:
        later = torch.arange(scores.shape[-1]) > torch.arange(scores.shape[-2])[:, None]
        scores = scores.masked_fill(later, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights
