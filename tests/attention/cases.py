"""The efficient mechanisms to test: those that keep to features, mixtures or a pattern with what they mean."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from darts_tsformers.attention import (
    Attention,
    HeadSizes,
    LinearAttention,
    LinformerAttention,
    LocalAttention,
    NPRFAttention,
    PerformerAttention,
    SparseAttention,
    build_attention,
)
from darts_tsformers.attention.naive.linear import linear_attention
from darts_tsformers.attention.naive.linformer import linformer_attention
from darts_tsformers.attention.naive.local import local_pattern
from darts_tsformers.attention.naive.log_sparse import log_sparse_attention
from darts_tsformers.attention.naive.nprf import nprf_attention
from darts_tsformers.attention.naive.performer import performer_attention
from darts_tsformers.attention.naive.sparse import sparse_pattern
from darts_tsformers.attention.performer import drawn
from tests.helpers import draw, scatter_

Meaning = Callable[..., tuple[Tensor, Tensor]]


def qkv(
    b: int, h: int, n: int, e: int, f: int, dtype: torch.dtype = torch.float64, m: int | None = None
) -> list[Tensor]:
    """Draw heads that require gradients, with as many keys as queries unless ``m`` says how many."""
    shapes = (b, h, n, e), (b, h, m or n, e), (b, h, m or n, f)
    return [draw(*shape, seed=seed, dtype=dtype).requires_grad_() for seed, shape in enumerate(shapes)]


@dataclass(frozen=True)
class Mechanism:
    """A mechanism to test: its pattern, and its definition of (mechanism, q, k, v, causal)."""

    attention: Attention
    meaning: Meaning

    def build(self, n_heads: int, width: int, length: int, dtype: torch.dtype = torch.float64) -> Attention:
        """Build one for a few more steps than it will see, in evaluation."""
        sizes = HeadSizes(n_heads, width, n_queries=length + 3, n_keys=length + 3)
        mechanism = build_attention(self.attention, sizes).to(dtype).eval()
        scatter_(mechanism)
        return mechanism

    @property
    def ways(self) -> tuple[bool, ...]:
        return (False, True) if self.attention.supports_causal else (False,)


def linear(_: LinearAttention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    return linear_attention(*heads, causal=causal)


def performer(one: PerformerAttention, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    rows = torch.from_numpy(drawn(one._count(q.shape[-1]), q.shape[-1], training=False)).to(q)
    return performer_attention(q, k, v, rows, kernel=one.kernel, causal=causal)


def nprf(one: NPRFAttention, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    rows = torch.from_numpy(drawn(one.n_features or q.shape[-1], q.shape[-1], training=False)).to(q)
    return nprf_attention(q, k, v, rows, one.bias.to(q), causal=causal)


def linformer(one: LinformerAttention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    assert not causal
    of_values = one.mix_keys if one.mix_values is None else one.mix_values
    return linformer_attention(*heads, one.mix_keys.to(heads[0]), of_values.to(heads[0]))


def local(one: LocalAttention, *heads: Tensor, causal: bool) -> tuple[Tensor, Tensor]:
    return log_sparse_attention(*heads, visible=local_pattern(heads[0].shape[-2], causal=causal, **one.config()))


def sparse(one: SparseAttention, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> tuple[Tensor, Tensor]:
    length = q.shape[-2]
    pattern = partial(
        sparse_pattern,
        length,
        pattern=one.pattern,
        stride=one.stride or next(n for n in range(1, length + 1) if n * n >= length),
        n_summaries=one.n_summaries,
        causal=causal,
    )
    if one.parts != "alternate":
        return log_sparse_attention(q, k, v, visible=pattern(part=one.parts))
    heads = range(q.shape[1])
    each = [
        log_sparse_attention(*(t[:, i : i + 1] for t in (q, k, v)), visible=pattern(part=("near", "far")[i % 2]))
        for i in heads
    ]
    out, weights = zip(*each, strict=True)
    return torch.cat(out, dim=1), torch.cat(weights, dim=1)


MECHANISMS = {
    "linear": Mechanism(LinearAttention(), linear),
    "performer": Mechanism(PerformerAttention(), performer),
    "performer-relu": Mechanism(PerformerAttention(7, kernel="relu"), performer),
    "nprf": Mechanism(NPRFAttention(), nprf),
    "nprf-3": Mechanism(NPRFAttention(3), nprf),
    "linformer": Mechanism(LinformerAttention(4), linformer),
    "linformer-shared": Mechanism(LinformerAttention(3, shared=True), linformer),
    "local": Mechanism(LocalAttention(5), local),
    "local-1": Mechanism(LocalAttention(1), local),
    "local-wide": Mechanism(LocalAttention(19), local),
    "local-dilated": Mechanism(LocalAttention(2, dilation=3), local),
    "local-global": Mechanism(LocalAttention(3, global_at=(0, -2, 7, 1000)), local),
    "local-dilated-global": Mechanism(LocalAttention(3, dilation=5, global_at=(-1, 4)), local),
    "local-blocks": Mechanism(LocalAttention(5, whole_blocks=True), local),
    "local-dilated-blocks": Mechanism(LocalAttention(3, dilation=2, global_at=(1,), whole_blocks=True), local),
    **{
        f"sparse-{pattern}-{parts}": Mechanism(SparseAttention(pattern, parts=parts), sparse)
        for pattern in ("strided", "fixed")
        for parts in ("joint", "near", "far", "alternate")
    },
    "sparse-strided-7": Mechanism(SparseAttention("strided", 7), sparse),
    "sparse-fixed-7-2": Mechanism(SparseAttention("fixed", 7, n_summaries=2), sparse),
    "sparse-fixed-7-7": Mechanism(SparseAttention("fixed", 7, n_summaries=7, parts="far"), sparse),
}
"""By what is special of each."""

BOTH_WAYS = [(name, causal) for name, one in MECHANISMS.items() for causal in one.ways]
"""All of them, causal and not, where there is a causal form."""

FORMS = [
    ("combiner", {"pattern": "fixed"}),
    ("combiner", {"pattern": "axial"}),
    ("combiner", {"pattern": "log"}),
    ("combiner", {"pattern": "mixture"}),
    ("ecoformer", {"n_bits": 7, "n_anchors": 5}),
    ("reformer", {"bucket_size": 4}),
    ("reformer", {"bucket_size": 4, "across": False, "once": True}),
    ("sinkhorn", {}),
    ("sinkhorn", {"sorting": "top", "n_top": 2}),
    ("synthesizer", {"kind": "dense"}),
    ("synthesizer", {"kind": "random"}),
    ("synthesizer", {"kind": "factorised"}),
]
"""Those that choose, summarise, hash or make scores of their own, by name and arguments."""
