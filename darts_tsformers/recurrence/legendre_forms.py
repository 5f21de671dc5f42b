"""What a Legendre memory is: its matrices, the memories of a whole series, and the window that a memory holds."""

import functools
import math
from numbers import Real

import numpy as np
import torch
from jaxtyping import Float
from numpy.polynomial import legendre
from torch import Tensor

from darts_tsformers.checks import require_at_least
from darts_tsformers.recurrence._series import at_least_single, product

LEAST_DIGITS = 10
"""Digits that the matrices of a memory keep at least."""


def legendre_matrices(order: int, theta: float | int) -> tuple[Float[Tensor, "q q"], Float[Tensor, " q"]]:
    r"""Return the matrices of a memory in double precision: :math:`m_t = \bar A m_{t-1} + \bar B u_t`.

    They solve :math:`\theta \dot m = A m + B u` over a step in which the input is held, by the exponential of a matrix:

    .. math::

        A_{ij} = (2i + 1) \begin{cases} -1 & i < j \\ (-1)^{i-j+1} & i \ge j \end{cases}, \qquad
        B_i = (2i + 1) (-1)^i

    A constant input of 1 has the memory (1, 0, 0, ...), and what the matrices miss of this says how exact they are.
    Order 256 has 10 digits in a window of one step and 12 in one of 64, so orders above the window are no trouble.
    Digits are lost to orders of some hundreds in windows of a few steps, and to windows of more than 400,000 steps,
    each of which moves the memory too little.

    Parameters
    ----------
    order
        Numbers ``q`` in the memory, at least 1.
    theta
        Length of the window in steps, at least 1.

    Raises
    ------
    ValueError
        If an argument is out of its range, or fewer than 10 digits are left.

    Examples
    --------
    >>> from darts_tsformers.recurrence import legendre_matrices
    >>> a, b = legendre_matrices(order=2, theta=10)
    >>> (a[:, 0] + b).abs().round(decimals=9).tolist()  # what a constant of 1 makes of (1, 0)
    [1.0, 0.0]
    """
    a, b = _matrices(*_checked(order, theta))
    return torch.tensor(a), torch.tensor(b)


def legendre_response(order: int, theta: float | int, length: int) -> Float[Tensor, "q L"]:
    r"""Return what a single input of 1 leaves in the memory, :math:`\bar A^t \bar B`, in double precision.

    Parameters
    ----------
    order, theta
        Size of the memory and length of its window.
    length
        Steps ``L``.

    Raises
    ------
    ValueError
        As :func:`legendre_matrices`.

    Examples
    --------
    >>> from darts_tsformers.recurrence import legendre_response
    >>> legendre_response(order=4, theta=8, length=4)[0].round(decimals=6).tolist()
    [0.130911, 0.113959, 0.11602, 0.135097]
    """
    return torch.tensor(_response(*_checked(order, theta), length))


def legendre_memory(u: Float[Tensor, "*B L"], order: int, theta: float | int) -> Float[Tensor, "*B L q"]:
    """Return the memory after each input, from nothing: a convolution with :func:`legendre_response`, by FFT.

    Parameters
    ----------
    u
        Inputs, time last.
    order, theta
        Size of the memory and length of its window.

    Raises
    ------
    ValueError
        As :func:`legendre_matrices`.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import legendre_memory
    >>> memory = legendre_memory(torch.ones(99, dtype=torch.float64), order=3, theta=8)
    >>> memory[-1].abs().round(decimals=6).tolist()
    [1.0, 0.0, 0.0]
    """
    length, u = u.shape[-1], at_least_single(u)
    return product(u[..., None, :], legendre_response(order, theta, length).to(u), length).mT


def legendre_window(memory: Float[Tensor, "*B q"], theta: float | int) -> Float[Tensor, "*B w"]:
    r"""Return what a memory still holds: the values of its window, oldest first.

    The value of ``s`` steps ago is :math:`\sum_i m_i P_i(2 r - 1)` with Legendre's polynomials and
    :math:`r = (s + 1/2) / \theta`, the middle of its step. What is smooth over about :math:`\theta / q` steps comes
    back; what is rougher was not kept.

    Parameters
    ----------
    memory
        Memories.
    theta
        Length of their window; there are as many values as whole steps in it.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import legendre_memory, legendre_window
    >>> line = torch.arange(40, dtype=torch.float64)
    >>> memory = legendre_memory(line, order=6, theta=5)
    >>> legendre_window(memory[-1], theta=5).round(decimals=1).tolist()
    [35.0, 36.0, 37.0, 38.0, 39.0]
    """
    middles = (np.arange(int(theta))[::-1] + 0.5) / theta
    polynomials = legendre.legvander(2 * middles - 1, memory.shape[-1] - 1)
    return memory @ torch.tensor(polynomials).to(memory).mT


def _checked(order: int, theta: float | int) -> tuple[int, float]:
    require_at_least(1, order=order)
    if not isinstance(theta, Real) or isinstance(theta, bool) or not 1 <= float(theta) < math.inf:
        raise ValueError(f"theta={theta!r} must be a number of at least 1")
    return int(order), float(theta)


@functools.cache
def _matrices(order: int, theta: float) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.arange(order)[:, None], np.arange(order)
    signs = np.where(row < column, -1, 1 - 2 * ((row - column + 1) % 2))
    generator = np.zeros((order + 1, order + 1))
    generator[:order, :order] = (2 * row + 1) * signs / theta
    generator[:order, order:] = (2 * row + 1) * (1 - 2 * (row % 2)) / theta
    solved = torch.linalg.matrix_exp(torch.from_numpy(generator)).numpy()
    a, b = solved[:order, :order], solved[:order, order]
    missed = np.abs(a[:, 0] + b - (column == 0)).max()
    lost = max(missed, theta * np.finfo(float).eps)
    if not lost <= 10.0**-LEAST_DIGITS:
        raise ValueError(
            f"order={order} and theta={theta} must leave {LEAST_DIGITS} digits in double precision, but lose {lost:.0e}"
        )
    return a, b


@functools.lru_cache(maxsize=8)
def _response(order: int, theta: float, length: int) -> np.ndarray:
    """Double the number of steps by the power of the matrix that reaches over those there are."""
    power, b = _matrices(order, theta)
    out = b[:, None]
    while out.shape[1] < length:
        out = np.concatenate([out, power @ out], axis=1)
        power = power @ power
    return out[:, :length]
