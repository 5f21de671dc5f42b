"""Trend and remainder of a series."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.checks import require_at_least


class SeriesDecomposition(nn.Module):
    """Split a series into a moving average and the rest; the two add up to the input.

    The ends are padded by repeating the first value ``kernel_size - 1 - (kernel_size - 1) // 2`` times and the last
    ``(kernel_size - 1) // 2`` times, so that odd and even kernels keep the length.

    Notes
    -----
    Wu et al., "Autoformer", NeurIPS 2021, equation 1; padding as in Zhou et al., "FEDformer", ICML 2022.
    """

    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        require_at_least(1, kernel_size=kernel_size)
        self.kernel_size = kernel_size
        behind = (kernel_size - 1) // 2
        self.padding = (kernel_size - 1 - behind, behind)

    def forward(self, x: Float[Tensor, "B C L"]) -> tuple[Float[Tensor, "B C L"], Float[Tensor, "B C L"]]:
        """Return remainder and trend."""
        padded = F.pad(x, self.padding, mode="replicate")
        trend = F.avg_pool1d(padded, self.kernel_size, stride=1)
        return x - trend, trend
