"""Watch the passes of a module, each as a whole, from the thread that asked for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import torch
from torch import nn

Take: TypeAlias = Callable[[Any, tuple[Any, ...], Any], None]
"""What is done with a pass: given the module, what it was called with and what it gave."""

_watched: ContextVar[tuple[object, Take] | None] = ContextVar("watched_module", default=None)


class Announcing:
    """Part of a module that says of each pass that it is over, to whoever watches it in the same context."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as any module does."""
        out = super().__call__(*args, **kwargs)  # type: ignore[misc]
        watched = None if torch.compiler.is_compiling() else _watched.get()
        if watched is not None and watched[0] is self:
            watched[1](self, args, out)
        return out


@contextmanager
def watching(module: nn.Module, take: Take) -> Iterator[None]:
    """Show each pass of a module inside the block; those that other threads ask it for are not seen.

    A module that announces nothing is given a hook for as long, which belongs to one thread alone.
    """
    if not isinstance(module, Announcing):
        handle = module.register_forward_hook(take)
        try:
            yield
        finally:
            handle.remove()
        return
    token = _watched.set((module, take))
    try:
        yield
    finally:
        _watched.reset(token)
