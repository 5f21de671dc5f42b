"""What a training step of Autoformer and of FEDformer costs: ours, and the architectures as published.

Delays are ``FACTOR ln L``, as in the published scripts. FEDformer has its Fourier blocks, once with a single moving
average, as in the published settings, and once with a mixture. Both of ours still train at 32,768; the tables say with
how much memory.

The published forms are written from the papers the way public codes are: one layer for each of queries, keys and
values, also where a block looks at queries alone; correlations of every channel brought back to the time domain, delays
shared by the batch, a roll for each; whole spectra and a loop over modes with complex weights; averages pooled in
another layout from a padded copy; pointwise convolutions that change the layout there and back. Before they are timed,
their decompositions and what attends in them must give what ours give.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from benchmarks.core.figures import exponent
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed
from benchmarks.speed._gates import MODELS, each, same
from benchmarks.speed._steps import (
    DECODER_LAYERS,
    DELAYS_CHOSEN,
    DROPOUT,
    ENCODER_LAYERS,
    HEADS,
    HORIZON,
    LABEL,
    LENGTHS,
    SIZES,
    TARGETS,
    WIDTH,
    WIDTH_FF,
    WRITTEN_HERE,
    at_4096,
    training_step,
)
from benchmarks.speed.auto_correlation import mean_correlation
from benchmarks.speed.fourier import LoopComplex, compare
from benchmarks.speed.informer import PublishedAttention, PublishedFeedForward
from darts_tsformers.attention.auto_correlation import AutoCorrelation
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition, SeriesDecomposition
from darts_tsformers.layers.decomposition.seasonal_norm import SeasonalNorm
from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.networks import Autoformer, FEDformer
from darts_tsformers.window import Sizes, Window

FACTOR, MODES = 3, 32
AVERAGE, MIXTURE = 25, (12, 24, 48)


class Published(nn.Module, ABC):
    """Encoder and decoder; subclasses say what attends and how trends are taken out."""

    def __init__(self, length: int) -> None:
        super().__init__()
        self.length = length
        self.decomposition = self.build_decomposition()
        self.embed_past, self.embed_future = (PublishedEmbedding() for _ in range(2))
        self.encoder = nn.Sequential(*(self.encoder_layer() for _ in range(ENCODER_LAYERS)), PublishedNorm())
        self.decoder = nn.ModuleList(self.decoder_layer() for _ in range(DECODER_LAYERS))
        self.norm = PublishedNorm()
        self.head = nn.Linear(WIDTH, TARGETS)

    @abstractmethod
    def build_decomposition(self) -> nn.Module: ...

    @abstractmethod
    def build_attention(self, steps: int) -> nn.Module: ...

    @abstractmethod
    def build_cross_attention(self) -> nn.Module: ...

    def encoder_layer(self) -> nn.Module:
        return PublishedEncoderLayer(self.build_attention(self.length), *self.decompositions(2))

    def decoder_layer(self) -> nn.Module:
        attentions = self.build_attention(LABEL + HORIZON), self.build_cross_attention()
        return PublishedDecoderLayer(*attentions, *self.decompositions(3))

    def decompositions(self, count: int) -> list[nn.Module]:
        return [self.build_decomposition() for _ in range(count)]

    def forward(self, past: Tensor) -> Tensor:
        seasonal, trend = self.decomposition(past)
        level = past.mean(1, keepdim=True).repeat(1, HORIZON, 1)
        trend = torch.cat([trend[:, -LABEL:], level], dim=1)
        start = torch.cat([seasonal[:, -LABEL:], past.new_zeros(past.shape[0], HORIZON, TARGETS)], dim=1)
        memory = self.encoder(self.embed_past(past))
        x = self.embed_future(start)
        for layer in self.decoder:
            x, more = layer(x, memory)
            trend = trend + more
        return (trend + self.head(self.norm(x)))[:, -HORIZON:]


class PublishedAutoformer(Published):
    def build_decomposition(self) -> nn.Module:
        return PublishedDecomposition(AVERAGE)

    def build_attention(self, _: int) -> nn.Module:
        return PublishedAttention(rolled_auto_correlation)

    def build_cross_attention(self) -> nn.Module:
        return PublishedAttention(rolled_auto_correlation)


class PublishedFEDformer(Published):
    def build_decomposition(self) -> nn.Module:
        return PublishedDecomposition(AVERAGE - 1)

    def build_attention(self, steps: int) -> nn.Module:
        return PublishedAttention(LoopComplex(FourierBlock(WIDTH, HEADS, steps, n_modes=MODES)))

    def build_cross_attention(self) -> nn.Module:
        return PublishedAttention(LoopAttention(fourier_attention(LABEL + HORIZON, self.length)))


class PublishedFEDformerMixture(PublishedFEDformer):
    def build_decomposition(self) -> nn.Module:
        return PublishedMixture(MIXTURE)


class PublishedEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(TARGETS, WIDTH, kernel_size=3, padding=1, padding_mode="circular", bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.convolution(x.transpose(1, 2)).transpose(1, 2))


class PublishedDecomposition(nn.Module):
    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.behind = (kernel_size - 1) // 2
        self.front = kernel_size - 1 - self.behind
        self.pool = nn.AvgPool1d(kernel_size, stride=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        front, behind = x[:, :1].repeat(1, self.front, 1), x[:, -1:].repeat(1, self.behind, 1)
        trend = self.pool(torch.cat([front, x, behind], dim=1).transpose(1, 2)).transpose(1, 2)
        return x - trend, trend


class PublishedMixture(nn.Module):
    def __init__(self, kernel_sizes: Sequence[int]) -> None:
        super().__init__()
        self.each = nn.ModuleList(PublishedDecomposition(kernel_size) for kernel_size in kernel_sizes)
        self.mix = nn.Linear(1, len(kernel_sizes))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        trends = torch.stack([decomposition(x)[1] for decomposition in self.each], dim=-1)
        trend = (trends * self.mix(x[..., None]).softmax(-1)).sum(-1)
        return x - trend, trend


class PublishedNorm(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        return normed - normed.mean(1, keepdim=True).repeat(1, x.shape[1], 1)


class PublishedEncoderLayer(nn.Module):
    def __init__(self, attention: nn.Module, *decompositions: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.decompositions = nn.ModuleList(decompositions)
        self.feed_forward = PublishedFeedForward(bias=False)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.decompositions[0](x + self.dropout(self.attention(x, x)))
        x, _ = self.decompositions[1](x + self.feed_forward(x))
        return x


class PublishedDecoderLayer(nn.Module):
    def __init__(self, self_attention: nn.Module, cross_attention: nn.Module, *decompositions: nn.Module) -> None:
        super().__init__()
        self.self_attention, self.cross_attention = self_attention, cross_attention
        self.decompositions = nn.ModuleList(decompositions)
        self.feed_forward = PublishedFeedForward(bias=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.trend = nn.Conv1d(WIDTH, TARGETS, kernel_size=3, padding=1, padding_mode="circular", bias=False)

    def forward(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        x, first = self.decompositions[0](x + self.dropout(self.self_attention(x, x)))
        x, second = self.decompositions[1](x + self.dropout(self.cross_attention(x, memory)))
        x, third = self.decompositions[2](x + self.feed_forward(x))
        return x, self.trend((first + second + third).transpose(1, 2)).transpose(1, 2)


def rolled_auto_correlation(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Delays shared by the batch; each rolls all values, and weights are spread to their shape."""
    _, h, n, e = q.shape
    k, v = k[:, :, :n], v[:, :, :n]
    found = mean_correlation(q, k)
    delays = found.mean(0).topk(int(FACTOR * math.log(n))).indices
    weights = found[:, delays].softmax(-1)
    series = v.mT.contiguous()
    out = torch.zeros_like(series)
    for i, delay in enumerate(delays):
        out = out + series.roll(-int(delay), -1) * weights[:, i, None, None, None].repeat(1, h, e, n)
    return out.mT


