"""What a companion state-space model answers with: decaying waves, read off its eigenvalues."""

import cmath
import math
from typing import NamedTuple

import numpy as np
import torch
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
    numerator = _times(_response(column, start, read), opened)
    denominator = opened if k is None else _closed(column, start, _array(k))
    roots = _roots(denominator)
    weights = _weights(numerator[None], denominator, roots)[0]
    modes = [_mode(root, float(weight)) for root, weight in zip(roots, weights, strict=True)]
    return sorted(modes, key=lambda mode: -mode.weight)


def rollout_waves(
    states: Float[Tensor, "R n"],
    a: Float[Tensor, " n"],
    b: Float[Tensor, " n"],
    c: Float[Tensor, " n"],
    k: Float[Tensor, " n"],
    horizon: int,
) -> tuple[Float[Tensor, " m"], Float[Tensor, "R m"]]:
    r"""Return the waves that make up :math:`c^\top (A + b k^\top)^h x` over a horizon: periods, and how large each is.

    The size is the root mean square over the steps, but for a factor of :math:`\sqrt 2`, of the wave that begins at its
    crest. What stays or decays without a swing has an infinite period.

    Parameters
    ----------
    states
        States ``x`` that the loop starts from.
    a, b, c, k
        Vectors of one model, as they are used: see :meth:`CompanionSSM.vectors`.
    horizon
        Steps ``H``.

    Examples
    --------
    Of two states the second makes a forecast of twice the size:

    >>> import math
    >>> import torch
    >>> from darts_tsformers.recurrence import rollout_waves
    >>> k = torch.tensor([2 * math.cos(2 * math.pi / 11), -1.0], dtype=torch.float64)
    >>> nothing, latest = torch.tensor([[0.0, 0], [1, 0]], dtype=torch.float64)
    >>> periods, sizes = rollout_waves(torch.tensor([[1.0, 0], [2, 0]]), nothing, latest, k, k, horizon=24)
    >>> periods.round(decimals=9).tolist(), (sizes[1] / sizes[0]).round(decimals=9).tolist()
    ([11.0], [2.0])
    """
    column, start, read, feed = (_array(x) for x in (a, b, c, k))
    x, steps = _array(states), []
    for _ in range(len(column)):
        steps.append(x @ read)
        x = np.pad(x[:, :-1], ((0, 0), (1, 0))) + column * x[:, -1:] + start * (x @ feed)[:, None]
    denominator = _closed(column, start, feed)
    roots = _roots(denominator)
    numerators = np.array([_times(row, denominator) for row in np.stack(steps, axis=-1)])
    decay = np.sqrt(np.mean(np.abs(roots)[:, None] ** (2 * np.arange(horizon)), axis=-1))
    sizes = _weights(numerators, denominator, roots) * decay
    periods = [_mode(root, 0.0).period for root in roots]
    return torch.tensor(periods, dtype=torch.float64), torch.from_numpy(np.nan_to_num(sizes, posinf=0))


def _closed(a: np.ndarray, b: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Return the polynomial whose roots are the eigenvalues of the closed loop."""
    opened = np.concatenate([[1.0], -a[::-1]])
    return np.asarray(opened - np.concatenate([[0.0], _times(_response(a, b, k), opened)]))


def _roots(denominator: np.ndarray) -> np.ndarray:
    """Return the eigenvalues that are not 0, one of each conjugate pair."""
    roots = np.roots(denominator).astype(complex)
    return np.asarray(roots[(roots != 0) & (roots.imag >= 0)])


def _weights(numerators: np.ndarray, denominator: np.ndarray, roots: np.ndarray) -> np.ndarray:
    """Return what each wave begins with at most, for each numerator."""
    powers = roots ** np.arange(numerators.shape[-1])[::-1, None]
    with np.errstate(divide="ignore", invalid="ignore"):  # equal roots have no slope
        residues = numerators @ powers / np.polyval(np.polyder(denominator), roots)
    return np.asarray(np.abs(residues) * np.where(roots.imag > 0, 2, 1))


def _mode(root: complex, weight: float) -> CompanionMode:
    angle, decay = abs(cmath.phase(root)), -math.log(abs(root))
    return CompanionMode(
        period=2 * math.pi / angle if angle else math.inf,
        half_life=math.log(2) / decay if decay else math.inf,
        weight=weight,
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
