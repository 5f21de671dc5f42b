"""Look inside a forward pass without a flag in any constructor."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor, nn

KINDS = (
    "attention",
    "queries",
    "delays",
    "correlation",
    "modes",
    "mode_attention",
    "levels",
    "variables",
    "gates",
    "experts",
    "routing",
    "prototypes",
    "prompt",
    "steps",
    "memory",
    "responses",
    "skips",
    "guidance",
    "spread",
    "mask",
    "trend",
    "stages",
    "prompts",
)
"""What can be recorded, with the names of the tensors of one entry.

``attention``
    ``weights`` ``(B, h, L, M)``; layers that go row by row make one entry for each part, to be joined over ``L``.
``queries``
    ``measure`` and ``selected`` ``(B, h, L)``: the queries that attend, where a mechanism chooses.
``delays``, ``modes``
    ``period``, in steps, and ``weight``, both ``(B, k)``: what a mechanism that compares delays or frequencies found.
``correlation``
    ``correlation`` ``(B, L)``: how much queries and keys resemble each other at each delay, from 0 on.
``mode_attention``
    ``weights`` ``(B, h, m, n)``: how strongly the frequencies of one signal attend to those of another.
``levels``
    ``weight`` ``(B, K)``: the share of energy that each level of a tree adds, the finest first.
``variables``
    ``weights`` ``(B, ..., V)``: importance of each variable, at each step if there is an axis for it.
``gates``
    ``weights`` ``(B, N)``: the share of each token in what a layer lets in, a mean over features.
``experts``
    ``weights`` ``(B, L, K)``: what part of the trend each moving average makes, a mean over channels.
``routing``
    ``weights`` ``(B, L, E)``: what the output of each expert is multiplied by for each token, zero for those that the
    token does not go to; layers that go row by row make one entry for each part, to be joined over ``L``.
``prototypes``
    ``weights`` ``(B, h, L, S)``: how strongly each token attends to each of ``S`` vectors that the network has learnt.
``prompt``
    ``share`` ``(B, h, L)``: what share of the attention of each token goes to a prompt before all tokens.
``steps``
    ``length`` ``(B, L)``: how long each token is as a step of a selective scan, a mean over features. A long one enters
    the state and makes it forget; a state passes by a short one.
``memory``
    ``written`` and ``held`` ``(B, L, r)``: what each token put into ``r`` memories, and what these still say it was
    after the last.
``responses``
    ``response`` ``(B, K, L)``: what each of ``K`` models of a layer answers to a pulse, by the steps since. It is
    learned, and alike for all windows.
``skips``
    ``weights`` ``(B, 2, K)``: how much goes into a mixer of what each mixer over time, and each over variates, has put
    out so far, from what went into the first on; zero for what is not there yet. They are learned, and alike for all
    windows.
``guidance``
    ``pull`` ``(B, L, C)``: how hard what was observed pulled a diffusion at each step, the gradient's size summed over
    the steps of the sampler and the copies by lags, a mean over paths.
``spread``
    ``deviation`` ``(B, H, C)``: the standard deviation of paths, as the network sees the target.
``mask``
    ``kept`` ``(B, L, C)``: how likely a view that was learnt by contrast keeps each value of the target.
``trend``
    ``trend`` ``(B, H, C, Q)``: the trend of a forecast, in data units.
``stages``
    ``level``, ``up_to_1``, ``up_to_2``, ..., each ``(B, H, C, Q)``: the forecast of no stage, of the first, of the
    first two, ... of a hierarchy, in data units; the last is the forecast. Stages may have names: ``up_to_trend``, ...
``prompts``
    ``weights`` ``(B, 3, P)``: which of ``P`` learned prompts were put before trend, season and rest, in equal shares.
"""


class Entry(NamedTuple):
    """What one module has put down in one call."""

    module: nn.Module
    tensors: dict[str, Tensor]


Record = dict[str, list[Entry]]

_active: ContextVar[Record | None] = ContextVar("active_record", default=None)


@contextmanager
def recording(*kinds: str) -> Iterator[Record]:
    """Record some kinds of intermediate results, in the order in which they come up inside the block, detached.

    Outside of such a block nothing is formed that the forecast does not need. Inside, compiled modules run as they were
    written: a compiled graph has no place for what is put down.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
    >>> from darts_tsformers.recording import recording
    >>> layer = MultiHeadAttention(d_model=8, n_heads=2)
    >>> with recording("attention") as record:
    ...     _ = layer(torch.randn(3, 12, 8))
    >>> record["attention"][0].tensors["weights"].shape
    torch.Size([3, 2, 12, 12])
    """
    entries: Record = {kind: [] for kind in kinds}
    token = _active.set(entries)
    try:
        with _uncompiled():
            yield entries
    finally:
        _active.reset(token)


def _uncompiled() -> AbstractContextManager[object]:
    """Run as written what ``torch.compile`` has compiled; its parts are loaded only once something is."""
    return torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()


def _entries() -> Record | None:
    """Return what is being recorded; never anything for a compiler, which cannot follow a context variable."""
    return None if torch.compiler.is_compiling() else _active.get()


def revise(kind: str, change: Callable[[Tensor], Tensor]) -> None:
    """Change what was put down last of a kind: a part of the output follows what is done to the output."""
    entries = _entries()
    if entries is not None and entries.get(kind):
        last = entries[kind].pop()
        changed = {name: change(tensor).detach() for name, tensor in last.tensors.items()}
        entries[kind].append(Entry(last.module, changed))


def is_recording(kind: str | None = None) -> bool:
    """Whether a kind, or any kind at all, is being recorded."""
    entries = _entries()
    return entries is not None and (kind is None or kind in entries)


def recorded_kinds() -> frozenset[str]:
    """Return the kinds that are being recorded."""
    return frozenset(_active.get() or ())


def record(kind: str, module: nn.Module, **tensors: Tensor) -> None:
    """Put down what a module has to say of a kind, if that kind is being recorded."""
    entries = _entries()
    if entries is not None and kind in entries:
        entries[kind].append(Entry(module, {name: tensor.detach() for name, tensor in tensors.items()}))
