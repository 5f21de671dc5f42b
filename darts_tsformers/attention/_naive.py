"""What each mechanism means, in the fewest operations that say it. Slow, dense, obviously right; used by tests only."""

import itertools
import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def full_attention(
    q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M f"], *, causal: bool = False
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"]]:
    """Every query looks at every key; a causal one at the keys up to its own position."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        hidden = torch.arange(k.shape[-2]) > torch.arange(q.shape[-2])[:, None]
        scores = scores.masked_fill(hidden, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


def residual_attention(
    qs: list[Float[Tensor, "B h L e"]], ks: list[Float[Tensor, "B h L e"]], v: Float[Tensor, "B h L f"]
) -> Float[Tensor, "B h L f"]:
    """RealFormer: the scores of a layer are its own plus those of all layers before it."""
    scores = sum(q @ k.mT / math.sqrt(q.shape[-1]) for q, k in zip(qs, ks, strict=True))
    assert isinstance(scores, Tensor)
    return scores.softmax(-1) @ v


def highest(values: list[float], n: int, bound: float) -> list[int]:
    """Return where the n highest stand: those clearly above the n-th, then, from the first on, those near it."""
    cut = sorted(values, reverse=True)[n - 1]
    near = 1e-5 * bound
    above = [i for i, value in enumerate(values) if value > cut + near]
    return (above + [i for i, value in enumerate(values) if cut - near <= value <= cut + near])[:n]


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


def log_sparse_pattern(length: int, *, pattern: str, sub_length: int, causal: bool) -> Bool[Tensor, "L L"]:
    """LogSparse: row by row, the steps that a step sees; when not causal, the mirror image too."""
    w = math.ceil(math.log2(sub_length))
    near, restart = (w if "local" in pattern else 1), "restart" in pattern
    visible = torch.zeros(length, length, dtype=torch.bool)
    for row in range(length):
        seen: set[int] = set()
        for anchor in range(row, -1, -sub_length) if restart else [row]:
            first = anchor - near + 1
            beyond = {first - 2**i for i in range(w if restart else length.bit_length())}
            seen |= {*range(first, anchor + 1), *(key for key in beyond if not restart or anchor - key <= sub_length)}
        if pattern == "local+restart" and (length // sub_length) * 2 * w > row:
            seen = set(range(row + 1))
        visible[row, [key for key in seen if key >= 0]] = True
    return visible if causal else visible | visible.flip(0, 1)


def log_sparse_attention(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    *,
    visible: Bool[Tensor, "L L"],
) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L L"]]:
    """Exact attention in which a row meets only the keys it sees."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
    return weights @ v, weights
