"""Positions as sines and cosines."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SinusoidalPosition(nn.Module):
    r"""Fixed features of a position.

    .. math:: p_{t, 2i} = \sin(t / 10000^{2i / D}), \quad p_{t, 2i + 1} = \cos(t / 10000^{2i / D})

    Any position has its features: there is no table to outgrow.

    Raises
    ------
    ValueError
        If ``d_model`` is odd.

    Notes
    -----
    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, section 3.5.
    """

    frequency: Tensor

    def __init__(self, d_model: int) -> None:
        super().__init__()
        if d_model % 2:
            raise ValueError(f"d_model={d_model} must be even: positions take half sines, half cosines")
        exponents = torch.arange(0, d_model, 2) / d_model
        self.register_buffer("frequency", torch.exp(-math.log(10000.0) * exponents), persistent=False)

    def forward(self, steps: Float[Tensor, " L"]) -> Float[Tensor, "L D"]:
        """Return the features of each step."""
        wide = torch.promote_types(self.frequency.dtype, torch.float32)
        angle = steps[:, None].to(wide) * self.frequency.to(wide)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).to(self.frequency.dtype)
