"""Legendre multiwavelets: a signal of polynomial coefficients as a smooth half and its details, and back."""

import functools

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from numpy.polynomial import legendre
from torch import Tensor


@functools.cache
def legendre_filters(order: int) -> Float[np.ndarray, "w w"]:
    r"""Return the filters of the Legendre multiwavelets with ``order`` functions.

    A step of a signal is an interval, and holds the coefficients of a function in the first ``k`` Legendre polynomials
    :math:`\phi_0 \dots \phi_{k-1}` on that interval, orthonormal. Two neighbours together are such coefficients for
    each half of a wider interval. The rows of the orthogonal matrix returned map them to that interval's own: ``k``
    coefficients of its polynomials, :math:`[H_0\ H_1]`, and then ``k`` of its wavelets :math:`\psi_j`,
    :math:`[G_0\ G_1]`, which are polynomials on each half and orthogonal to :math:`1, x, \dots, x^{k - 1 + j}`.

    Notes
    -----
    Alpert, "A class of bases in L2 for the sparse representation of integral operators", SIAM J. Math. Anal. 24 (1993).
    What the first ``2k`` polynomials of the wide interval are on the two halves, orthogonalised in this order, gives
    the first ``k`` as they are, and of the others what the construction asks for: each wavelet is orthogonal to all
    polynomials before its own. Integrals by Gauss-Legendre quadrature, exact here. The sign of a wavelet, which is
    free, makes its product with its own polynomial positive.
    """
    nodes, weights = legendre.leggauss(2 * order)
    nodes, weights = (nodes + 1) / 2, weights / 2
    fine = _polynomials(order, nodes) * weights
    halves = [_polynomials(2 * order, (nodes + half) / 2) @ fine.T / np.sqrt(2) for half in (0, 1)]
    columns, triangle = np.linalg.qr(np.concatenate(halves, axis=1).T)
    filters = (columns * np.sign(np.diag(triangle))).T
    filters.flags.writeable = False  # every caller shares it
    return filters


def _polynomials(number: int, x: Float[np.ndarray, " n"]) -> Float[np.ndarray, "number n"]:
    """Evaluate the first Legendre polynomials that are orthonormal on the interval from 0 to 1."""
    return np.sqrt(2 * np.arange(number) + 1)[:, None] * legendre.legvander(2 * x - 1, number - 1).T


def split(x: Float[Tensor, "B n c k"]) -> tuple[Float[Tensor, "B m c k"], Float[Tensor, "B m c k"]]:
    """Return the smooth part and the details of a signal of an even number of steps, at half as many."""
    pairs = rearrange(x, "B (m two) c k -> B m c (two k)", two=2)
    smooth, detail = (pairs @ _filters(x).mT).chunk(2, dim=-1)
    return smooth, detail


def merge(smooth: Float[Tensor, "B m c k"], detail: Float[Tensor, "B m c k"]) -> Float[Tensor, "B n c k"]:
    """Undo :func:`split`."""
    pairs = torch.cat([smooth, detail], dim=-1) @ _filters(smooth)
    return rearrange(pairs, "B m c (two k) -> B (m two) c k", two=2)


def _filters(x: Float[Tensor, "B n c k"]) -> Float[Tensor, "w w"]:
    return torch.tensor(legendre_filters(x.shape[-1]), dtype=x.dtype, device=x.device)
