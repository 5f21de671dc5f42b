"""Linear maps of which there is one for each length of patches."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class SizedLinear(nn.Module):
    """One linear map for each size, side by side.

    Parameters
    ----------
    n_sizes
        How many.
    n_in, n_out
        Features that they take and give, at the largest size.
    """

    def __init__(self, n_sizes: int, n_in: int, n_out: int) -> None:
        super().__init__()
        bound = n_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_sizes, n_out, n_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_sizes, n_out).uniform_(-bound, bound))

    def forward(self, x: Float[Tensor, "*N i"], size: int) -> Float[Tensor, "*N o"]:
        """Map by the map of one size, by its number."""
        return F.linear(x, self.weight[size], self.bias[size])
