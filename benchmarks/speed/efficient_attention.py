"""What every efficient mechanism costs: forward and backward, against fused exact attention."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.core.figures import exponent, ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.speed._gates import same
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


def in_double_precision(one: Attention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor | None]:
    """Serve where the definition goes step by step, and is left to the tests."""
    out, weights = deepcopy(one).double()(*(t.double() for t in heads), causal=causal)
    return out.float(), weights


class Bar(NamedTuple):
    """Bounds for a mechanism."""

    times: int
    """How many times faster than exact attention it is to be at 4,096 steps."""
    exponent: float
    """Of the time, at most."""


LINEAR, WINDOW, LOG, ROOT = Bar(15, 1.15), Bar(5, 1.15), Bar(5, 1.2), Bar(5, 1.6)


class Measured(NamedTuple):
    """A mechanism, what it means, and what is asked of it."""

    attention: AttentionLike
    meaning: Meaning
    bar: Bar
    ways: tuple[bool, ...] = (False, True)
    """Whether causal."""


MECHANISMS = {
    "linear": Measured("linear", linear, LINEAR),
    "performer": Measured("performer", performer, LINEAR),
    "nprf": Measured("nprf", nprf, LOG),
    "linformer": Measured("linformer", linformer, LINEAR, ways=(False,)),
    "local": Measured("local", local, WINDOW),
    "sparse, strided": Measured("sparse", sparse, ROOT),
    "sparse, fixed": Measured(("sparse", {"pattern": "fixed"}), sparse, ROOT),
    "combiner": Measured("combiner", in_double_precision, ROOT),
    "combiner, axial": Measured(("combiner", {"pattern": "axial"}), in_double_precision, ROOT),
    "combiner, log": Measured(("combiner", {"pattern": "log"}), in_double_precision, LOG),
    "combiner, mixture": Measured(("combiner", {"pattern": "mixture"}), in_double_precision, ROOT),
    "ecoformer": Measured("ecoformer", in_double_precision, LINEAR),
    "reformer": Measured("reformer", in_double_precision, ROOT),
    "sinkhorn": Measured("sinkhorn", in_double_precision, ROOT),
    "sinkhorn, top": Measured(("sinkhorn", {"sorting": "top"}), in_double_precision, ROOT, ways=(False,)),
}
CASES = {
    f"{name}, causal" if causal else name: (one, causal) for name, one in MECHANISMS.items() for causal in one.ways
}


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


TRANSFORMS = (
    "There are 272 columns a head, and each takes two transforms of 8,192 in either direction: at this length about as "
    "much work as the map of 4,096 by 4,096; with twice the length it is half"
)
SPREAD = (
    "By the profiler the time is spread over arithmetic, products and copies of scores that go through memory between "
    "them, none with a third of it; the fused kernel keeps its scores in the cache. "
)
WHY = {
    "nprf": TRANSFORMS,
    "linear": "The machine had other work, and its caches were shared: parts of half the size took a sixth less",
    "performer": "It has 44 features a head where linear has 16, and 44 % of a step is arithmetic on them. "
    "Exponentials in place, and causal blocks of 16, 64 or 128 steps, were no faster",
    "ecoformer": "56 % of a step is arithmetic: each token is compared with 25 anchors to make its 16 bits. To take "
    "all distances in one product was no faster",
    "sparse, strided": f"{SPREAD}A step has 192 scores, or 128 if causal, and makes them anew backwards",
    "combiner": f"{SPREAD}A step has 128 scores",
    "combiner, axial": f"{SPREAD}A step has 128 scores, and as many for the keys and values of the other rows",
    "combiner, log": f"{SPREAD}Each of four tiers makes its own summaries, and twice as many if not causal",
    "combiner, mixture": f"{SPREAD}A step has 320 scores, or 576 if not causal, and sums over all that stands before",
    "reformer": f"{SPREAD}A step has 128 scores in two rounds, and each round sorts, gathers and puts back",
    "sinkhorn": f"{SPREAD}A step has 128 scores",
    "sinkhorn, top": f"{SPREAD}A step has 128 scores",
}
"""Why goals of time are missed, where they are, causal or not."""
TWO_LENGTHS = (
    "Fitted to 2,048 and 4,096 steps alone: longer ones took more than 20 s by the clock, as the machine had other work"
)
ROOTS = "The scores of a step are kept for the backward pass, and there are as many as the root of the length"
WHY_MEMORY = {
    **dict.fromkeys(("combiner", "combiner, axial", "sinkhorn", "sinkhorn, top"), ROOTS),
    "combiner, log": "Its last tier has up to 64 parts, and half of them as scores: memory doubles with them until "
    "the length asks for a tier more, and falls back there",
}
BENCHMARKS = [
    Speed(
        name="efficient_attention",
        title="Efficient mechanisms: forward and backward",
        cases={
            "fused": partial(fused, False),
            "fused, causal": partial(fused, True),
            **{name: partial(forward_and_backward, one.attention, causal) for name, (one, causal) in CASES.items()},
        },
        sizes=LENGTHS,
        checks={name: partial(check, one.attention, one.meaning, causal) for name, (one, causal) in CASES.items()},
        seconds=20,
        goals=[
            *(
                Goal(f"{name} / fused exact attention, time at 4,096", ratio("time", name, "fused", length=4096),
                     at_most=1 / one.bar.times, why=WHY.get(name.removesuffix(", causal"), ""))
                for name, (one, _) in CASES.items()
            ),
            *(
                Goal(f"{name}, exponent of time", exponent("time", name), at_most=one.bar.exponent, why=TWO_LENGTHS)
                for name, (one, _) in CASES.items()
            ),
            *(
                Goal(f"{name}, exponent of memory", exponent("memory", name), at_most=1.1,
                     why=WHY_MEMORY.get(name.removesuffix(", causal"), ""))
                for name in CASES
            ),
        ],
        note=f"Batch {BATCH}, {HEADS} heads of width {WIDTH}, all as by default. Features are those of evaluation. "
        "The machine had other work, which the clock of the processor does not count; but what waits for memory has "
        "less of it then, so that shares of exact attention are larger than on a machine that is free.",
    )
]  # fmt: skip
