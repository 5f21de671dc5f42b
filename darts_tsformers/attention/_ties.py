"""Choosing the highest of values that rounding may have told apart."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

OF_RANGE, OF_LARGEST = 1e-4, 1e-5


@torch.no_grad()
def highest(values: Float[Tensor, "*rows L"], n: int) -> Int[Tensor, "*rows n"]:
    """Return where the ``n`` highest values of each row stand; among those as good as equal, where the earlier do.

    Tokens that are equal, as those of a horizon of which nothing is known, make values that differ by rounding alone,
    and so by the machine and the batch. Taken are those above the n-th highest by more than ``OF_RANGE`` of the range
    of their row, or ``OF_LARGEST`` of its largest, and after them, from the first on, those that are as near to it.
    """
    length = values.shape[-1]
    cut = values.topk(n).values[..., -1:]
    finite = values.nan_to_num(neginf=0.0)
    most, least = finite.amax(-1, keepdim=True), finite.amin(-1, keepdim=True)
    near = torch.maximum(OF_RANGE * (most - least), OF_LARGEST * torch.maximum(most, -least))
    place = (values > cut + near).int() + (values >= cut - near).int()
    return (place * length - torch.arange(length, dtype=torch.int32, device=values.device)).topk(n).indices
