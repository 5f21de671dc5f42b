"""Linear attention as its definition says: every product of features is formed."""

import torch
from jaxtyping import Float
from torch import Tensor


def linear_attention(
    q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M f"], *, causal: bool = False
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Weigh values by the product of ``elu + 1`` of queries and keys."""
    of_queries, of_keys = (torch.where(x > 0, x + 1, x.exp()) for x in (q, k))
    return weighted(of_queries @ of_keys.mT, v, causal=causal, epsilon=1e-6)


def weighted(
    products: Float[Tensor, "B h L M"], v: Float[Tensor, "B h M f"], *, causal: bool, epsilon: float = 0.0
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Divide weights by their sum."""
    if causal:
        products = products * torch.ones(products.shape[-2:], dtype=products.dtype).tril()
    weights = products / (products.sum(-1, keepdim=True) + epsilon)
    return weights @ v, weights
