"""The two-dimensional state space model: one state goes along time, another along variates."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.recurrence._sweep import Sweep
from darts_tsformers.recurrence.linear_recurrence import linear_recurrence

Grid = Float[Tensor, "B V T D n"]
Column = Float[Tensor, "B V D n"]
Fixed = Float[Tensor, "D n"]
Matrices = Float[Tensor, "D n n"]


class GridState(NamedTuple):
    """The states of all variates at one step.

    Attributes
    ----------
    h1
        The state that goes along time.
    h2
        The state that goes along variates.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import GridState, two_dimensional_scan
    >>> a, b = torch.full((5, 7), 0.5), torch.ones(2, 3, 11, 5, 7)  # (D, n), (B, V, T, D, n)
    >>> h1, h2 = two_dimensional_scan((a, a / 4, a / 4, a), (b, b))
    >>> GridState(h1[:, :, -1], h2[:, :, -1]).h1.shape
    torch.Size([2, 3, 5, 7])
    """

    h1: Column
    h2: Column


def two_dimensional_scan(
    a: tuple[Grid | Fixed | Matrices, Grid | Fixed | Matrices, Grid | Fixed, Grid | Fixed], b: tuple[Grid, Grid]
) -> tuple[Grid, Grid]:
    r"""Carry two states through a grid of variates and steps.

    .. math::

        h^1_{v,t} = A_1 h^1_{v,t-1} + A_2 h^2_{v,t-1} + b^1_{v,t}, \qquad
        h^2_{v,t} = A_3 h^1_{v-1,t} + A_4 h^2_{v-1,t} + b^2_{v,t}

    States before the first step and before the first variate are zero. Nothing depends on later steps; that the first
    variate knows of no other, and the last of all, is mended by a second scan of the variates in reverse.

    The cells of an anti-diagonal need nothing of each other, so a scan takes :math:`V + T` steps, each on up to
    :math:`\min(V, T)` cells at once. Cost: O(V T) times features and samples; for the backward pass only the
    transitions and the states are kept.

    Parameters
    ----------
    a
        :math:`A_1, \dots, A_4`, already discrete. Each is the diagonal of a matrix, ``(B, V, T, D, n)`` for each cell
        or ``(D, n)`` for all; the first two may be whole matrices, ``(D, n, n)`` for all cells.
    b
        :math:`b^1` and :math:`b^2`: what the input adds at each cell.

    Returns
    -------
    tuple
        :math:`h^1` and :math:`h^2` at each cell.

    Notes
    -----
    Behrouz et al., "Chimera: Effectively Modeling Multivariate Time Series with 2-Dimensional State Space Models",
    NeurIPS 2024. No code of the authors is public. Deviations: the input enters both states at its own cell, and where
    the paper scans by an associative operator in two dimensions, the order of evaluation is ours.

    The number of paths through the grid grows like a binomial coefficient, and with it the states, unless
    :math:`|A_1| + |A_2| < 1` and :math:`|A_3| + |A_4| < 1` entry by entry. The literal reading of the paper, in which
    :math:`A_2 = \exp(\Delta_1 A_2')` like the others, is far from that: with :math:`\Delta = 0.01` and 21 variates,
    states reach 4e20 in 96 steps.

    Examples
    --------
    An impulse in the first of three variates fades along time, and reaches the others:

    >>> import torch
    >>> from darts_tsformers.recurrence import two_dimensional_scan
    >>> x = torch.zeros(1, 3, 4, 1, 1)  # (B, V, T, D, n)
    >>> x[:, 0, 0] = 8.0
    >>> half, quarter = torch.tensor([[0.5]]), torch.tensor([[0.25]])  # (D, n)
    >>> h1, h2 = two_dimensional_scan((half, quarter, quarter, half), (x, x))
    >>> h1[0, 0, :, 0, 0]
    tensor([8.0000, 6.0000, 3.0000, 1.5000])
    >>> h2[0, :, 0, 0, 0]
    tensor([8., 6., 3.])
    """
    wide = torch.promote_types(b[0].dtype, torch.float32)
    given = [t.to(wide) for t in (*a, *b)]
    h1, h2 = _step_by_step(given) if is_traced() else _swept(given)
    return h1.to(b[0].dtype), h2.to(b[1].dtype)


def advance_two_dimensional(
    a: tuple[Column | Fixed | Matrices, Column | Fixed | Matrices, Column | Fixed, Column | Fixed],
    b: tuple[Column, Column],
    state: GridState,
) -> GridState:
    """Carry the states of all variates one step further in time.

    Parameters
    ----------
    a, b
        As in :func:`two_dimensional_scan`, at the new step: without the axis of time.
    state
        The states at the step before. It is not changed.

    Returns
    -------
    GridState
        The states at the new step.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import GridState, advance_two_dimensional
    >>> half, quarter = torch.tensor([[0.5]]), torch.tensor([[0.25]])
    >>> state, x = GridState(*torch.full((2, 1, 3, 1, 1), 8.0)), torch.zeros(1, 3, 1, 1)  # (B, V, D, n)
    >>> advance_two_dimensional((half, quarter, quarter, half), (x, x), state).h1.flatten()
    tensor([6., 6., 6.])
    """
    a1, a2, a3, a4 = a
    h1 = _moved(a1, state.h1) + _moved(a2, state.h2) + b[0]
    across, along = (t.expand(h1.shape).transpose(0, 1) for t in (a3, a4))
    added = b[1].transpose(0, 1) + across * F.pad(h1.transpose(0, 1)[:-1], (0, 0) * 3 + (1, 0))
    return GridState(h1, linear_recurrence(along, added).transpose(0, 1))


def two_dimensional_closed_loop(
    x: Float[Tensor, "B V T D"],
    horizon: int,
    *,
    a: tuple[Fixed | Matrices, Fixed | Matrices, Fixed, Fixed],
    b: tuple[Fixed, Fixed],
    c: tuple[Fixed, Fixed],
    k: tuple[Fixed, Fixed],
) -> tuple[Float[Tensor, "B V TH D"], Float[Tensor, "B V H D"]]:
    r"""Read an input, then go on with inputs of its own.

    After the last step, the input of every variate is :math:`k_1 h^1_{v,t-1} + k_2 h^2_{v,t-1}`.

    Parameters
    ----------
    x
        The known input.
    horizon
        Steps ``H`` to go on, at least 1.
    a
        Transitions as in :func:`two_dimensional_scan`, the same at every cell.
    b
        What a unit of input adds to the two states.
    c
        How the two states are read: :math:`y = c_1 h^1 + c_2 h^2`.
    k
        How the next input is read from them.

    Returns
    -------
    tuple
        ``y`` at all ``T + H`` steps, and the ``H`` inputs that followed the known ones.

    Raises
    ------
    ValueError
        If ``horizon`` is below 1.

    Notes
    -----
    Behrouz et al., 2024, as above; the closed loop is that of Zhang et al., "Effectively Modeling Time Series with
    Simple Discrete State Spaces", ICLR 2023, for each variate.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import two_dimensional_closed_loop
    >>> one, none = torch.ones(1, 1), torch.zeros(1, 1)  # (D, n)
    >>> x = torch.tensor([[[[1.0], [1.0]]]])  # (B, V, T, D)
    >>> y, _ = two_dimensional_closed_loop(x, 4, a=(one, none, none, none), b=(one, none), c=(one, none), k=(one, none))
    >>> y.flatten()
    tensor([ 1.,  2.,  4.,  8., 16., 32.])
    """
    if horizon < 1:
        raise ValueError(f"horizon={horizon!r} must be at least 1")
    states = two_dimensional_scan(a, (x[..., None] * b[0], x[..., None] * b[1]))
    state = GridState(*(h[:, :, -1] for h in states))
    readings, inputs = [_read(states, c)], []
    for _ in range(horizon):
        inputs.append(_read(state, k))
        state = advance_two_dimensional(a, (inputs[-1][..., None] * b[0], inputs[-1][..., None] * b[1]), state)
        readings.append(_read(state, c)[:, :, None])
    return torch.cat(readings, dim=2), torch.stack(inputs, dim=2)


def _read(states: tuple[Tensor, Tensor], by: tuple[Tensor, Tensor]) -> Tensor:
    return (states[0] * by[0] + states[1] * by[1]).sum(-1)


def _moved(a: Tensor, h: Column) -> Column:
    return (a * h[..., None, :]).sum(-1) if a.ndim == 3 else a * h


def _swept(given: list[Tensor]) -> tuple[Grid, Grid]:
    with without_autocast(given[-1]):
        h1, h2 = Sweep.apply(*(_grid(t, given[-1].shape) for t in given))  # type: ignore[no-untyped-call]
    return h1.permute(2, 0, 1, 3, 4), h2.permute(2, 0, 1, 3, 4)


def _grid(t: Tensor, shape: torch.Size) -> Tensor:
    """Lay a tensor out by variates and steps. Nothing is copied that is the same at all cells; matrices stay."""
    if t.ndim == 5:
        return t.permute(1, 2, 0, 3, 4).contiguous()
    batch, variates, length, width, n = shape
    return t.expand(width, n, n) if t.ndim == 3 else t.expand(variates, length, batch, width, n)


def _step_by_step(given: list[Tensor]) -> tuple[Grid, Grid]:
    """Do the same in operations that can be written down."""
    *a, b1, b2 = given
    states = [GridState(*(torch.zeros_like(b1[:, :, 0]) for _ in range(2)))]
    for t in range(b1.shape[2]):
        a1, a2, a3, a4 = (each[:, :, t] if each.ndim == 5 else each for each in a)
        states.append(advance_two_dimensional((a1, a2, a3, a4), (b1[:, :, t], b2[:, :, t]), states[-1]))
    h1, h2 = (torch.stack(h, dim=2) for h in zip(*states[1:], strict=True))
    return h1, h2
