"""Prefix attention: one query attends to every prefix of a sequence."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.recurrence._prefix_scan import finite, prefix_averages


class PrefixState(NamedTuple):
    """All that prefix attention keeps of the steps seen so far.

    Attributes
    ----------
    m
        Highest score.
    u
        Sum of ``exp(score - m)``.
    w
        Sum of ``exp(score - m) * value``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import PrefixState, begin_prefix_attention
    >>> _, state = begin_prefix_attention(torch.zeros(1, 1, 3), torch.tensor([[[[1.0], [2.0], [6.0]]]]))
    >>> state.u.item(), state.w.item()
    (3.0, 9.0)
    """

    m: Float[Tensor, "B h"]
    u: Float[Tensor, "B h"]
    w: Float[Tensor, "B h e"]


def prefix_attention(
    scores: Float[Tensor, "B h N"],
    values: Float[Tensor, "B h N e"],
    mask: Bool[Tensor, "B N"] | None = None,
) -> Float[Tensor, "B h N e"]:
    r"""Return the softmax average of the values over each prefix.

    .. math::

        o_t = \frac{\sum_{j \le t} e^{s_j - m_t} v_j}{\sum_{j \le t} e^{s_j - m_t}},
        \qquad m_t = \max_{j \le t} s_j

    A prefix in which nothing is to be seen gives zeros.

    Cost: O(N (e + 16)) time and memory for each sample and head. Inside blocks of 16 steps all pairs are compared; what
    a block carries over to the next is a sequence 16 times as short, which is treated in the same way. The backward
    pass computes the exponentials anew.

    Parameters
    ----------
    scores
        How well each step answers the query; :math:`-\infty` hides a step.
    values
        What is averaged.
    mask
        Which steps there are; the others are padding, whatever they hold.

    Returns
    -------
    Tensor
        The average at each step, in the type of the values.

    Raises
    ------
    ValueError
        If scores and values differ in samples, heads or steps.

    Notes
    -----
    Feng et al., "Attention as an RNN", 2024 (arXiv 2405.13956), section 3. Deviation: the paper doubles the distance at
    each of log N passes over the whole sequence; blocks give the same with fewer passes. Half precision is summed in
    float32.

    Examples
    --------
    With all scores equal, each output is the mean so far:

    >>> import torch
    >>> from darts_tsformers.recurrence import prefix_attention
    >>> values = torch.tensor([1.0, 2.0, 6.0]).view(1, 1, 3, 1)  # (B, h, N, e)
    >>> prefix_attention(torch.zeros(1, 1, 3), values).flatten()
    tensor([1.0000, 1.5000, 3.0000])
    """
    scores, wide = _seen(scores, values, mask)
    out = prefix_averages(scores.flatten(0, 1), wide.flatten(0, 1))
    return out.view(values.shape).to(values.dtype)


def begin_prefix_attention(
    scores: Float[Tensor, "B h N"],
    values: Float[Tensor, "B h N e"],
    mask: Bool[Tensor, "B N"] | None = None,
) -> tuple[Float[Tensor, "B h N e"], PrefixState]:
    """Attend to each prefix, and keep what :func:`advance_prefix_attention` needs to go on.

    Parameters
    ----------
    scores, values, mask
        As in :func:`prefix_attention`.

    Returns
    -------
    tuple
        The average at each step and the state after the last.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import begin_prefix_attention
    >>> out, state = begin_prefix_attention(torch.zeros(2, 3, 5), torch.ones(2, 3, 5, 7))
    >>> state.w.shape
    torch.Size([2, 3, 7])
    """
    out = prefix_attention(scores, values, mask)
    scores, wide = _seen(scores, values, mask)
    m = scores.amax(-1)
    weights = (scores - finite(m)[..., None]).exp()
    return out, PrefixState(m, weights.sum(-1), (weights[..., None] * wide).sum(-2))


def advance_prefix_attention(
    score: Float[Tensor, "B h"],
    value: Float[Tensor, "B h e"],
    state: PrefixState,
    mask: Bool[Tensor, " B"] | None = None,
) -> tuple[Float[Tensor, "B h e"], PrefixState]:
    """Attend to the prefix that one more step makes, in O(e).

    Parameters
    ----------
    score, value
        Of the new step.
    state
        Of the steps before it. It is not changed.
    mask
        For which samples there is a new step.

    Returns
    -------
    tuple
        The average at the new step and the state after it.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import advance_prefix_attention, begin_prefix_attention
    >>> _, state = begin_prefix_attention(torch.zeros(1, 1, 2), torch.tensor([[[[1.0], [2.0]]]]))
    >>> advance_prefix_attention(torch.zeros(1, 1), torch.tensor([[[6.0]]]), state)[0].item()
    3.0
    """
    s, v = _seen(score[..., None], value[..., None, :], None if mask is None else mask[:, None])
    s, v = s.squeeze(-1), v.squeeze(-2)
    m = torch.maximum(state.m, s)
    kept, new = (state.m - finite(m)).exp(), (s - finite(m)).exp()
    u = kept * state.u + new
    w = kept[..., None] * state.w + new[..., None] * v
    return (w / u.clamp(min=1)[..., None]).to(value.dtype), PrefixState(m, u, w)


def prefix_weights(scores: Float[Tensor, "B h N"], mask: Bool[Tensor, "B N"] | None = None) -> Float[Tensor, "B h N N"]:
    """Return the weights of each prefix, a row a prefix. O(N^2) memory: for explanations, not for training.

    Parameters
    ----------
    scores, mask
        As in :func:`prefix_attention`.

    Returns
    -------
    Tensor
        Rows that sum to 1, or to 0 where nothing is to be seen.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import prefix_weights
    >>> prefix_weights(torch.zeros(1, 1, 2))[0, 0]
    tensor([[1.0000, 0.0000],
            [0.5000, 0.5000]])
    """
    length = scores.shape[-1]
    future = torch.ones(length, length, dtype=torch.bool, device=scores.device).triu(1)
    return _softmax(_hidden(scores, mask)[..., None, :].masked_fill(future, -math.inf))


def last_prefix_weights(
    scores: Float[Tensor, "B h N"], mask: Bool[Tensor, "B N"] | None = None
) -> Float[Tensor, "B h N"]:
    """Return the weights of the longest prefix: the last row of :func:`prefix_weights`, in O(N).

    Parameters
    ----------
    scores, mask
        As in :func:`prefix_attention`.

    Returns
    -------
    Tensor
        Weights that sum to 1, or to 0 where nothing is to be seen.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.recurrence import last_prefix_weights
    >>> last_prefix_weights(torch.zeros(1, 1, 4))
    tensor([[[0.2500, 0.2500, 0.2500, 0.2500]]])
    """
    return _softmax(_hidden(scores, mask))


def _seen(scores: Tensor, values: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return scores and values, wide enough to be summed, with nothing of what is padding."""
    if scores.shape != values.shape[:-1]:
        shapes = f"scores {tuple(scores.shape)}, values {tuple(values.shape)}"
        raise ValueError(f"{shapes} must have the same samples, heads and steps")
    wide = torch.promote_types(torch.promote_types(scores.dtype, values.dtype), torch.float32)
    values = values.to(wide)
    if mask is not None:
        values = values.masked_fill(~mask[:, None, :, None], 0)
    return _hidden(scores.to(wide), mask), values


def _hidden(scores: Tensor, mask: Tensor | None) -> Tensor:
    return scores if mask is None else scores.masked_fill(~mask[:, None], -math.inf)


def _softmax(scores: Tensor) -> Tensor:
    weights = (scores - finite(scores.amax(-1, keepdim=True))).exp()
    return weights / weights.sum(-1, keepdim=True).clamp(min=1)
