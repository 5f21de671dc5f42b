"""What a training step of Informer costs: ours, ours with exact attention, and the architecture as published.

``Published`` is written from the paper and the published hyper-parameters the way public codes are: one layer for each
of queries, keys and values, sampled keys gathered for each query, softmax over materialised maps, and convolutions that
change the layout there and back.
"""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.core.figures import exponent
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed
from benchmarks.speed._gates import MODELS, agree, by_model, each, same
from benchmarks.speed._steps import (
    DECODER_LAYERS,
    DROPOUT,
    ENCODER_LAYERS,
    HEADS,
    HORIZON,
    KEYS_DRAWN,
    LABEL,
    LENGTHS,
    SIZES,
    TARGETS,
    WIDTH,
    WIDTH_FF,
    WRITTEN_HERE,
    at_4096,
    products_alone,
    training_step,
)
from benchmarks.speed.attention import case_prob_sparse_gather, check_gather, inputs
from darts_tsformers.attention.naive.full import full_attention
from darts_tsformers.networks import Informer
from darts_tsformers.window import Sizes, Window

FACTOR = 5


class Published(nn.Module):
    def __init__(self, length: int) -> None:
        super().__init__()
        self.embed_past, self.embed_future = (PublishedEmbedding(max(length, LABEL + HORIZON)) for _ in range(2))
        self.encoder = nn.Sequential(
            PublishedEncoderLayer(), PublishedDistilling(), PublishedEncoderLayer(), nn.LayerNorm(WIDTH)
        )
        self.decoder = PublishedDecoderLayer()
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, TARGETS)

    def forward(self, past: Tensor) -> Tensor:
        future = torch.cat([past[:, -LABEL:], past.new_zeros(past.shape[0], HORIZON, TARGETS)], dim=1)
        memory = self.encoder(self.embed_past(past))
        return self.head(self.norm(self.decoder(self.embed_future(future), memory)))[:, -HORIZON:]


class PublishedEmbedding(nn.Module):
    table: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, WIDTH, 2) * -(math.log(10000.0) / WIDTH))
        self.register_buffer("table", torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1))
        self.convolution = nn.Conv1d(TARGETS, WIDTH, kernel_size=3, padding=1, padding_mode="circular", bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.convolution(x.transpose(1, 2)).transpose(1, 2) + self.table[: x.shape[1]])


class PublishedAttention(nn.Module):
    def __init__(self, mechanism: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.queries, self.keys, self.values, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.mechanism = mechanism

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        projected = self.queries(x), self.keys(memory), self.values(memory)
        q, k, v = (t.view(*t.shape[:2], HEADS, -1).transpose(1, 2) for t in projected)
        return self.out(self.mechanism(q, k, v).transpose(1, 2).reshape(x.shape))


class MaterialisedAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.dropout((q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1)) @ v


class PublishedFeedForward(nn.Module):
    def __init__(self, *, bias: bool = True) -> None:
        super().__init__()
        self.widen = nn.Conv1d(WIDTH, WIDTH_FF, kernel_size=1, bias=bias)
        self.narrow = nn.Conv1d(WIDTH_FF, WIDTH, kernel_size=1, bias=bias)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.dropout(F.gelu(self.widen(x.transpose(1, 2))))
        return self.dropout(self.narrow(inner).transpose(1, 2))


class PublishedEncoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = PublishedAttention(case_prob_sparse_gather)
        self.feed_forward = PublishedFeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(self.attention(x, x)))
        return self.norms[1](x + self.feed_forward(x))


class PublishedDistilling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(WIDTH, WIDTH, kernel_size=3, padding=1, padding_mode="circular")
        self.norm = nn.BatchNorm1d(WIDTH)
        self.pool = nn.MaxPool1d(kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(F.elu(self.norm(self.convolution(x.transpose(1, 2))))).transpose(1, 2)


class PublishedDecoderLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attention = PublishedAttention(partial(case_prob_sparse_gather, causal=True))
        self.cross_attention = PublishedAttention(MaterialisedAttention())
        self.feed_forward = PublishedFeedForward()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = self.norms[0](x + self.dropout(self.self_attention(x, x)))
        x = self.norms[1](x + self.dropout(self.cross_attention(x, memory)))
        return self.norms[2](x + self.feed_forward(x))


class Ours(nn.Module):
    def __init__(self, length: int, attention: str) -> None:
        super().__init__()
        self.network = Informer(
            Sizes(length, HORIZON, n_targets=TARGETS),
            label_length=LABEL,
            d_model=WIDTH,
            n_heads=HEADS,
            n_encoder_layers=ENCODER_LAYERS,
            n_decoder_layers=DECODER_LAYERS,
            d_ff=WIDTH_FF,
            dropout=DROPOUT,
            attention=attention,
        )

    def forward(self, past: Tensor) -> Tensor:
        return self.network(Window(past))[..., 0]


def ours(length: int) -> nn.Module:
    return Ours(length, "prob_sparse")


def ours_full(length: int) -> nn.Module:
    return Ours(length, "full")


def check_published() -> None:
    """Compare what attends in the published way with definitions."""
    check_gather(causal=False)
    check_gather(causal=True)
    qkv = inputs(64)
    same(MaterialisedAttention().eval()(*qkv), full_attention(*qkv)[0], qkv)


PRODUCTS = (
    "Embeddings, convolutions and feed-forward layers have both: see what the matrix products of our step, of which "
    "hardly any are attention's, take by themselves"
)
BENCHMARKS = [
    Speed(
        name="informer",
        title="Informer beside the published way: training step",
        cases={
            "Informer": partial(training_step, ours),
            "Informer, full attention": partial(training_step, ours_full),
            "Informer, reference way": partial(training_step, Published),
            "Informer, its matrix products": partial(products_alone, partial(training_step, ours)),
        },
        sizes=LENGTHS,
        checks={
            **by_model(["Informer", "Informer, its matrix products"]),
            "Informer, full attention": partial(each, MODELS["Informer"], partial(agree, "full", "full, causal")),
            "Informer, reference way": check_published,
        },
        seconds=40,
        goals=[
            *at_4096("Informer", "Informer, reference way", time=0.5, memory=0.6),
            *at_4096("Informer", "Informer, full attention", time=0.1, why=PRODUCTS),
            Goal("Informer, exponent of time", exponent("time", "Informer"), at_most=1.15),
            Goal("Informer, exponent of memory", exponent("memory", "Informer"), at_most=1.15),
        ],
        note=f"{SIZES} Factor {FACTOR}. {WRITTEN_HERE} {KEYS_DRAWN}",
    )
]
