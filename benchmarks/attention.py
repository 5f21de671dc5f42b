"""What the mechanisms cost: forward and backward, against fused exact attention and the way the published code does it.

    python -m benchmarks.attention --out results.json

One thread. The cases of one length take turns, so that a busy machine slows all of them; the medians of the processor
time are reported. A case is left out beyond its limit. The exponent is the slope of log time over log length from 2,048
on; memory is the largest total of the tensors alive at any time of one forward and backward pass, beyond the inputs.

A further mechanism is a function ``case_*`` of (q, k, v) and an entry in ``CASES``.
"""

import argparse
import functools
import json
import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks._measure import exponent, megabytes, milliseconds, table
from darts_tsformers.attention._naive import log_sparse_pattern
from darts_tsformers.attention.log_sparse import LogSparseAttention
from darts_tsformers.attention.prob_sparse import ProbSparseAttention

BATCH, HEADS, WIDTH, FACTOR = 4, 4, 16, 5


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


def case_prob_sparse_gather(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """ProbSparse as published: all queries' sampled keys side by side, selected rows by a materialised map."""
    b, h, n, e = q.shape
    kept = min(FACTOR * math.ceil(math.log(n)), n)
    sample = torch.randint(n, (n, kept))
    keys = k[:, :, None].expand(b, h, n, n, e)[:, :, torch.arange(n)[:, None], sample]
    scores = (q[:, :, :, None] @ keys.mT)[:, :, :, 0]
    selected = (scores.amax(-1) - scores.sum(-1) / n).topk(kept, sorted=False).indices
    at = torch.arange(b)[:, None, None], torch.arange(h)[:, None], selected
    out = v.mean(-2, keepdim=True).expand_as(v).clone()
    out[at] = (q[at] @ k.mT / math.sqrt(e)).softmax(-1) @ v
    return out


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


@dataclass(frozen=True)
class Case:
    run: Callable[[Tensor, Tensor, Tensor], Tensor]
    limit: int = 32768


CASES = {
    "fused": Case(case_fused, 4096),
    "fused, causal": Case(case_fused_causal, 4096),
    "prob_sparse": Case(case_prob_sparse),
    "prob_sparse, causal": Case(case_prob_sparse_causal),
    "prob_sparse, per query": Case(case_prob_sparse_per_query),
    "prob_sparse, gather as published": Case(case_prob_sparse_gather, 8192),
    "log_sparse, causal": Case(case_log_sparse),
    "log_sparse, local+restart, causal": Case(case_log_sparse_local_restart),
    "log_sparse, masked as published": Case(case_log_sparse_masked, 4096),
}


def inputs(length: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = BATCH, HEADS, length, WIDTH
    return [torch.randn(shape, generator=generator).requires_grad_() for _ in range(3)]


def step(case: Case, qkv: list[Tensor]) -> None:
    torch.autograd.grad(case.run(*qkv), qkv, torch.ones_like(qkv[2]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--lengths", nargs="+", type=int, default=[512, 1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise
    times: dict[str, dict[int, float]] = {name: {} for name in arguments.cases}
    memory: dict[str, dict[int, float]] = {name: {} for name in arguments.cases}
    for length in arguments.lengths:
        qkv = inputs(length)
        cases = {name: CASES[name] for name in arguments.cases if length <= CASES[name].limit}
        steps = {name: functools.partial(step, case, qkv) for name, case in cases.items()}
        for name, value in milliseconds(steps, arguments.repeats).items():
            times[name][length] = value
            memory[name][length] = megabytes(steps[name])
    print(table(times, arguments.lengths, "forward and backward, ms"))
    print(table(memory, arguments.lengths, "peak memory, MB"))
    if arguments.out:
        setting = {"batch": BATCH, "heads": HEADS, "width": WIDTH, "factor": FACTOR}
        machine = {"torch": torch.__version__, "python": platform.python_version(), "processor": platform.processor()}
        exponents = {name: {"time": exponent(times[name]), "memory": exponent(memory[name])} for name in times}
        results = setting | machine | {"milliseconds": times, "megabytes": memory, "exponents": exponents}
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
