"""What the frequency blocks cost: forward and backward, against the loop over modes of the published code.

First at the width of the published settings (batch 32, 96 steps, width 512, 8 heads), then over lengths; with 32 modes.
"""

from collections.abc import Callable
from functools import partial

import torch
from einops import rearrange
from torch import Tensor, nn

from benchmarks.core.figures import exponent, ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.speed._gates import Gate, agree, same
from benchmarks.speed._steps import placed, products_alone
from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.wavelet import MultiwaveletAttention, MultiwaveletBlock

MODES = 32


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

    modes: Tensor

    def __init__(self, block: FourierBlock) -> None:
        super().__init__()
        self.length = block.length
        self.register_buffer("modes", block.modes)
        self.real, self.imag = (
            nn.Parameter(part.detach().clone()) for part in (block.weights.real, block.weights.imag)
        )

    def forward(self, q: Tensor, *_: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(q, dim=-2)
        kept = spectrum.index_select(-2, self.modes)
        weighted = torch.einsum("bhmi,hmio->bhmo", kept, torch.complex(self.real, self.imag))
        return torch.fft.irfft(torch.zeros_like(spectrum).index_copy(-2, self.modes, weighted), n=self.length, dim=-2)


def fourier_block(d_model: int, heads: int, length: int) -> FourierBlock:
    made = FourierBlock(d_model, heads, length, n_modes=MODES)
    for weight in made.parameters():
        nn.init.normal_(weight, std=(d_model // heads) ** -0.5)
    return made


def loop_complex(d_model: int, heads: int, length: int) -> nn.Module:
    return LoopComplex(fourier_block(d_model, heads, length))


def loop_real(d_model: int, heads: int, length: int) -> nn.Module:
    return LoopReal(fourier_block(d_model, heads, length))


def fast_transform(d_model: int, heads: int, length: int) -> nn.Module:
    return FastTransform(fourier_block(d_model, heads, length))


def fourier_attention(d_model: int, heads: int, length: int) -> nn.Module:
    return FourierAttention(d_model, heads, length, length, n_modes=MODES)


def wavelet_block(d_model: int, heads: int, length: int) -> nn.Module:  # noqa: ARG001
    return MultiwaveletBlock(d_model, length)


def wavelet_attention(d_model: int, heads: int, length: int) -> nn.Module:  # noqa: ARG001
    return MultiwaveletAttention(d_model, length)


def apply(module: nn.Module, sequences: list[Tensor], heads: int) -> Tensor:
    out = module(*(rearrange(x, "b l (h e) -> b h l e", h=heads) for x in sequences))
    return rearrange(out, "b h l e -> b l (h e)")


def step(module: nn.Module, sequences: list[Tensor], heads: int) -> None:
    wanted = [*sequences, *module.parameters()]
    probe = torch.ones_like(sequences[0])
    torch.autograd.grad(apply(module, sequences, heads), wanted, probe, allow_unused=True)


def forward_and_backward(
    build: Callable[[int, int, int], nn.Module], *, batch: int, length: int, heads: int, width: int
) -> Step:
    sequences = [torch.randn(batch, length, heads * width).requires_grad_() for _ in range(3)]
    return partial(step, placed(build, heads * width, heads, length), sequences, heads)


def compare(form: type[nn.Module]) -> None:
    """Compare a form of the Fourier block with ours, at an even and at an odd length."""
    for length in (96, 97):
        reference = fourier_block(64, 4, length)
        sequences = [torch.randn(3, length, 64).requires_grad_()]
        same(*(apply(module, sequences, 4) for module in (reference, form(reference))), sequences)


BLOCKS = {
    "Fourier block": partial(forward_and_backward, fourier_block),
    "loop, complex weights": partial(forward_and_backward, loop_complex),
    "loop, real and imaginary weights": partial(forward_and_backward, loop_real),
    "fast transform, one product": partial(forward_and_backward, fast_transform),
}
OTHERS = {
    "Fourier attention": partial(forward_and_backward, fourier_attention),
    "wavelet block": partial(forward_and_backward, wavelet_block),
    "wavelet attention": partial(forward_and_backward, wavelet_attention),
}
CHECKS: dict[str, Gate] = {
    "Fourier block": partial(agree, "Fourier block"),
    "loop, complex weights": partial(compare, LoopComplex),
    "loop, real and imaginary weights": partial(compare, LoopReal),
    "fast transform, one product": partial(compare, FastTransform),
}
OTHER_CHECKS: dict[str, Gate] = {
    "Fourier attention": partial(agree, "Fourier attention", "Fourier attention, softmax"),
    "wavelet block": partial(agree, "wavelet block"),
    "wavelet attention": partial(agree, "wavelet attention"),
}
BENCHMARKS = [
    Speed(
        name="fourier_published_size",
        title="Fourier block at the published size: forward and backward",
        cases=BLOCKS | {"Fourier block, its matrix products": partial(products_alone, BLOCKS["Fourier block"])},
        sizes=[{"batch": 32, "length": 96, "heads": 8, "width": 64}],
        checks=CHECKS | {"Fourier block, its matrix products": CHECKS["Fourier block"]},
        repeats=21,
        goals=[
            Goal("Fourier block / loop with complex weights, time",
                 ratio("time", "Fourier block", "loop, complex weights"), at_most=1 / 5,
                 why="Into frequencies and back are matrix products: see what those of the block take by themselves"),
            Goal("Fourier block / loop with real and imaginary weights, time",
                 ratio("time", "Fourier block", "loop, real and imaginary weights"), at_most=1 / 5),
        ],
        note=f"{MODES} of 48 modes, where the authors keep all.",
    ),
    Speed(
        name="fourier",
        title="Frequency blocks: forward and backward",
        cases=BLOCKS | OTHERS,
        sizes=[
            {"batch": 4, "length": length, "heads": 4, "width": 16}
            for length in (512, 1024, 2048, 4096, 8192, 16384, 32768)
        ],
        checks=CHECKS | OTHER_CHECKS,
        seconds=20,
        goals=[Goal("Fourier block, exponent of time", exponent("time", "Fourier block"), at_most=1.15)],
        note=f"{MODES} modes.",
    ),
]  # fmt: skip
