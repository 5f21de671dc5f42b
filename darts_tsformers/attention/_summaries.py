"""What Combiner attends to: single keys, and summaries of regions that stand for many."""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.execution.tracing import is_traced

RADIX = 8
"""Parts that a tier of the logarithmic pattern halves three times."""


class Entries(NamedTuple):
    """Some of what each step attends to: how much it asks for each, and what it gets for its weights."""

    logits: Float[Tensor, "N L k"]
    weigh: Callable[[Float[Tensor, "N L k"]], Float[Tensor, "N L f"]]


def fixed(q: Tensor, k: Tensor, v: Tensor, segment: int, *, causal: bool) -> list[Entries]:
    """See the steps of the own segment, and one summary of each other."""
    length = q.shape[1]
    there, later = _cells(length, segment, q.device)
    q, k, v = (_grid(t, segment) for t in (q, k, v))
    own = _only(q @ k.mT, ~_hidden(there, causal=causal))
    of_queries, of_keys = (_only(t, there[..., None]).amax(2) for t in (q, k))
    of_values = _average(of_queries[:, :, None] @ k.mT, there[:, None], v)[:, :, 0]
    others = _only(q @ of_keys[:, None].mT, _others(len(there), later, causal=causal)[:, None])
    return [
        Entries(_steps(own, length), lambda w: _steps(_grid(w, segment) @ v, length)),
        Entries(_steps(others, length), lambda w: w @ of_values),
    ]


def axial(q: Tensor, k: Tensor, v: Tensor, segment: int, *, causal: bool, row_keys: bool) -> list[Entries]:
    """See the steps of the own row, and of each other row what attends to that row from the own column."""
    length = q.shape[1]
    there, later = _cells(length, segment, q.device)
    q, k, v = (_grid(t, segment) for t in (q, k, v))
    scores = q @ k.mT
    own = _only(scores, ~_hidden(there, causal=causal))
    in_row = _only(scores, there[:, None]).softmax(-1)
    keys, values = (t.transpose(1, 2) for t in (in_row @ k if row_keys else k, in_row @ v))  # columns first
    seen = _others(len(there), later, causal=causal) & there.T[:, None]
    columns = _only(q.transpose(1, 2) @ keys.mT, seen).transpose(1, 2)
    return [
        Entries(_steps(own, length), lambda w: _steps(_grid(w, segment) @ v, length)),
        Entries(_steps(columns, length), lambda w: _down(w, values, segment, length)),
    ]


def mixture(q: Tensor, k: Tensor, v: Tensor, segment: int, *, own: bool) -> list[Entries]:
    """See row and column up to the step, other columns above, and each row above left and right of the own column."""
    length = q.shape[1]
    there, _ = _cells(length, segment, q.device)
    q, k, v = (_grid(t, segment) for t in (q, k, v))
    q_, k_, v_ = (t.transpose(1, 2) for t in (q, k, v))  # columns first
    rows, columns = there.shape
    above = torch.ones(rows, rows, dtype=torch.bool, device=q.device).tril(-1)
    before = torch.ones(columns, columns, dtype=torch.bool, device=q.device).tril(0 if own else -1)
    column_keys, column_values = (t.transpose(1, 2) for t in _running(q_, k_, v_))
    other = ~torch.eye(columns, dtype=torch.bool, device=q.device) & above.any(-1)[:, None, None]
    entries = [
        Entries(_masked(q @ k.mT, before, length), lambda w: _steps(_grid(w, segment) @ v, length)),
        Entries(_masked((q_ @ k_.mT), above, length, down=True), lambda w: _down(w, v_, segment, length)),
        Entries(
            _masked(q @ column_keys.mT, other, length),
            lambda w: _steps(_grid(w, segment) @ column_values, length),
        ),
    ]
    for side in ((), (2,)):
        keys, values = (t.flip(side).transpose(1, 2) for t in _running(*(t.flip(side) for t in (q, k, v))))
        some = torch.arange(columns, device=q.device).flip([0] if side else []) > 0
        seen = above & some[:, None, None]
        entries.append(
            Entries(
                _masked(q_ @ keys.mT, seen, length, down=True),
                partial(_down, values=values, segment=segment, length=length),
            )
        )
    return entries


def logarithmic(q: Tensor, k: Tensor, v: Tensor, *, own: bool) -> list[Entries]:
    """See the step itself, and for each set bit of its place the block of that many steps which ends there."""
    length = q.shape[1]
    entries = []
    if own:
        entries.append(Entries((q * k).sum(-1, keepdim=True), partial(torch.mul, v)))
    units = 1
    while length > units * RADIX**2:
        units *= RADIX
    missing = -length % units
    q, k, v = (F.pad(t, (0, 0, 0, missing)) for t in (q, k, v))
    unit = 1
    pooled: tuple[Tensor, ...] = (q, k)
    while unit < q.shape[1]:
        parts = RADIX if unit < units else q.shape[1] // unit
        entries.append(_tier(q, k, v, pooled, parts, unit, length))
        unit *= parts
        pooled = tuple(torch.unflatten(t, 1, (-1, parts)).amax(2) for t in pooled)
    return entries


def mirrored(past: Callable[..., list[Entries]], q: Tensor, k: Tensor, v: Tensor, **how: int) -> list[Entries]:
    """Return what a step sees of its future, as it sees its past: the pattern on the reversed series."""
    return [
        Entries(logits.flip(1), partial(_reversed, weigh))
        for logits, weigh in past(*(t.flip(1) for t in (q, k, v)), own=False, **how)
    ]


def _reversed(weigh: Callable[[Tensor], Tensor], w: Float[Tensor, "N L k"]) -> Float[Tensor, "N L f"]:
    return weigh(w.flip(1)).flip(1)


