"""Look inside a forward pass without a flag in any constructor."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

KINDS = ("attention", "trend")
"""What can be recorded: attention maps, ``(B, h, L, M)``, layer by layer; the trend of a forecast, ``(B, H, C, Q)``."""

Record = dict[str, list[Tensor]]

_active: ContextVar[Record | None] = ContextVar("active_record", default=None)


@contextmanager
def recording(*kinds: str) -> Iterator[Record]:
    """Record some kinds of intermediate results, in the order in which they come up inside the block, detached.

    Outside of such a block nothing is formed that the forecast does not need.
    """
    record: Record = {kind: [] for kind in kinds}
    token = _active.set(record)
    try:
        yield record
    finally:
        _active.reset(token)


def recorded(kind: str) -> list[Tensor] | None:
    """Return where to put what is being recorded of a kind; None if it is not."""
    record = _active.get()
    return None if record is None else record.get(kind)
