"""Positions as sines and cosines."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn


def require_even(d_model: int) -> None:
    """Raise ``ValueError`` if a token has no even width."""
    if d_model % 2:
        raise ValueError(f"d_model={d_model} must be even: positions take half sines, half cosines")


def sinusoids(n: int, like: Float[Tensor, "B N D"]) -> Float[Tensor, "n D"]:
    """Return the features of positions ``0 .. n - 1`` that :class:`SinusoidalPosition` has, in full precision.

    Parameters
    ----------
    n
        Positions.
    like
        Tokens whose width, device and type of number to take; angles are computed in at least float32.
    """
    wide = torch.promote_types(like.dtype, torch.float32)
    even = torch.arange(0, like.shape[-1], 2, dtype=wide, device=like.device)
    return _features(torch.arange(n, dtype=wide, device=like.device), _frequencies(even)).to(like.dtype)


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
        require_even(d_model)
        self.register_buffer(
            "frequency", _frequencies(torch.arange(0, d_model, 2, dtype=torch.float32)), persistent=False
        )

    def forward(self, steps: Float[Tensor, " L"]) -> Float[Tensor, "L D"]:
        """Return the features of each step."""
        return _features(steps.float(), self.frequency.float()).to(self.frequency.dtype)


def _frequencies(even: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """Return the angle of a step for each pair of features, by the even one of it."""
    return torch.exp(-math.log(10000.0) * (even / (2 * len(even))))


def _features(steps: Float[Tensor, " L"], frequency: Float[Tensor, " d"]) -> Float[Tensor, "L D"]:
    """Return sine and cosine of each angle, in turns."""
    angle = steps[:, None] * frequency
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
