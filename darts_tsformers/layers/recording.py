"""Look inside a forward pass without a flag in any constructor."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class AttentionRecord:
    """Attention maps in the order in which layers ran, each of shape ``(B, h, L, M)``, detached."""

    maps: list[Tensor] = field(default_factory=list)


_active: ContextVar[AttentionRecord | None] = ContextVar("active_attention_record", default=None)


@contextmanager
def record_attention() -> Iterator[AttentionRecord]:
    """Record the attention maps of every layer that runs inside the block.

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
