"""Heads of several lengths, and how a horizon is put together of them."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from darts_tsformers.checks import require_at_least
from darts_tsformers.window import Sizes


def require_lengths(horizon_lengths: Sequence[int]) -> tuple[int, ...]:
    """Return the lengths as a tuple.

    Raises
    ------
    ValueError
        If there are none, or they do not increase from 1 or more.
    """
    lengths = tuple(horizon_lengths)
    for length in lengths:
        require_at_least(1, horizon_lengths=length)
    if not lengths or list(lengths) != sorted(set(lengths)):
        raise ValueError(f"horizon_lengths={lengths!r} must be lengths that increase")
    return lengths


def schedule(horizon_lengths: Sequence[int], n: int) -> list[tuple[int, int]]:
    """Return which heads forecast ``n`` steps one after the other, and how many steps are taken of each.

    It is always the longest that does not reach beyond the end, or the shortest, cut.

    Examples
    --------
    >>> from darts_tsformers.networks._horizon_heads import schedule
    >>> schedule([1, 8, 32, 64], 97)
    [(3, 64), (2, 32), (0, 1)]
    >>> schedule([2, 6], 7)
    [(1, 6), (0, 1)]
    """
    steps = []
    while n > 0:
        head = max((i for i, length in enumerate(horizon_lengths) if length <= n), default=0)
        steps.append((head, min(horizon_lengths[head], n)))
        n -= steps[-1][1]
    return steps


class Reach(NamedTuple):
    """What a head forecasts from each step of look-back and horizon, and can be told right or wrong.

    Attributes
    ----------
    at
        After which step it is forecast, an output shift counted.
    ahead
        Which of the head's steps it is, from 0 on.
    step
        Which step of look-back and horizon, one right after the other, it is of.
    """

    at: Int[Tensor, " T"]
    ahead: Int[Tensor, " T"]
    step: Int[Tensor, " T"]


def reach_of(length: int, sizes: Sizes, device: torch.device | None = None) -> Reach:
    """Return what a head of a length forecasts within look-back and horizon.

    Nothing is forecast from the steps of an output shift, nor of them.

    Examples
    --------
    >>> from darts_tsformers.networks._horizon_heads import reach_of
    >>> from darts_tsformers.window import Sizes
    >>> reach_of(2, Sizes(input_length=2, output_length=1)).step
    tensor([1, 2, 2])
    """
    first = sizes.input_length + sizes.output_shift
    at = torch.arange(first + sizes.output_length - 1, device=device)[:, None]
    ahead = torch.arange(length, device=device)
    of = at + 1 + ahead
    known = (of < first + sizes.output_length) & ~_is_between(at, sizes) & ~_is_between(of, sizes)
    at, ahead, of = at.expand_as(of)[known], ahead.expand_as(of)[known], of[known]
    return Reach(at, ahead, torch.where(of < first, of, of - sizes.output_shift))


def _is_between(steps: Int[Tensor, "..."], sizes: Sizes) -> Tensor:
    return (steps >= sizes.input_length) & (steps < sizes.input_length + sizes.output_shift)
