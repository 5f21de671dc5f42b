"""What a companion state-space model answers with: decaying waves, read off its eigenvalues."""

import cmath
import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from torch import Tensor


class CompanionMode(NamedTuple):
    r"""A part of an impulse response: :math:`w\, 2^{-i / T} \cos(2 \pi i / P + \phi)`.

    Attributes
    ----------
    period
        ``P``, in steps; infinite for a part that does not swing.
    half_life
        ``T``, the steps in which it falls to a half. Infinite if it stays; negative if it grows, and doubles instead.
    weight
        ``w``, what it begins with at most. Not below 0.

    Examples
    --------
    >>> from darts_tsformers.recurrence import CompanionMode
    >>> CompanionMode(period=24.0, half_life=100.0, weight=0.5).period
    24.0
    """

    period: float
    half_life: float
    weight: float


def companion_modes(
    a: Float[Tensor, " n"], b: Float[Tensor, " n"], c: Float[Tensor, " n"], k: Float[Tensor, " n"] | None = None
) -> list[CompanionMode]:
    r"""Return the waves that make the impulse response of a model, the heaviest first.

    Each is an eigenvalue of A, or with ``k`` of the closed loop :math:`A + b k^\top`; two that are conjugate make one
    wave. What the state forgets within n steps, eigenvalues of 0, is left out. Waves (almost) equal to each other have
    weights that are large, or infinite, and cancel.

    Parameters
    ----------
    a, b, c
        Vectors of one model, as they are used: see :meth:`CompanionSSM.vectors`.
    k
        The vector that forecasts the next input, to have the closed loop's.

    Examples
    --------
    An autoregressive process of order 2, fed back, swings with its own period:

    >>> import math
    >>> import torch
    >>> from darts_tsformers.recurrence import companion_modes
    >>> coefficients = torch.tensor([2 * 0.9 * math.cos(2 * math.pi / 11), -(0.9**2)], dtype=torch.float64)
    >>> nothing, latest = torch.tensor([[0.0, 0], [1, 0]], dtype=torch.float64)
    >>> (mode,) = companion_modes(a=nothing, b=latest, c=coefficients, k=coefficients)
    >>> round(mode.period, 9), round(mode.half_life, 3)
    (11.0, 6.579)
    """
    column, start, read = (_array(x) for x in (a, b, c))
    opened = np.concatenate([[1.0], -column[::-1]])
    numerator, denominator = _times(_response(column, start, read), opened), opened
    if k is not None:
        fed_back = _times(_response(column, start, _array(k)), opened)
        denominator = opened - np.concatenate([[0.0], fed_back])
    slope = np.polyder(denominator)
    roots = [complex(root) for root in np.roots(denominator) if root != 0 and root.imag >= 0]
    with np.errstate(divide="ignore", invalid="ignore"):  # equal roots have no slope
        residues = [np.polyval(numerator, root) / np.polyval(slope, root) for root in roots]
    modes = [_mode(root, float(abs(residue))) for root, residue in zip(roots, residues, strict=True)]
    return sorted(modes, key=lambda mode: -mode.weight)


def _mode(root: complex, residue: float) -> CompanionMode:
    angle, decay = abs(cmath.phase(root)), -math.log(abs(root))
    return CompanionMode(
        period=2 * math.pi / angle if angle else math.inf,
        half_life=math.log(2) / decay if decay else math.inf,
        weight=residue * (2 if root.imag else 1),
    )


def _array(x: Tensor) -> np.ndarray:
    return x.detach().cpu().double().numpy()


def _response(a: np.ndarray, x: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Return the first n steps of an impulse response, step by step: zeros are exact, and so are those of a root."""
    out = []
    for _ in range(len(a)):
        out.append(c @ x)
        x = np.concatenate([[0.0], x[:-1]]) + a * x[-1]
    return np.array(out)


def _times(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.convolve(x, y)[: len(x)]
