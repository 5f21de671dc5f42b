"""Selective scan (S6): a linear recurrence whose memory each step sets for itself."""

from functools import reduce

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.recurrence._scan_by_doubling import scan_by_doubling
from darts_tsformers.recurrence._scan_in_blocks import ScanInBlocks


def selective_scan(
    x: Float[Tensor, "B L D"],
    delta: Float[Tensor, "B L D"],
    A: Float[Tensor, "D n"],
    B: Float[Tensor, "B L n"],
    C: Float[Tensor, "B L n"],
    D: Float[Tensor, " D"] | None = None,
    state: Float[Tensor, "B D n"] | None = None,
) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D n"]]:
    r"""Run a state through a sequence, and read each step's output off it.

    .. math::
        h_t &= \exp(\Delta_t A) \odot h_{t-1} + \Delta_t B_t x_t \\
        y_t &= C_t h_t + D x_t

    Each feature has a state of ``n`` numbers of its own; all features of a step share :math:`B_t` and :math:`C_t`.

    Cost: O(B L D n) time. The backward pass computes decays and states again, a block of steps at a time, so that the
    scan keeps O(B L (D + n)) numbers and one state a block. Short scans, of up to four million numbers, keep them all,
    which is 10 to 20 % faster.

    Parameters
    ----------
    x
        Input.
    delta
        Length of each step, for each feature: how fast the state forgets and how much of the input it takes. Positive.
    A
        Rate of each number of a state: negative, or the state grows.
    B, C
        How a step's input enters the state, and how its output is read off it.
    D
        Weight of the input in the output; None for none.
    state
        State before the first step; None for zeros.

    Returns
    -------
    tuple
        The output, in the type of ``x``, and the state after the last step. Half precision is computed in single
        precision, in which the state stays.

    Raises
    ------
    ValueError
        If a shape does not fit those of ``x`` and ``A``.

    Notes
    -----
    Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023, algorithm 2. As in the
    authors' code, and unlike equation 4 of the paper, the input is discretised as :math:`\Delta B`, the first order of
    the zero-order hold.

    A scan that is compiled or exported, and one whose second derivatives are asked for, goes through all steps at once,
    :math:`\log_2 L` times. This takes more memory.

    Examples
    --------
    A rate of zero forgets nothing: the scan is a running sum.

    >>> import torch
    >>> from darts_tsformers.recurrence import selective_scan
    >>> x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1)
    >>> one = torch.ones(1, 4, 1)
    >>> y, state = selective_scan(x, one, torch.zeros(1, 1), one, one)
    >>> y.flatten(), state.flatten()
    (tensor([ 1.,  3.,  6., 10.]), tensor([10.]))
    """
    _check_shapes(x, delta, A, B, C, D, state)
    if state is None:
        state = x.new_zeros(x.shape[0], *A.shape)
    with without_autocast(x):
        cast = _in_full_precision(x, delta, A, B, C, state)
        if is_traced():
            y, state = scan_by_doubling(*cast)
        else:
            y, state = ScanInBlocks.apply(*cast, torch.is_grad_enabled())  # type: ignore[no-untyped-call]
        y = y if D is None else torch.addcmul(y, cast[0], D.to(y.dtype))
    return y.to(x.dtype), state


def selective_step(
    x: Float[Tensor, "B D"],
    delta: Float[Tensor, "B D"],
    A: Float[Tensor, "D n"],
    B: Float[Tensor, "B n"],
    C: Float[Tensor, "B n"],
    D: Float[Tensor, " D"] | None,
    state: Float[Tensor, "B D n"],
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D n"]]:
    """Advance a state by one step, as :func:`selective_scan` does by many.

    Parameters
    ----------
    x, delta, A, B, C, D
        As in the scan, without the axis of the steps.
    state
        State before the step.

    Returns
    -------
    tuple
        The output and the state after the step.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import selective_scan, selective_step
    >>> x, delta, B, C = torch.rand(4, 2, 7, 3)
    >>> A = -torch.rand(3, 3)
    >>> whole, _ = selective_scan(x, delta, A, B, C)
    >>> _, state = selective_scan(x[:, :6], delta[:, :6], A, B[:, :6], C[:, :6])
    >>> last, _ = selective_step(x[:, 6], delta[:, 6], A, B[:, 6], C[:, 6], None, state)
    >>> torch.allclose(last, whole[:, 6])
    True
    """
    with without_autocast(x):
        now, delta, A, B, C, state = _in_full_precision(x, delta, A, B, C, state)
        taken = (delta * now)[..., None] * B[:, None]
        state = torch.addcmul(taken, torch.exp(delta[..., None] * A), state)
        y = (state @ C[..., None]).squeeze(-1)
        y = y if D is None else torch.addcmul(y, now, D.to(y.dtype))
    return y.to(x.dtype), state


def _in_full_precision(*tensors: Tensor) -> list[Tensor]:
    """Cast to the widest of the types, single precision at least."""
    dtype = reduce(torch.promote_types, (t.dtype for t in tensors), torch.float32)
    return [t.to(dtype) for t in tensors]


def _check_shapes(
    x: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor | None, state: Tensor | None
) -> None:
    batch, length, width, n = *x.shape, A.shape[-1]
    expected = {
        "delta": (delta, (batch, length, width)),
        "A": (A, (width, n)),
        "B": (B, (batch, length, n)),
        "C": (C, (batch, length, n)),
        "D": (D, (width,)),
        "state": (state, (batch, width, n)),
    }
    for name, (tensor, shape) in expected.items():
        if tensor is not None and tensor.shape != shape:
            raise ValueError(f"{name} of shape {tuple(tensor.shape)} must be of shape {shape}, beside x and A")
