"""Combiner for one head of one sample: each step lists the steps and the regions that it sees."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Seen = tuple[list[int], list[list[int]]]
"""Steps, and regions, of which each stands for its steps."""


def attend(
    q: Float[Tensor, "L e"],
    k: Float[Tensor, "L e"],
    v: Float[Tensor, "L f"],
    segment: int,
    *,
    pattern: str,
    causal: bool,
    row_keys: str = "weighted",
) -> Float[Tensor, "L f"]:
    """Attend from each step to all that it sees, in one softmax."""
    q, rows, length = q / math.sqrt(q.shape[-1]), [], len(q)
    for i in range(length):
        entries: list[tuple[Tensor, Tensor]] = []
        if pattern == "axial":
            start = i // segment * segment
            entries += [(k[j], v[j]) for j in range(start, i + 1 if causal else min(start + segment, length))]
            for cell in range(i % segment, start if causal else length, segment):
                if cell // segment != i // segment:
                    row = slice(cell // segment * segment, cell // segment * segment + segment)
                    shares = (k[row] @ q[cell]).softmax(0)
                    entries.append((shares @ k[row] if row_keys == "weighted" else k[cell], shares @ v[row]))
        else:
            steps, regions = SEEN[pattern](i, length, segment, causal)
            entries += [(k[j], v[j]) for j in steps]
            for region in regions:
                asks = q[region].amax(0)
                entries.append((k[region].amax(0), (k[region] @ asks).softmax(0) @ v[region]))
        keys, values = (torch.stack(one) for one in zip(*entries, strict=True))
        rows.append((keys @ q[i]).softmax(0) @ values)
    return torch.stack(rows)


def _fixed(i: int, length: int, segment: int, causal: bool) -> Seen:
    segments = [list(range(at, min(at + segment, length))) for at in range(0, length, segment)]
    own = i // segment
    others = segments[:own] if causal else segments[:own] + segments[own + 1 :]
    return [j for j in segments[own] if j <= i or not causal], others


def _log(i: int, length: int, _: int, causal: bool) -> Seen:
    def past(i: int) -> Seen:
        bits = [bit for bit in range(i.bit_length()) if i >> bit & 1]
        return [], [list(range((i >> bit << bit) - (1 << bit), i >> bit << bit)) for bit in bits]

    return _both_ways(past, i, length, causal)


def _mixture(i: int, length: int, segment: int, causal: bool) -> Seen:
    def past(i: int) -> Seen:
        row, column = divmod(i, segment)
        steps = [*range(row * segment, i), *range(column, row * segment, segment)]
        columns = [list(range(c, row * segment, segment)) for c in range(segment) if c != column]
        sides = []
        for start in range(0, row * segment, segment):
            sides += [list(range(start, start + column)), list(range(start + column + 1, start + segment))]
        return steps, [region for region in columns + sides if region]

    return _both_ways(past, i, length, causal)


def _both_ways(past: Callable[[int], Seen], i: int, length: int, causal: bool) -> Seen:
    """Add the step itself and, unless causal, the mirror image of what it would see of its past in reverse."""
    steps, regions = past(i)
    steps = [*steps, i]
    if not causal:
        later, later_regions = past(length - 1 - i)
        steps += [length - 1 - j for j in later]
        regions = regions + [[length - 1 - j for j in region] for region in later_regions]
    return steps, regions


SEEN: dict[str, Callable[[int, int, int, bool], Seen]] = {"fixed": _fixed, "log": _log, "mixture": _mixture}
