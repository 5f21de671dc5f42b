"""How far our networks, layers and mechanisms are from what they are checked against.

*References* are networks and layers of other packages, whose weights, input and output are kept with the tests, in
single precision. *Definitions* say what a mechanism means in loops and dense maps; outputs and gradients are
compared, in double precision. A difference is the largest of any element, as a share of the largest element.
``HELD`` says how large it may be.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.core.stored import Held
from benchmarks.core.trial import Trials
from darts_tsformers.attention import AutoCorrelation, FullAttention, LogSparseAttention, ProbSparseAttention
from darts_tsformers.attention.naive.auto_correlation import auto_correlation
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.attention.naive.log_sparse import log_sparse_attention, log_sparse_pattern
from darts_tsformers.attention.naive.prob_sparse import prob_sparse_attention
from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.legendre import legendre_filters
from darts_tsformers.layers.frequency.wavelet import MultiwaveletAttention, MultiwaveletBlock
from darts_tsformers.layers.selection.gating import GatedResidualNetwork
from darts_tsformers.layers.selection.grouped import NumberEmbedding
from darts_tsformers.layers.selection.variable_selection import VariableSelection
from darts_tsformers.layers.transformer.interpretable_attention import InterpretableAttention
from tests.helpers import draw, scatter_
from tests.layers import _naive_frequency as frequency
from tests.layers import _tft_naive as tft
from tests.reference import _autoformer, _fedformer, _informer, _itransformer, _patchtst, _tft
from tests.reference._golden import names, read

REFERENCES = {
    prefix: part
    for room in (_patchtst, _itransformer, _informer, _autoformer, _fedformer, _tft)
    for prefix, part in room.OURS.items()
}
B, HEADS, LENGTH, WIDTH = 2, 3, 29, 5
TOKENS = B, HEADS, LENGTH, WIDTH
Compared = tuple[Tensor, Tensor, Sequence[Tensor]]
"""Ours, theirs, and what both were made of."""


def largest(pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Return the largest difference of ours to theirs; not a number if one is not."""
    return float(np.max([difference(*pair) for pair in pairs]))


@torch.no_grad()
def difference(ours: Tensor, theirs: Tensor) -> float:
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def to_reference(prefix: str) -> dict[str, Any]:
    """Compare with all files of a part."""
    files = [read(name) for name in names(prefix)]
    return {"compared": len(files), "difference": largest((REFERENCES[prefix](file), file.y) for file in files)}


def to_definition(make: Callable[[], Compared]) -> dict[str, Any]:
    """Compare an output and all gradients."""
    ours, theirs, inputs = make()
    probe = draw(*theirs.shape, seed=1, dtype=theirs.dtype)
    gradients = (torch.autograd.grad((out * probe).sum(), inputs) for out in (ours, theirs))
    pairs = [(ours, theirs), *zip(*gradients, strict=True)]
    return {"compared": len(pairs), "difference": largest(pairs)}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return draw(*shape, seed=seed, dtype=torch.float64).requires_grad_()


def qkv(size: float = 1.0) -> list[Tensor]:
    return [(size * drawn(*TOKENS, seed=seed)).detach().requires_grad_() for seed in range(3)]


def full(*, causal: bool) -> Compared:
    q, k, v = qkv()
    return FullAttention()(q, k, v, causal=causal)[0], full_attention(q, k, v, causal=causal)[0], (q, k, v)


def prob_sparse(sampling: str, *, causal: bool) -> Compared:
    q, k, v = qkv()
    ours = ProbSparseAttention(1, sampling=sampling).eval()
    sampled = ours._sample(LENGTH, LENGTH, q.device).expand(LENGTH, -1)
    theirs, _ = prob_sparse_attention(
        q, k, v, sampled=sampled, u=math.ceil(math.log(LENGTH)), causal=causal, lazy_context="cummean"
    )
    return ours(q, k, v, causal=causal)[0], theirs, (q, k, v)


def log_sparse(pattern: str, *, causal: bool) -> Compared:
    q, k, v = qkv()
    visible = log_sparse_pattern(LENGTH, pattern=pattern, sub_length=WIDTH, causal=causal)
    theirs, _ = log_sparse_attention(q, k, v, visible=visible)
    return LogSparseAttention(pattern, WIDTH)(q, k, v, causal=causal)[0], theirs, (q, k, v)


def correlated(*, shared_delays: bool) -> Compared:
    q, k, v = qkv()
    ours = AutoCorrelation(1, shared_delays=shared_delays).train()
    theirs, _ = auto_correlation(q, k, v, n=math.floor(math.log(LENGTH)), shared_delays=shared_delays)
    return ours(q, k, v)[0], theirs, (q, k, v)


def scattered(layer: nn.Module) -> Any:
    """Draw all weights of a layer anew, in double precision."""
    return scatter_(layer.double())


