"""ProbSparse attention, query by query."""

import itertools
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.attention.naive.ties import highest


def prob_sparse_attention(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h M e"],
    v: Float[Tensor, "B h M f"],
    *,
    sampled: Int[Tensor, "L U"],
    u: int,
    causal: bool,
    lazy_context: str,
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Informer: only the u queries that tell their sampled keys apart attend; the others take all values alike."""
    raw = q @ k.mT
    weights = torch.zeros_like(raw)
    for b, h in itertools.product(range(q.shape[0]), range(q.shape[1])):
        measures = []
        for i, row in enumerate(raw[b, h]):
            seen = [row[j].item() for j in sampled[i].tolist() if j <= i or not causal]
            measures.append(max(seen) - sum(seen) / len(seen) if seen else -math.inf)
        longest_query, longest_key = (max(row.norm().item() for row in t[b, h]) for t in (q, k))
        selected = highest(measures, u, longest_query * longest_key)
        for i, row in enumerate(raw[b, h]):
            past = i + 1 if causal else len(row)
            lazy = 1.0 if causal and lazy_context == "cumsum" else 1 / past
            weights[b, h, i, :past] = (row[:past] / math.sqrt(q.shape[-1])).softmax(-1) if i in selected else lazy
    return weights @ v, weights