class LoopAttention(nn.Module):
    """Modes picked and put back one by one; complex scores, complex activation, complex weights."""

    def __init__(self, block: FourierAttention) -> None:
        super().__init__()
        self.modes, self.memory_modes = block.modes.tolist(), block.memory_modes.tolist()
        weights = torch.complex(block.weights.real, block.weights.imag).detach()
        self.weight = nn.Parameter(weights.permute(0, 2, 3, 1).contiguous())

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        queries = self.picked(torch.fft.rfft(q.mT), self.modes)
        keys, values = (self.picked(torch.fft.rfft(x.mT), self.memory_modes) for x in (k, v))
        scores = torch.einsum("bhem,bhen->bhmn", queries, keys).tanh()
        attended = torch.einsum("bhmn,bhen->bhem", scores, values)
        weighted = torch.einsum("bhem,heom->bhom", attended, self.weight)
        out = weighted.new_zeros(*weighted.shape[:-1], q.shape[2] // 2 + 1)
        for m, j in enumerate(self.modes):
            out[..., j] = weighted[..., m]
        return torch.fft.irfft(out, n=q.shape[2]).mT

    @staticmethod
    def picked(spectrum: Tensor, modes: list[int]) -> Tensor:
        kept = spectrum.new_zeros(*spectrum.shape[:-1], len(modes))
        for m, j in enumerate(modes):
            kept[..., m] = spectrum[..., j]
        return kept


def fourier_attention(length: int, memory_length: int) -> FourierAttention:
    published = {"activation": "complex_tanh", "scale_scores": False}
    return FourierAttention(WIDTH, HEADS, length, memory_length, n_modes=MODES, **published)


class Ours(nn.Module):
    def __init__(self, build: type[Autoformer] | type[FEDformer], length: int, **arguments: object) -> None:
        super().__init__()
        self.network = build(
            Sizes(length, HORIZON, n_targets=TARGETS),
            label_length=LABEL,
            d_model=WIDTH,
            n_heads=HEADS,
            n_encoder_layers=ENCODER_LAYERS,
            n_decoder_layers=DECODER_LAYERS,
            d_ff=WIDTH_FF,
            dropout=DROPOUT,
            **arguments,
        )

    def forward(self, past: Tensor) -> Tensor:
        return self.network(Window(past))[..., 0]


def autoformer(length: int) -> nn.Module:
    return Ours(Autoformer, length, kernel_size=AVERAGE, attention=("auto_correlation", {"factor": FACTOR}))


def fedformer(length: int, kernel_sizes: Sequence[int] = (AVERAGE - 1,)) -> nn.Module:
    return Ours(FEDformer, length, modes=MODES, kernel_sizes=kernel_sizes)


def mixture(length: int) -> nn.Module:
    return fedformer(length, MIXTURE)


def check_decomposition(kernel_size: int) -> None:
    """Compare moving average and norm of the published way with ours."""
    x = torch.randn(2, 101, WIDTH).requires_grad_()
    forms = PublishedDecomposition(kernel_size), SeriesDecomposition(kernel_size, dim=-2)
    same(*(torch.stack(form(x)) for form in forms), [x])
    same(PublishedNorm()(x), SeasonalNorm(WIDTH)(x), [x])


def check_autoformer() -> None:
    check_decomposition(AVERAGE)
    ours = AutoCorrelation(FACTOR, truncate="first", shared_delays=True)
    for length in (101, 203):
        qkv = [torch.randn(2, HEADS, n, WIDTH // HEADS).requires_grad_() for n in (101, length, length)]
        same(rolled_auto_correlation(*qkv), ours(*qkv)[0], qkv)


def check_fedformer() -> None:
    check_decomposition(AVERAGE - 1)
    compare(LoopComplex)
    q, k, v = (0.1 * torch.randn(2, HEADS, n, WIDTH // HEADS) for n in (101, 203, 203))
    attention = fourier_attention(101, 203)
    torch.testing.assert_close(LoopAttention(attention)(q, k, v), attention(q, k, v), rtol=1e-3, atol=1e-6)


def check_mixture() -> None:
    x = torch.randn(2, 101, WIDTH).requires_grad_()
    mixture, published = MixtureDecomposition(MIXTURE, dim=-2), PublishedMixture(MIXTURE)
    assert mixture.mix is not None
    published.mix.load_state_dict(mixture.mix.state_dict())
    same(*(torch.stack(form(x)) for form in (published, mixture)), [x])


NETWORKS = {
    "Autoformer": (autoformer, PublishedAutoformer, 0.4),
    "FEDformer": (fedformer, PublishedFEDformer, 0.6),
    "FEDformer mixture": (mixture, PublishedFEDformerMixture, 0.6),
}
BENCHMARKS = [
    Speed(
        name="decomposition_models",
        title="Autoformer and FEDformer beside the published ways: training step",
        cases={
            label: partial(training_step, build)
            for name, (ours, published, _) in NETWORKS.items()
            for label, build in {name: ours, f"{name}, reference way": published}.items()
        },
        sizes=LENGTHS,
        checks={
            "Autoformer": MODELS["Autoformer"],
            "Autoformer, reference way": check_autoformer,
            "FEDformer": MODELS["FEDformer"],
            "FEDformer, reference way": check_fedformer,
            "FEDformer mixture": partial(each, MODELS["FEDformer"], check_mixture),
            "FEDformer mixture, reference way": partial(each, check_fedformer, check_mixture),
        },
        seconds=40,
        goals=[
            *(
                goal
                for name, (*_, time) in NETWORKS.items()
                for goal in at_4096(name, f"{name}, reference way", time=time, memory=0.6)
            ),
            *(
                Goal(f"{name}, exponent of {what}", exponent(what, name), at_most=1.15)
                for name in NETWORKS
                for what in ("time", "memory")
            ),
        ],
        note=f"{SIZES} Delays {FACTOR} ln L, {MODES} modes, averages over {AVERAGE}, mixture of {MIXTURE}. "
        f"{WRITTEN_HERE} {DELAYS_CHOSEN}",
    )
]