def fourier_block() -> Compared:
    x = drawn(*TOKENS)
    block = scattered(FourierBlock(HEADS * WIDTH, HEADS, LENGTH, n_modes=7))
    theirs = frequency.fourier_block(x, block.modes.tolist(), block.weights.real, block.weights.imag)
    return block(x), theirs, [x, *block.parameters()]


def fourier_attention(activation: str) -> Compared:
    q, k, v = qkv(size=0.2)
    block = scattered(FourierAttention(HEADS * WIDTH, HEADS, LENGTH, LENGTH, n_modes=7, activation=activation))
    modes = [kept.tolist() for kept in (block.modes, block.memory_modes)]
    theirs = frequency.fourier_attention(q, k, v, *modes, block.weights.real, block.weights.imag, activation=activation)
    return block(q, k, v), theirs, [q, k, v, *block.parameters()]


def multiwavelet(kind: type[nn.Module], definition: Callable[..., Tensor], n_inputs: int) -> Compared:
    inputs = qkv()[:n_inputs]
    block = scattered(kind(HEADS * WIDTH, LENGTH, n_channels=2, order=3, n_modes=3, n_coarse_levels=1))
    tokens = (x.transpose(1, 2).flatten(2) for x in inputs)
    theirs = definition(*tokens, block, torch.tensor(legendre_filters(3)), 1)
    return block(*inputs).transpose(1, 2).flatten(2), theirs, [*inputs, *block.parameters()]


def gated_residual_network() -> Compared:
    x, context = drawn(B, LENGTH, 7), drawn(B, 3, seed=1)
    layer = scattered(GatedResidualNetwork(7, WIDTH, 11, d_context=3))
    return layer(x, context), tft.grn(layer, x, context), [x, context, *layer.parameters()]


def variable_selection() -> Compared:
    x, context = drawn(B, LENGTH, 5), drawn(B, 3, seed=1)
    layer, embedding = scattered(VariableSelection(5, 2, 7, d_context=3)), scattered(NumberEmbedding(5, 2))
    lines = embedding.lines()
    theirs, _ = tft.variable_selection(layer, x, lines, context)
    return layer(x, lines, context)[0], theirs, [x, context, *embedding.parameters(), *layer.parameters()]


def interpretable_attention(*, causal: bool) -> Compared:
    x = drawn(B, LENGTH, 6)
    layer = scattered(InterpretableAttention(6, HEADS, causal=causal))
    return layer(x, LENGTH), tft.interpretable_attention(layer, x)[0], [x, *layer.parameters()]


DEFINITIONS: dict[str, Callable[[], Compared]] = {
    "full": partial(full, causal=False),
    "full, causal": partial(full, causal=True),
    "ProbSparse": partial(prob_sparse, "shared", causal=False),
    "ProbSparse, causal": partial(prob_sparse, "shared", causal=True),
    "ProbSparse, keys of each query": partial(prob_sparse, "per_query", causal=False),
    "LogSparse": partial(log_sparse, "local", causal=False),
    "LogSparse, causal, restarts": partial(log_sparse, "local+restart", causal=True),
    "Auto-Correlation": partial(correlated, shared_delays=False),
    "Auto-Correlation, delays shared": partial(correlated, shared_delays=True),
    "Fourier block": fourier_block,
    "Fourier attention": partial(fourier_attention, "tanh"),
    "Fourier attention, softmax": partial(fourier_attention, "softmax"),
    "wavelet block": partial(multiwavelet, MultiwaveletBlock, frequency.multiwavelet_block, 1),
    "wavelet attention": partial(multiwavelet, MultiwaveletAttention, frequency.multiwavelet_attention, 3),
    "gated residual network": gated_residual_network,
    "variable selection": variable_selection,
    "interpretable attention": partial(interpretable_attention, causal=True),
}
TO_REFERENCES = Trials(
    name="slice_references",
    title="What every change has to pass: differences to other implementations",
    cases={prefix: partial(to_reference, prefix) for prefix in REFERENCES},
    processor_only=True,
    note="Under their weights: the largest element of the difference, as a share of the largest; single precision.",
)
TO_DEFINITIONS = Trials(
    name="slice_definitions",
    title="What every change has to pass: differences to definitions",
    cases={name: partial(to_definition, make) for name, make in DEFINITIONS.items()},
    processor_only=True,
    note="Of output and gradients, as a share of the largest element of each, double precision.",
)
HELD = [
    # With other instruction sets than this processor's best (ATEN_CPU_CAPABILITY=default) a figure was up to 1.4e-6 ...
    Held(TO_REFERENCES, bounds={"difference": 3e-6}),
    # ... and 1.3e-14 here, most of it from the sums of the definitions.
    Held(TO_DEFINITIONS, bounds={"difference": 5e-14}),
]
BENCHMARKS = [TO_REFERENCES, TO_DEFINITIONS]
