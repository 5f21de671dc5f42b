"""Linformer as its definition says: mixtures of keys and values, then exact attention."""

import math

from jaxtyping import Float
from torch import Tensor


def linformer_attention(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h M e"],
    v: Float[Tensor, "B h M f"],
    mix_keys: Float[Tensor, "N r"],
    mix_values: Float[Tensor, "N r"],
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Mix the keys there are by the first rows, attend to the mixtures, and lead the weights back to the steps."""
    n = k.shape[-2]
    scores = q @ (mix_keys[:n].mT @ k).mT / math.sqrt(q.shape[-1])
    weights = scores.softmax(-1) @ mix_values[:n].mT
    return weights @ v, weights