def _tier(q: Tensor, k: Tensor, v: Tensor, pooled: tuple[Tensor, ...], parts: int, unit: int, length: int) -> Entries:
    """Summarise blocks of 1, 2, 4 ... units within groups of ``parts`` units."""
    size, missing = parts * unit, q.shape[1] - length
    covers, used = _blocks(parts)
    covers, used = (t.to(q.device) for t in (covers.repeat_interleave(unit, 1), used.repeat_interleave(unit, 0)))
    queries, keys = (_evens(torch.unflatten(t, 1, (-1, parts))) for t in pooled)
    q, k, v = (torch.unflatten(t, 1, (-1, size)) for t in (q, k, v))
    values = _average(queries @ k.mT, covers, v)
    logits = _only(q @ keys.mT, used)

    def weigh(w: Float[Tensor, "N L k"]) -> Float[Tensor, "N L f"]:
        return _steps(torch.unflatten(F.pad(w, (0, 0, 0, missing)), 1, (-1, size)) @ values, length)

    return Entries(_steps(logits, length), weigh)


def _blocks(parts: int) -> tuple[Bool[Tensor, "k parts"], Bool[Tensor, "parts k"]]:
    """Say which parts each summary covers, and which summaries each part looks at."""
    covers, used = [], []
    for bit in range((parts - 1).bit_length()):
        for block in range(0, -(-parts >> bit), 2):
            if (block + 1) << bit < parts:
                covers.append([part >> bit == block for part in range(parts)])
                used.append([part >> bit == block + 1 for part in range(parts)])
    return torch.tensor(covers), torch.tensor(used).T


def _evens(units: Float[Tensor, "N g parts e"]) -> Float[Tensor, "N g k e"]:
    """Take the maxima of blocks of 1, 2, 4 ... units, every other block that has another behind it."""
    kept, parts = [], units.shape[2]
    for bit in range((parts - 1).bit_length()):
        kept.append(units[:, :, : -(-(parts - (1 << bit)) >> bit) : 2])
        whole = units if units.shape[2] % 2 == 0 else F.pad(units, (0, 0, 0, 1), value=-math.inf)
        units = torch.unflatten(whole, 2, (-1, 2)).amax(3)
    return torch.cat(kept, dim=2)


def _running(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Summarise all that stands before each entry of an axis, the last but one; before the first stands the first."""
    size = q.shape[-2]
    maxima = _maxima(torch.cat([q, k], dim=-1))
    maxima = torch.cat([maxima[..., :1, :], maxima[..., :-1, :]], dim=-2)
    of_queries, of_keys = maxima.chunk(2, dim=-1)
    before = torch.ones(size, size, dtype=torch.bool, device=q.device).tril(-1)
    before[0, 0] = True
    return of_keys, _average(of_queries @ k.mT, before, v)


def _maxima(x: Float[Tensor, "*N T w"]) -> Float[Tensor, "*N T w"]:
    """Return the largest of all entries up to each."""
    if not is_traced():
        return x.cummax(-2).values
    reach = 1  # by doubling: there is no cummax in ONNX
    while reach < x.shape[-2]:
        x = torch.cat([x[..., :reach, :], torch.maximum(x[..., reach:, :], x[..., :-reach, :])], dim=-2)
        reach *= 2
    return x


def _average(scores: Tensor, seen: Tensor, v: Tensor) -> Tensor:
    return _only(scores, seen).softmax(-1) @ v


def _only(scores: Tensor, seen: Tensor) -> Tensor:
    """Hide what is not seen; to add takes a fraction of the time of a masked fill, and none backwards."""
    return scores + torch.zeros(seen.shape, dtype=scores.dtype, device=scores.device).masked_fill_(~seen, -math.inf)


def _grid(t: Float[Tensor, "N L w"], segment: int) -> Float[Tensor, "N S l w"]:
    return torch.unflatten(F.pad(t, (0, 0, 0, -t.shape[1] % segment)), 1, (-1, segment))


def _steps(t: Float[Tensor, "N S l w"], length: int) -> Float[Tensor, "N L w"]:
    return t.flatten(1, 2)[:, :length]


def _down(w: Float[Tensor, "N L S"], values: Float[Tensor, "N l S f"], segment: int, length: int) -> Tensor:
    return _steps((_grid(w, segment).transpose(1, 2) @ values).transpose(1, 2), length)


def _masked(scores: Tensor, seen: Tensor, length: int, *, down: bool = False) -> Float[Tensor, "N L k"]:
    """Hide what is not seen; scores that have columns first are laid out by rows."""
    hidden = _only(scores, seen)
    return _steps(hidden.transpose(1, 2) if down else hidden, length)


def _cells(length: int, segment: int, device: torch.device) -> tuple[Bool[Tensor, "S l"], Bool[Tensor, "S S"]]:
    """Say which cells of the grid there are, and which rows come after which."""
    rows = -(-length // segment)
    there = torch.arange(rows * segment, device=device).view(rows, segment) < length
    return there, torch.ones(rows, rows, dtype=torch.bool, device=device).triu(1)


def _hidden(there: Bool[Tensor, "S l"], *, causal: bool) -> Bool[Tensor, "S l l"]:
    """Say what a step does not see of its own segment; of a step that is not there, nothing is asked."""
    columns = there.shape[1]
    later = torch.ones(columns, columns, dtype=torch.bool, device=there.device).triu(1)
    return later.expand(len(there), -1, -1) if causal else ~there[:, None].expand(-1, columns, -1)


def _others(rows: int, later: Bool[Tensor, "S S"], *, causal: bool) -> Bool[Tensor, "S S"]:
    own = torch.eye(rows, dtype=torch.bool, device=later.device)
    return ~(own | later) if causal else ~own
