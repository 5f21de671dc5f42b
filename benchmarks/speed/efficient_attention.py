"""What mechanisms by features, mixtures or a pattern cost: forward and backward, against fused exact attention."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks.core.figures import exponent, ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.speed._gates import Gate, same
from benchmarks.speed._steps import LENGTHS
from benchmarks.speed.attention import BATCH, HEADS, WIDTH, case_fused, case_fused_causal, inputs, step
from darts_tsformers.attention import Attention, AttentionLike, HeadSizes, build_attention
from darts_tsformers.attention.naive.linear import linear_attention
from darts_tsformers.attention.naive.linformer import linformer_attention
from darts_tsformers.attention.naive.local import local_pattern
from darts_tsformers.attention.naive.log_sparse import log_sparse_attention
from darts_tsformers.attention.naive.nprf import nprf_attention
from darts_tsformers.attention.naive.performer import performer_attention
from darts_tsformers.attention.naive.sparse import sparse_pattern
from darts_tsformers.attention.performer import drawn

Meaning = Callable[..., tuple[Tensor, Tensor]]


def linear(_: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    return linear_attention(*heads, causal=causal)


def performer(one: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    rows = torch.from_numpy(drawn(one._count(WIDTH), WIDTH, training=False)).to(heads[0])
    return performer_attention(*heads, rows, kernel="softmax", causal=causal)


def nprf(one: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    rows = torch.from_numpy(drawn(WIDTH, WIDTH, training=False)).to(heads[0])
    return nprf_attention(*heads, rows, one.bias, causal=causal)


def linformer(one: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    assert not causal
    return linformer_attention(*heads, one.mix_keys, one.mix_values)


def local(one: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    visible = local_pattern(heads[0].shape[-2], causal=causal, **one.config())
    return log_sparse_attention(*heads, visible=visible)


def sparse(one: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    length = heads[0].shape[-2]
    visible = sparse_pattern(
        length, pattern=one.pattern, stride=one._stride(length), n_summaries=1, part="joint", causal=causal
    )
    return log_sparse_attention(*heads, visible=visible)


FAST, FASTER = 5, 15
MECHANISMS: dict[str, tuple[AttentionLike, Meaning, bool, int]] = {
    "linear": ("linear", linear, False, FASTER),
    "linear, causal": ("linear", linear, True, FASTER),
    "linformer": ("linformer", linformer, False, FASTER),
    "local": ("local", local, False, FAST),
    "local, causal": ("local", local, True, FAST),
    "nprf": ("nprf", nprf, False, FAST),
    "nprf, causal": ("nprf", nprf, True, FAST),
    "performer": ("performer", performer, False, FASTER),
    "performer, causal": ("performer", performer, True, FASTER),
    "sparse, fixed": (("sparse", {"pattern": "fixed"}), sparse, False, FAST),
    "sparse, fixed, causal": (("sparse", {"pattern": "fixed"}), sparse, True, FAST),
    "sparse, strided": ("sparse", sparse, False, FAST),
    "sparse, strided, causal": ("sparse", sparse, True, FAST),
}
"""What to build, what it means, whether causal, and how many times faster than exact attention it is to be."""
EXPONENTS = {"linear": 1.15, "linear, causal": 1.15, "local": 1.15, "sparse, strided": 1.6, "sparse, fixed": 1.6}


def built(attention: AttentionLike, length: int) -> Attention:
    return build_attention(attention, HeadSizes(HEADS, WIDTH, length, length)).eval()


def forward_and_backward(attention: AttentionLike, causal: bool, *, length: int) -> Step:
    mechanism = built(attention, length)
    return partial(step, lambda q, k, v: mechanism(q, k, v, causal=causal)[0], inputs(length))


def fused(causal: bool, *, length: int) -> Step:
    return partial(step, case_fused_causal if causal else case_fused, inputs(length))


def check(attention: AttentionLike, meaning: Meaning, causal: bool) -> None:
    """Compare a mechanism with its definition, at a length that is no multiple of its parts."""
    mechanism, qkv = built(attention, 203), inputs(203)
    same(mechanism(*qkv, causal=causal)[0], meaning(mechanism, *qkv, causal=causal)[0], qkv)


CHECKS: dict[str, Gate] = {
    name: partial(check, attention, meaning, causal) for name, (attention, meaning, causal, _) in MECHANISMS.items()
}
TRANSFORMS = (
    "There are 272 columns a head, and each takes two transforms of 8,192 in either direction: at this length about as "
    "much work as the map of 4,096 by 4,096; with twice the length it is half"
)
WHY = {"nprf": TRANSFORMS, "nprf, causal": TRANSFORMS}
BENCHMARKS = [
    Speed(
        name="efficient_attention",
        title="Mechanisms by features, mixtures or a pattern: forward and backward",
        cases={
            "fused": partial(fused, False),
            "fused, causal": partial(fused, True),
            **{
                name: partial(forward_and_backward, attention, causal)
                for name, (attention, _, causal, _) in MECHANISMS.items()
            },
        },
        sizes=LENGTHS,
        checks=CHECKS,
        seconds=20,
        goals=[
            *(
                Goal(f"{name} / fused exact attention, time at 4,096", ratio("time", name, "fused", length=4096),
                     at_most=1 / times, why=WHY.get(name, ""))
                for name, (*_, times) in MECHANISMS.items()
            ),
            *(Goal(f"{name}, exponent of time", exponent("time", name), at_most=most)
              for name, most in EXPONENTS.items()),
            *(Goal(f"{name}, exponent of memory", exponent("memory", name), at_most=1.1) for name in EXPONENTS),
        ],
        note=f"Batch {BATCH}, {HEADS} heads of width {WIDTH}, all as by default. Features are those of evaluation.",
    )
]  # fmt: skip
