"""Sinkhorn attention of one head of one sample, block by block and step by step."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def permutation(
    q: Float[Tensor, "L e"], k: Float[Tensor, "L e"], size: int, *, n_iterations: int, temperature: float
) -> Float[Tensor, "u v"]:
    """Return the soft permutation of blocks."""
    rows = _likeness(q, k, size)
    p = (rows.clamp(min=0) + 1e-6) ** (1 / temperature)
    for _ in range(n_iterations):
        p = p / p.sum(1, keepdim=True)
        p = p / p.sum(0, keepdim=True)
    return p


def shares(scores: Float[Tensor, " v"], n_top: int) -> list[tuple[int, Tensor]]:
    """Return the highest, one after the other, each with its share of the softmax among those that are left."""
    left, found = list(range(len(scores))), []
    for _ in range(min(n_top, len(left))):
        best = max(left, key=lambda i: (scores[i].item(), -i))
        found.append((best, scores[left].softmax(0)[left.index(best)]))
        left.remove(best)
    return found


def attend(
    q: Float[Tensor, "L e"],
    k: Float[Tensor, "L e"],
    v: Float[Tensor, "L f"],
    size: int,
    *,
    sorting: str,
    n_top: int,
    n_iterations: int,
    temperature: float,
) -> Float[Tensor, "L f"]:
    """Attend from each step to its own block, and to what is sorted to it, slot by slot."""
    out = torch.empty_like(v)
    soft = permutation(q, k, size, n_iterations=n_iterations, temperature=temperature)
    likeness = _likeness(q, k, size)
    starts = range(0, len(q), size)
    for u, start in enumerate(starts):
        if sorting == "top":
            sorted_blocks = [{block: share} for block, share in shares(likeness[u], n_top)]
        else:
            sorted_blocks = [dict(enumerate(soft[u]))]
        keys, values = list(k[start : start + size]), list(v[start : start + size])
        for weights in sorted_blocks:
            for slot in range(size):
                some = [(w, block * size + slot) for block, w in weights.items() if block * size + slot < len(q)]
                if some:
                    keys.append(sum(w * k[at] for w, at in some))
                    values.append(sum(w * v[at] for w, at in some))
        for i in range(start, min(start + size, len(q))):
            out[i] = _softmax(q[i], keys, values)
    return out


def attend_the_past(
    q: Float[Tensor, "L e"], k: Float[Tensor, "L e"], v: Float[Tensor, "L f"], size: int, *, n_top: int, first: int
) -> Float[Tensor, "L f"]:
    """Attend to chosen blocks before the own one, and to its steps so far; blocks begin at ``first``."""
    out = torch.empty_like(v)
    for i in range(first):
        out[i] = _softmax(q[i], list(k[: i + 1]), list(v[: i + 1]))
    q, k, v = q[first:], k[first:], v[first:]
    averages = [k[: i + 1].mean(0) for i in range(len(k))]
    for i in range(len(q)):
        start = i // size * size
        asks = q[: start + 1].mean(0)
        before = [sum(averages[at : at + size]) for at in range(0, start, size)]
        scores = torch.stack([asks @ t / math.sqrt(q.shape[-1]) for t in [torch.zeros_like(asks)] * n_top + before])
        keys, values = list(k[start : i + 1]), list(v[start : i + 1])
        for block, share in shares(scores, n_top):
            at = (block - n_top) * size
            null = block < n_top
            keys += [torch.zeros_like(k[0])] * size if null else [share * t for t in k[at : at + size]]
            values += [torch.zeros_like(v[0])] * size if null else [share * t for t in v[at : at + size]]
        out[first + i] = _softmax(q[i], keys, values)
    return out


def _likeness(q: Float[Tensor, "L e"], k: Float[Tensor, "L e"], size: int) -> Float[Tensor, "u v"]:
    of_queries, of_keys = (torch.stack([block.mean(0) for block in torch.split(t, size)]) for t in (q, k))
    return of_queries @ of_keys.T / math.sqrt(q.shape[-1])


def _softmax(q: Float[Tensor, " e"], keys: list[Tensor], values: list[Tensor]) -> Float[Tensor, " f"]:
    return (torch.stack(keys) @ q / math.sqrt(len(q))).softmax(0) @ torch.stack(values)
