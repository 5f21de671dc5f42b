"""What the frequency blocks cost: forward and backward, against the loop over modes of the published code.

    python -m benchmarks.fourier --out results.json

First at the size of the published settings (batch 32, 96 steps, width 512, 8 heads, 32 modes), then over lengths. One
thread. The cases take turns, so that a busy machine slows all of them; the medians of the processor time are reported.
The exponent is the slope of log time over log length from 2,048 on; memory is the largest total of the tensors alive at
any time of one forward and backward pass, beyond inputs and weights. Before anything is measured, the forms of the
Fourier block are compared with each other.
"""

import argparse
import json
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from einops import rearrange
from torch import Tensor, nn

from benchmarks._measure import exponent, megabytes, milliseconds, table
from darts_tsformers.layers.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.wavelet import MultiwaveletAttention, MultiwaveletBlock

MODES = 32


@dataclass(frozen=True)
class Size:
    batch: int
    length: int
    heads: int
    width: int  # of a head

    def sequences(self) -> list[Tensor]:
        generator = torch.Generator().manual_seed(0)
        shape = self.batch, self.length, self.heads * self.width
        return [torch.randn(shape, generator=generator).requires_grad_() for _ in range(3)]


class LoopComplex(nn.Module):
    """As FEDformer's authors: complex weights with the modes last, a product for each mode, a buffer of zeros."""

    def __init__(self, block: FourierBlock) -> None:
        super().__init__()
        self.modes, self.length = block.modes.tolist(), block.length
        weights = torch.complex(block.weights.real, block.weights.imag).detach()
        self.weight = nn.Parameter(rearrange(weights, "h m i o -> h i o m").contiguous())

    def matrix(self, m: int) -> Tensor:
        return self.weight[..., m]

    def product(self, x: Tensor, matrix: Tensor) -> Tensor:
        return torch.einsum("bhi,hio->bho", x, matrix)

    def forward(self, q: Tensor, *_: Tensor) -> Tensor:
        x = rearrange(q, "b h l e -> b h e l")
        spectrum = torch.fft.rfft(x, dim=-1)
        out = torch.zeros_like(spectrum)
        for m, j in enumerate(self.modes):
            out[..., j] = self.product(spectrum[..., j], self.matrix(m))
        return rearrange(torch.fft.irfft(out, n=self.length, dim=-1), "b h e l -> b h l e")


class LoopReal(LoopComplex):
    """As the copies that keep real and imaginary parts: complex weights made anew and four products for each mode."""

    def __init__(self, block: FourierBlock) -> None:
        super().__init__(block)
        self.real, self.imag = (
            nn.Parameter(part.detach().clone()) for part in torch.view_as_real(self.weight).unbind(-1)
        )
        del self.weight

    def matrix(self, m: int) -> Tensor:
        return torch.complex(self.real, self.imag)[..., m]

    def product(self, x: Tensor, matrix: Tensor) -> Tensor:
        one = super().product
        real = one(x.real, matrix.real) - one(x.imag, matrix.imag)
        return torch.complex(real, one(x.real, matrix.imag) + one(x.imag, matrix.real))


