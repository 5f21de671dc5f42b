"""Choosing the highest of values that rounding may have told apart."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

NEAR = 1e-5
"""A share of the bound. In float32, rounding moves values apart by up to 2e-6 of it, measured at 131,071 steps."""


@torch.no_grad()
def highest(values: Float[Tensor, "*rows L"], n: int, bound: Float[Tensor, "*rows 1"]) -> Int[Tensor, "*rows n"]:
    """Return where the ``n`` highest values of each row stand; among those as good as equal, where the earlier do.

    Tokens that are equal, as those of a horizon of which nothing is known, make values that differ by rounding alone,
    and so by the machine and the batch. Taken are those above the n-th highest by more than ``NEAR`` of the bound, and
    after them, from the first on, those that are as near to it.

    ``bound`` is the most that the products in a row can come to, by the norms of what is multiplied. Rounding errors
    are a share of it, and not of the values, which may be all but zero where products cancel out.
    """
    length = values.shape[-1]
    cut = values.topk(n).values[..., -1:]
    near = NEAR * bound
    place = (values > cut + near).int() + (values >= cut - near).int()
    return (place * length - torch.arange(length, dtype=torch.int32, device=values.device)).topk(n).indices
