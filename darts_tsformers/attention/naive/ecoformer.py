"""Attention by binary codes, token by token and pair by pair."""

import torch
from jaxtyping import Float
from torch import Tensor


def codes(
    x: Float[Tensor, "L e"],
    anchors: Float[Tensor, "a e"],
    mean: Float[Tensor, " a"],
    hashes: Float[Tensor, "b a"],
    width: float,
) -> Float[Tensor, "L b"]:
    """Return the code of each token of one head: on which side of each hash its likeness to the anchors lies."""
    rows = []
    for token in x:
        unit = token / token.norm()
        likeness = torch.stack([torch.exp(-(unit - anchor).square().sum() / (2 * width)) for anchor in anchors])
        rows.append(torch.stack([torch.sign((likeness - mean) @ plane) for plane in hashes]))
    return torch.stack(rows)


def attend(
    of_queries: Float[Tensor, "L b"], of_keys: Float[Tensor, "M b"], v: Float[Tensor, "M f"], *, causal: bool
) -> tuple[Float[Tensor, "L f"], Float[Tensor, "L M"]]:
    """Weigh each key by the bits that it shares with a query, less those that it does not, and one more than all."""
    n_bits = of_queries.shape[-1]
    weights = v.new_zeros(len(of_queries), len(of_keys))
    for i, query in enumerate(of_queries):
        for j, key in enumerate(of_keys):
            if j <= i or not causal:
                weights[i, j] = query @ key + n_bits + 1
    weights = weights / weights.sum(-1, keepdim=True)
    return weights @ v, weights
