"""Look inside a forward pass without a flag in any constructor."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor


class Selection(NamedTuple):
    """How much each variable counts, step by step.

    Attributes
    ----------
    part
        What the variables were selected for: ``"static"``, ``"past"`` or ``"future"`` steps.
    weights
        ``(B, T, m)``, detached; they sum to 1 over the variables.
    variables
        Kind and index of each: ``("target", 0)``, ``("past", 1)``, ...
    """

    part: str
    weights: Tensor
    variables: tuple[tuple[str, int], ...]


@dataclass
class AttentionRecord:
    """What layers did, in the order in which they ran.

    Attributes
    ----------
    maps
        Attention maps, each of shape ``(B, h, L, M)``, detached.
    selections
        Weights of variables, where a layer selects among them.
    """

    maps: list[Tensor] = field(default_factory=list)
    selections: list[Selection] = field(default_factory=list)


_active: ContextVar[AttentionRecord | None] = ContextVar("active_attention_record", default=None)


@contextmanager
def record_attention() -> Iterator[AttentionRecord]:
    """Record the attention maps, and the weights of variables, of every layer that runs inside the block.

    Outside of such a block layers never form their maps.
    """
    record = AttentionRecord()
    token = _active.set(record)
    try:
        yield record
    finally:
        _active.reset(token)


def active_record() -> AttentionRecord | None:
    """Return the record being made, if any."""
    return _active.get()
