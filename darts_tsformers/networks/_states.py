"""Copies of what a network keeps of a series."""

from collections import deque
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from torch import Tensor

Kept = TypeVar("Kept")


def tiled(state: Kept, n: int) -> Kept:
    """Return copies of a state, one behind the other along the batch; the state itself is not shared with them.

    It may be made of tensors with the batch first, of numbers and None, in tuples, lists, deques, dicts and data
    classes.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks._states import tiled
    >>> tiled({"level": torch.tensor([[1.0, 2.0]]), "rows": [3, None]}, n=2)
    {'level': tensor([[1., 2.],
            [1., 2.]]), 'rows': [3, None]}
    """
    return cast(Kept, _tiled(state, n))


def _tiled(state: Any, n: int) -> Any:
    if isinstance(state, Tensor):
        return state.repeat(n, *[1] * (state.ndim - 1))
    if is_dataclass(state) and not isinstance(state, type):
        return replace(state, **{field.name: _tiled(getattr(state, field.name), n) for field in fields(state)})
    if isinstance(state, dict):
        return {key: _tiled(value, n) for key, value in state.items()}
    if isinstance(state, tuple) and hasattr(state, "_fields"):
        return type(state)(*(_tiled(value, n) for value in state))
    if isinstance(state, deque):
        return deque((_tiled(value, n) for value in state), state.maxlen)
    if isinstance(state, list | tuple):
        return type(state)(_tiled(value, n) for value in state)
    return state
