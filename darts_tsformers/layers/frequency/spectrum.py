"""A signal at a few of its frequencies: there, back, and products of complex numbers in between, in real tensors.

A spectrum is a real tensor whose second axis holds the real and the imaginary part.
"""

import math

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn


class PartialFourier:
    r"""The Fourier transform of real signals, restricted to some modes.

    .. math::

        X_j = \sum_{t=0}^{L-1} x_t\, e^{-2 \pi i j t / L}, \qquad
        x_t = \frac{1}{L} \sum_j w_j \operatorname{Re}\left(X_j\, e^{2 \pi i j t / L}\right)

    with :math:`w_j = 1` for the modes that are their own mirror image, :math:`j = 0` and :math:`j = L / 2`, and 2 for
    all others. It equals ``rfft`` followed by taking the modes, and ``irfft`` of a spectrum that is zero elsewhere.

    Both directions are one matrix product with the same table of cosines and sines. For the few modes that these layers
    keep, up to about 64, that takes the time of the fast transform or less, O(L m) memory for the table instead of a
    whole spectrum for each signal, and it exports to formats without complex numbers. The table is computed on the
    spot: it follows the modes that a checkpoint brings, and has the precision of the signal.

    Parameters
    ----------
    modes
        The modes ``j``.
    length
        Steps ``L`` of the signal.
    dtype
        Type of the signals.
    """

    def __init__(self, modes: Int[Tensor, " m"], length: int, dtype: torch.dtype) -> None:
        self.table = _fourier_table(modes, length, dtype)
        self.weight: Float[Tensor, " m"] = (1 + (2 * modes % length != 0)).to(dtype) / length

    def transform(self, x: Float[Tensor, "B L h e"]) -> Float[Tensor, "B 2 m h e"]:
        """Return the modes of the signals."""
        parts = self.table @ x.flatten(2)
        return rearrange(parts, "B (c m) (h e) -> B c m h e", c=2, h=x.shape[2])

    def inverse(self, spectrum: Float[Tensor, "B 2 m h e"]) -> Float[Tensor, "B L h e"]:
        """Return the signals that have these modes and no others."""
        parts = rearrange(spectrum * self.weight[:, None, None], "B c m h e -> B (c m) (h e)")
        return rearrange(self.table.mT @ parts, "B L (h e) -> B L h e", h=spectrum.shape[3])


class ModeWeights(nn.Module):
    r"""A complex matrix for each head and mode.

    .. math:: Y_{j, o} = \sum_i X_{j, i}\, W_{j, i, o}

    Real and imaginary parts of the weights are two real parameters, so that every optimiser, mixed precision and export
    can handle them. Both start uniform in :math:`[0, 1 / (h e)^2)`, as in the code of FEDformer's authors: the layer
    begins close to zero.

    Parameters
    ----------
    n_heads, n_modes, width
        Heads ``h``, modes ``m`` and features of a head ``e``.
    """

    def __init__(self, n_heads: int, n_modes: int, width: int) -> None:
        super().__init__()
        shape = n_heads, n_modes, width, width
        self.real = nn.Parameter(torch.rand(shape) / (n_heads * width) ** 2)
        self.imag = nn.Parameter(torch.rand(shape) / (n_heads * width) ** 2)

    def forward(self, spectrum: Float[Tensor, "B 2 n h e"]) -> Float[Tensor, "B 2 n h e"]:
        """Multiply each mode by its matrix; the ``n`` modes given are the first of all."""
        real, imag = (weight[:, : spectrum.shape[2]].to(spectrum.dtype) for weight in (self.real, self.imag))
        return complex_einsum("bcmhi,hmio->cbmho", spectrum, real, imag)


def _fourier_table(modes: Int[Tensor, " m"], length: int, dtype: torch.dtype) -> Float[Tensor, "n L"]:
    """Return the cosines of all modes, and below them their negative sines.

    With steps t = a + b, a multiple of the stride and less than a stride: cos(a + b) = cos a cos b - sin a sin b, and
    alike for the sine. So each entry takes two products; a cosine each would take a good part of the transform's time.
    """
    stride = 2 ** (length.bit_length() // 2)
    cos_a, sin_a = _cos_sin(modes, torch.arange(0, length, stride, device=modes.device), length, dtype)
    cos_b, sin_b = _cos_sin(modes, torch.arange(stride, device=modes.device), length, dtype)
    of_cos, of_minus_sin = torch.stack([cos_b, -sin_b], dim=1), torch.stack([-sin_b, -cos_b], dim=1)
    table = torch.stack([cos_a, sin_a], dim=-1) @ torch.stack([of_cos, of_minus_sin])
    return rearrange(table, "c m a b -> c m (a b)")[..., :length].flatten(0, 1)


def _cos_sin(
    modes: Int[Tensor, " m"], steps: Int[Tensor, " n"], length: int, dtype: torch.dtype
) -> tuple[Float[Tensor, "m n"], Float[Tensor, "m n"]]:
    turns = torch.outer(modes, steps) % length  # whole turns, left out, would cost precision
    angle = turns.to(dtype) * (2 * math.pi / length)
    return angle.cos(), angle.sin()


def complex_einsum(equation: str, x: Tensor, real: Tensor, imag: Tensor) -> Tensor:
    """Sum products of complex numbers.

    ``c`` names the axis of real and imaginary part in the equation: second in ``x``, absent in the other factor, whose
    parts come on their own, first in the result of the equation. The sum comes back with that axis in second place.
    """
    by_real, by_imag = torch.einsum(equation, x, real).unbind(), torch.einsum(equation, x, imag).unbind()
    return torch.stack([by_real[0] - by_imag[1], by_real[1] + by_imag[0]], dim=1)


def at_least_single(x: Tensor) -> torch.dtype:
    """Return the type to transform in: a spectrum in half precision would lose the small modes beside the large."""
    return torch.promote_types(x.dtype, torch.float32)


def require_length(length: int, **sequences: Float[Tensor, "B h L e"]) -> None:
    """Raise ``ValueError`` if a sequence has another length than a layer was built for."""
    for name, sequence in sequences.items():
        if sequence.shape[2] != length:
            raise ValueError(f"{name} has {sequence.shape[2]} steps, but the layer was built for length={length}")
