"""Choosing the highest of values that rounding may have told apart."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

NEGLIGIBLE = 1e-4


@torch.no_grad()
def highest(values: Float[Tensor, "*rows L"], n: int) -> Int[Tensor, "*rows n"]:
    """Return where the ``n`` highest values of each row stand, the highest first; earlier ones among near equals.

    Tokens that are equal, as those of a horizon of which nothing is known, make values that differ by rounding alone,
    and so by the machine and the batch. The later a value stands the lower it ranks therefore, by up to ``NEGLIGIBLE``
    of the range of its row. Values of minus infinity come last.
    """
    finite = values.nan_to_num(neginf=0.0)
    spread = finite.amax(-1, keepdim=True) - finite.amin(-1, keepdim=True)
    later = torch.arange(values.shape[-1], dtype=values.dtype, device=values.device) / values.shape[-1]
    return (values - NEGLIGIBLE * spread * later).topk(n).indices
