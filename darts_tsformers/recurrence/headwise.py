"""Recurrent cells whose heads do not mix: LSTM, sLSTM, GRU and Elman, with a recurrent matrix for each head."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.checks import require_one_of


class HeadwiseState(NamedTuple):
    """What a cell carries from step to step, each ``(h, B, D)``.

    Attributes
    ----------
    y
        The output of the step before.
    c
        The memory of ``"lstm"`` and ``"slstm"``.
    n, m
        Normaliser and largest exponent of ``"slstm"``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import headwise_recurrence
    >>> inputs, weight, bias = torch.randn(2, 7, 1, 3, 5), torch.randn(3, 5, 1, 5), torch.zeros(1, 3, 5)
    >>> first, state = headwise_recurrence(inputs[:, :4], weight, bias, cell="elman")
    >>> rest, _ = headwise_recurrence(inputs[:, 4:], weight, bias, cell="elman", state=state)
    >>> whole, _ = headwise_recurrence(inputs, weight, bias, cell="elman")
    >>> torch.allclose(torch.cat([first, rest], dim=1), whole)
    True
    """

    y: Float[Tensor, "h B D"]
    c: Float[Tensor, "h B D"]
    n: Float[Tensor, "h B D"]
    m: Float[Tensor, "h B D"]


def headwise_recurrence(
    inputs: Float[Tensor, "B T G h D"],
    weight: Float[Tensor, "h D K D"],
    bias: Float[Tensor, "A h D"],
    *,
    cell: str = "lstm",
    state: HeadwiseState | None = None,
) -> tuple[Float[Tensor, "B T h D"], HeadwiseState]:
    r"""Run a recurrent cell over a sequence, head by head.

    With :math:`r = y_{t-1} R` of the own head, :math:`w` the inputs of a step and :math:`\sigma` the logistic function:

    - ``"elman"``: :math:`y = \tanh(w + r + b)`.
    - ``"lstm"``, gates (i, f, z, o): :math:`c = \sigma(f)\, c + \sigma(i) \tanh(z)`,
      :math:`y = \sigma(o) \tanh(c)`.
    - ``"slstm"``, the same gates, the first two exponential: :math:`m' = \max(i, \log\sigma(f) + m)`,
      :math:`c = e^{\log\sigma(f) + m - m'} c + e^{i - m'} \tanh(z)`,
      :math:`n = \max(e^{\log\sigma(f) + m - m'} n + e^{i - m'}, 1)`, :math:`y = \sigma(o)\, c / n`.
    - ``"gru"``, inputs (r, z, n), recurrent part (g, r, z), bias (g, r, z, n):
      :math:`y = \sigma(z)\, y + (1 - \sigma(z)) \tanh(n + \sigma(r)\, g)`.

    Cost: O(T D^2) time for each head, one step after the other.

    Parameters
    ----------
    inputs
        The projected inputs of each gate, without the recurrent part.
    weight
        The recurrent matrix R of each head, from the output before to each gate.
    bias
        Of each gate.
    cell
        ``"lstm"``, ``"slstm"``, ``"gru"`` or ``"elman"``.
    state
        To go on from, as an earlier call returned it. None for the beginning.

    Returns
    -------
    The outputs, and the state after the last step.

    Raises
    ------
    ValueError
        If the cell is not known, or the gates do not fit it.

    Notes
    -----
    Pöppel et al., "FlashRNN: Optimizing Traditional RNNs on Modern Hardware", 2024, and Beck et al., "xLSTM: Extended
    Long Short-Term Memory", NeurIPS 2024, written after the equations. Gradients flow through the largest exponent.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import headwise_recurrence
    >>> inputs, weight, bias = torch.randn(2, 7, 4, 3, 5), torch.randn(3, 5, 4, 5), torch.zeros(4, 3, 5)
    >>> outputs, state = headwise_recurrence(inputs, weight, bias, cell="slstm")
    >>> outputs.shape
    torch.Size([2, 7, 3, 5])
    """
    require_one_of(CELLS, cell=cell)
    advance, gates = CELLS[cell]
    found = inputs.shape[2], weight.shape[2], bias.shape[0]
    if found != gates:
        raise ValueError(f"cell={cell!r} needs {gates} gates in inputs, weight and bias, got {found}")
    steps = inputs.permute(1, 2, 3, 0, 4)  # (T, G, h, B, D)
    biases = bias[:, :, None]
    if state is None:
        zero = torch.zeros_like(steps[0, 0])
        state = HeadwiseState(zero, zero, zero, torch.full_like(zero, -math.inf))
    outputs = []
    for x in steps.unbind(0):  # indexing would fill a whole tensor at each step backwards
        back = torch.unflatten(state.y @ weight.flatten(2), -1, weight.shape[2:]).movedim(-2, 0)
        state = advance(x, back, biases, state)
        outputs.append(state.y)
    return torch.stack(outputs).permute(2, 0, 1, 3), state


def _elman(x: Tensor, back: Tensor, bias: Tensor, state: HeadwiseState) -> HeadwiseState:
    return state._replace(y=torch.tanh(x[0] + back[0] + bias[0]))


def _lstm(x: Tensor, back: Tensor, bias: Tensor, state: HeadwiseState) -> HeadwiseState:
    enter, forget, new, out = x + back + bias
    c = torch.sigmoid(forget) * state.c + torch.sigmoid(enter) * torch.tanh(new)
    return state._replace(y=torch.sigmoid(out) * torch.tanh(c), c=c)


def _slstm(x: Tensor, back: Tensor, bias: Tensor, state: HeadwiseState) -> HeadwiseState:
    enter, forget, new, out = x + back + bias
    kept = F.logsigmoid(forget) + state.m
    m = torch.maximum(enter, kept)
    kept, taken = torch.exp(kept - m), torch.exp(enter - m)
    c = kept * state.c + taken * torch.tanh(new)
    n = (kept * state.n + taken).clamp(min=1)
    return HeadwiseState(torch.sigmoid(out) * c / n, c, n, m)


def _gru(x: Tensor, back: Tensor, bias: Tensor, state: HeadwiseState) -> HeadwiseState:
    carried, reset, keep = back + bias[:3]
    reset, keep = torch.sigmoid(x[0] + reset), torch.sigmoid(x[1] + keep)
    return state._replace(y=keep * state.y + (1 - keep) * torch.tanh(x[2] + bias[3] + reset * carried))


Cell = Callable[[Tensor, Tensor, Tensor, HeadwiseState], HeadwiseState]
CELLS: dict[str, tuple[Cell, tuple[int, int, int]]] = {
    "elman": (_elman, (1, 1, 1)),
    "gru": (_gru, (3, 3, 4)),
    "lstm": (_lstm, (4, 4, 4)),
    "slstm": (_slstm, (4, 4, 4)),
}
"""Each cell, and the gates of its inputs, recurrent part and bias."""