class FastTransform(nn.Module):
    """The fast Fourier transform and one product over all modes."""

    def __init__(self, block: FourierBlock) -> None:
        super().__init__()
        self.modes, self.length = block.modes, block.length
        self.real, self.imag = (
            nn.Parameter(part.detach().clone()) for part in (block.weights.real, block.weights.imag)
        )

    def forward(self, q: Tensor, *_: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(q, dim=-2)
        kept = spectrum.index_select(-2, self.modes)
        weighted = torch.einsum("bhmi,hmio->bhmo", kept, torch.complex(self.real, self.imag))
        return torch.fft.irfft(torch.zeros_like(spectrum).index_copy(-2, self.modes, weighted), n=self.length, dim=-2)


def block(size: Size) -> FourierBlock:
    made = FourierBlock(size.heads * size.width, size.heads, size.length, n_modes=MODES)
    for weight in made.parameters():
        nn.init.normal_(weight, std=size.width**-0.5)
    return made


@dataclass(frozen=True)
class Case:
    build: Callable[[Size], nn.Module]
    limit: int = 32768


def fourier_attention(size: Size) -> FourierAttention:
    return FourierAttention(size.heads * size.width, size.heads, size.length, size.length, n_modes=MODES)


BLOCKS = {
    "Fourier block": Case(block),
    "loop, complex weights": Case(lambda size: LoopComplex(block(size)), 8192),
    "loop, real and imaginary weights": Case(lambda size: LoopReal(block(size)), 8192),
    "fast transform, one product": Case(lambda size: FastTransform(block(size))),
}
OTHERS = {
    "Fourier attention": Case(fourier_attention),
    "wavelet block": Case(lambda size: MultiwaveletBlock(size.heads * size.width, size.length)),
    "wavelet attention": Case(lambda size: MultiwaveletAttention(size.heads * size.width, size.length)),
}


def apply(module: nn.Module, sequences: list[Tensor], heads: int) -> Tensor:
    out = module(*(rearrange(x, "b l (h e) -> b h l e", h=heads) for x in sequences))
    return rearrange(out, "b h l e -> b l (h e)")


def step(module: nn.Module, sequences: list[Tensor], heads: int) -> None:
    wanted = [*sequences, *module.parameters()]
    probe = torch.ones_like(sequences[0])
    torch.autograd.grad(apply(module, sequences, heads), wanted, probe, allow_unused=True)


def check(size: Size) -> None:
    """Refuse to measure forms that disagree."""
    reference = block(size)
    sequences = size.sequences()
    expected = apply(reference, sequences, size.heads)
    for form in (LoopComplex, LoopReal, FastTransform):
        torch.testing.assert_close(apply(form(reference), sequences, size.heads), expected, rtol=1e-4, atol=1e-4)


def measure(cases: dict[str, Case], size: Size, repeats: int) -> tuple[dict[str, float], dict[str, float]]:
    sequences = size.sequences()
    modules = {name: case.build(size) for name, case in cases.items() if size.length <= case.limit}
    steps = {name: partial(step, module, sequences, size.heads) for name, module in modules.items()}
    return milliseconds(steps, repeats), {name: megabytes(one) for name, one in steps.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", nargs="+", type=int, default=[512, 1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # the profiler reports its own start and stop otherwise
    published = Size(batch=32, length=96, heads=8, width=64)
    check(published)
    published_times, published_memory = measure(BLOCKS, published, 3 * arguments.repeats)
    ratios = {name: value / published_times["Fourier block"] for name, value in published_times.items()}
    print(f"{'batch 32, 96 steps, width 512':34s}{'ms':>10s}{'ratio':>10s}{'MB':>10s}")
    for name, value in published_times.items():
        print(f"{name:34s}{value:10.1f}{ratios[name]:10.2f}{published_memory[name]:10.1f}")
    cases = BLOCKS | OTHERS
    times: dict[str, dict[int, float]] = {name: {} for name in cases}
    memory: dict[str, dict[int, float]] = {name: {} for name in cases}
    for length in arguments.lengths:
        size = Size(batch=4, length=length, heads=4, width=16)
        check(size)
        for kept, values in zip((times, memory), measure(cases, size, arguments.repeats), strict=True):
            for name, value in values.items():
                kept[name][length] = value
    print(table(times, arguments.lengths, "forward and backward, ms"))
    print(table(memory, arguments.lengths, "peak memory, MB"))
    if arguments.out:
        machine = {"torch": torch.__version__, "python": platform.python_version(), "processor": platform.processor()}
        exponents = {name: {"time": exponent(times[name]), "memory": exponent(memory[name])} for name in times}
        results = machine | {
            "modes": MODES,
            "published": vars(published)
            | {"milliseconds": published_times, "megabytes": published_memory, "ratio": ratios},
            "lengths": {"batch": 4, "heads": 4, "width": 16, "milliseconds": times, "megabytes": memory},
            "exponents": exponents,
        }
        arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
