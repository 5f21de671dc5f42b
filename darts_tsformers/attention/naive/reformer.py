"""Attention by locality-sensitive hashing, token by token, for one head of one sample."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor


def bucket(x: Float[Tensor, " e"], rotation: Float[Tensor, "e half"]) -> int:
    """Return to which of the axes, or of their opposites, the rotated token is nearest."""
    rotated = x @ rotation
    return int(torch.cat([rotated, -rotated]).argmax())


def attend(
    qk: Float[Tensor, "L e"],
    v: Float[Tensor, "L f"],
    buckets: Int[Tensor, "R L"],
    size: int,
    *,
    causal: bool,
    across: bool = True,
    once: bool = False,
) -> tuple[Float[Tensor, "L f"], Float[Tensor, "L L"]]:
    """Sort each round by bucket and time, cut it into chunks, attend to the own chunk and the one before of all."""
    length, width = qk.shape
    chunks = []
    for number, round_ in enumerate(buckets.tolist()):
        order = [i for _, i in sorted((bucket, i) for i, bucket in enumerate(round_))]
        chunks += [[(i, number, round_[i]) for i in order[j : j + size]] for j in range(0, length, size)]
    met = torch.zeros(length, length)
    for at, chunk in enumerate(chunks):
        for i, *own in chunk:
            for j, *other in chunk + chunks[at - 1]:
                met[i, j] += across or own == other
    rows: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(length)]
    for at, chunk in enumerate(chunks):
        for i, *own in chunk:
            scores, keys = [], []
            for j, *other in chunk + chunks[at - 1]:
                if (j > i and causal) or not (across or own == other):
                    continue
                score = qk[i] @ qk[j] / qk[j].norm() / math.sqrt(width)
                if j == i:
                    score = torch.full_like(score, -5e4)
                scores.append(score - met[i, j].log() if once else score)
                keys.append(j)
            together = torch.stack(scores)
            spread = torch.zeros(len(keys), length, dtype=qk.dtype)
            spread[torch.arange(len(keys)), torch.tensor(keys)] = 1
            rows[i].append((together.logsumexp(0), together.softmax(0) @ spread))
    weights = torch.stack(
        [torch.stack([total for total, _ in row]).softmax(0) @ torch.stack([map_ for _, map_ in row]) for row in rows]
    )
    return weights @ v, weights
