"""What the mechanisms cost: forward and backward, against fused exact attention and the way the published code does it.

A further mechanism is a function ``case_*`` of (q, k, v), an entry in ``MECHANISMS`` and one in ``CHECKS``.
"""

import functools
import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.core.figures import exponent, ratio
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.core.tables import number
from benchmarks.speed._gates import Gate, agree, same
from benchmarks.speed._steps import KEYS_DRAWN, LARGE_TENSORS, WRITTEN_HERE
from darts_tsformers.attention.log_sparse import LogSparseAttention
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.attention.naive.log_sparse import log_sparse_pattern
from darts_tsformers.attention.prob_sparse import ProbSparseAttention, measure

BATCH, HEADS, WIDTH, FACTOR = 4, 4, 16, 5
GATHERED = "prob_sparse, gather as published"


def case_fused(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v)


def case_fused_causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, is_causal=True)


def case_prob_sparse(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ProbSparseAttention(FACTOR)(q, k, v)[0]


def case_prob_sparse_causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ProbSparseAttention(FACTOR)(q, k, v, causal=True)[0]


def case_prob_sparse_per_query(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ProbSparseAttention(FACTOR, sampling="per_query")(q, k, v)[0]


def case_prob_sparse_gather(q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False) -> Tensor:
    """ProbSparse as published: all queries' sampled keys side by side, selected rows by a materialised map.

    When causal, lazy rows take sums of the past, and selected rows see no later key.
    """
    b, h, n, e = q.shape
    sample = sampled_keys(n)
    keys = k[:, :, None].expand(b, h, n, n, e)[:, :, torch.arange(n)[:, None], sample]
    scores = (q[:, :, :, None] @ keys.mT)[:, :, :, 0]
    selected = (scores.amax(-1) - scores.sum(-1) / n).topk(sample.shape[-1], sorted=False).indices
    at = torch.arange(b)[:, None, None], torch.arange(h)[:, None], selected
    rows = q[at] @ k.mT / math.sqrt(e)
    if causal:
        rows = rows.masked_fill(torch.ones(n, n, dtype=torch.bool).triu(1)[selected], -math.inf)
    out = v.cumsum(-2) if causal else v.mean(-2, keepdim=True).expand_as(v).clone()
    out[at] = rows.softmax(-1) @ v
    return out


def sampled_keys(length: int) -> Tensor:
    """Draw keys for each query."""
    return torch.randint(length, (length, min(FACTOR * math.ceil(math.log(length)), length)))


def case_log_sparse(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return LogSparseAttention()(q, k, v, causal=True)[0]


def case_log_sparse_local_restart(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return LogSparseAttention("local+restart")(q, k, v, causal=True)[0]


@functools.lru_cache(maxsize=1)
def log_sparse_mask(length: int) -> Tensor:
    return log_sparse_pattern(length, pattern="plain", sub_length=2, causal=True)


def case_log_sparse_masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """LogSparse as in every public code: exact attention under a dense mask."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=log_sparse_mask(q.shape[-2]))


Mechanism = Callable[[Tensor, Tensor, Tensor], Tensor]


def inputs(length: int) -> list[Tensor]:
    shape = BATCH, HEADS, length, WIDTH
    return [torch.randn(shape).requires_grad_() for _ in range(3)]


def step(mechanism: Mechanism, qkv: list[Tensor]) -> None:
    torch.autograd.grad(mechanism(*qkv), qkv, torch.ones_like(qkv[2]))


def forward_and_backward(mechanism: Mechanism, *, length: int) -> Step:
    return partial(step, mechanism, inputs(length))


MECHANISMS: dict[str, Mechanism] = {
    "fused": case_fused,
    "fused, causal": case_fused_causal,
    "prob_sparse": case_prob_sparse,
    "prob_sparse, causal": case_prob_sparse_causal,
    "prob_sparse, per query": case_prob_sparse_per_query,
    GATHERED: case_prob_sparse_gather,
    "log_sparse, causal": case_log_sparse,
    "log_sparse, local+restart, causal": case_log_sparse_local_restart,
    "log_sparse, masked as published": case_log_sparse_masked,
}


def check_log_sparse() -> None:
    """Compare LogSparse with its dense form."""
    qkv = inputs(128)
    same(case_log_sparse(*qkv), case_log_sparse_masked(*qkv), qkv)


def check_gather(*, causal: bool) -> None:
    """Compare the published ProbSparse with exact attention where a query is selected, and an average elsewhere."""
    n = 64
    q, k, v = qkv = inputs(n)
    torch.manual_seed(0)
    sample = sampled_keys(n)
    kept = measure(q, k, sample, causal=False, divisor=n).topk(sample.shape[-1]).indices
    is_selected = torch.zeros(q.shape[:-1], dtype=torch.bool).scatter(-1, kept, True)[..., None]
    lazy = v.cumsum(-2) if causal else v.mean(-2, keepdim=True)
    torch.manual_seed(0)
    found = case_prob_sparse_gather(q, k, v, causal=causal)
    same(found, torch.where(is_selected, full_attention(q, k, v, causal=causal)[0], lazy), qkv)


CHECKS: dict[str, Gate] = {
    "prob_sparse": partial(agree, "ProbSparse"),
    "prob_sparse, causal": partial(agree, "ProbSparse, causal"),
    "prob_sparse, per query": partial(agree, "ProbSparse, keys of each query"),
    GATHERED: partial(check_gather, causal=False),
    "log_sparse, causal": check_log_sparse,
    "log_sparse, local+restart, causal": partial(agree, "LogSparse, causal, restarts"),
    "log_sparse, masked as published": check_log_sparse,
}
OUTGROWN = (
    "At 32,768 steps the queries, keys and values of one head are 2 MiB each, as much as the cache next to the core: "
    f"each distance is a pass over them. Besides, whole tensors have 32 MiB there. {LARGE_TENSORS}. Where "
    "it keeps all, a step took 0.84 of the time in a trial whose figures are not stored"
)
BY_MEMORY = (
    "Both wait for memory more than for products, so the share depends on the processor: on an AMD EPYC, where exact "
    "attention takes twice as long, it was 0.111 in a run that is not stored"
)


def drawn_alike(figures: Figures) -> str:
    """Say what the share is where ours draws keys for each query too."""
    share = ratio("time", "prob_sparse, per query", GATHERED, length=4096)(figures)
    return "" if share is None else f"{number(share)} with keys drawn as published"


BENCHMARKS = [
    Speed(
        name="attention",
        title="Mechanisms: forward and backward",
        cases={name: partial(forward_and_backward, mechanism) for name, mechanism in MECHANISMS.items()},
        sizes=[{"length": length} for length in (512, 1024, 2048, 4096, 8192, 16384, 32768)],
        checks=CHECKS,
        seconds=20,
        goals=[
            Goal("ProbSparse / gather as published, time at 4,096",
                 ratio("time", "prob_sparse", GATHERED, length=4096), at_most=1 / 8,
                 why=BY_MEMORY, remark=drawn_alike),
            Goal("LogSparse / masked as published, time at 4,096",
                 ratio("time", "log_sparse, causal", "log_sparse, masked as published", length=4096), at_most=1 / 8),
            Goal("ProbSparse, exponent of time", exponent("time", "prob_sparse"), at_most=1.15),
            Goal("ProbSparse, exponent of memory", exponent("memory", "prob_sparse"), at_most=1.05),
            Goal("LogSparse, exponent of time", exponent("time", "log_sparse, causal"), at_most=1.15, why=OUTGROWN),
            Goal("LogSparse, exponent of memory", exponent("memory", "log_sparse, causal"), at_most=1.15),
        ],
        note=f"Batch {BATCH}, {HEADS} heads of width {WIDTH}, factor {FACTOR}. {WRITTEN_HERE} {KEYS_DRAWN} "
        "'Per query' is ours with keys drawn as published.",
    ),
]  # fmt: skip
