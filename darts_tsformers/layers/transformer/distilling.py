"""Halve a sequence of tokens."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.convolution import TokenConvolution
from darts_tsformers.layers.norm import build_norm


class Distilling(nn.Module):
    """Convolution, normalisation, ELU and max-pooling, in this order: ``L`` tokens become ``ceil(L / 2)``.

    Notes
    -----
    Zhou et al., "Informer", AAAI 2021, equation 5.
    """

    def __init__(self, d_model: int, *, norm: str = "batch", padding_mode: str = "replicate") -> None:
        super().__init__()
        self.convolution = TokenConvolution(d_model, d_model, padding_mode=padding_mode)
        self.norm = build_norm(norm, d_model)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B K D"]:
        """Halve."""
        features = F.elu(self.norm(self.convolution(x)))
        return F.max_pool1d(features.mT, kernel_size=3, stride=2, padding=1).mT
