"""Power series cut off after some terms: their products and quotients, by FFT, with gradients by FFT as well.

A causal convolution is a product cut off after the length of its input. Transforms run in single precision at least.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable


def product(x: Float[Tensor, "*xs m"], y: Float[Tensor, "*ys n"], length: int) -> Float[Tensor, "*xys length"]:
    """Return the first ``length`` terms of a product, or of a causal convolution; at most ``m + n - 1``."""
    out: Tensor = _Product.apply(at_least_single(x), at_least_single(y), length)  # type: ignore[no-untyped-call]
    return out


def quotient(
    numerator: Float[Tensor, "*xs m"], denominator: Float[Tensor, "*ys n"], length: int
) -> Float[Tensor, "*xys length"]:
    r"""Return the first ``length`` terms of a quotient, at least ``m``. The denominator begins with 1.

    The terms obey the recurrence :math:`f_i = x_i - y_1 f_{i-1} - y_2 f_{i-2} - \dots`; Newton's iteration takes
    O(L log L) time instead of O(L n).
    """
    x, y = at_least_single(numerator), at_least_single(denominator)
    out: Tensor = _Quotient.apply(x, y, length)  # type: ignore[no-untyped-call]
    return out


def delayed(x: Float[Tensor, "*xs n"]) -> Float[Tensor, "*xs n"]:
    """Multiply by z: each term moves on by one, and the last one out."""
    return torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1]], dim=-1)


def at_least_single(x: Float[Tensor, "*xs n"]) -> Float[Tensor, "*xs n"]:
    """Return single precision for half, which has no FFT, and all else as it is."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, length: int) -> Tensor:
        ctx.save_for_backward(x, y)
        return _multiply(x, y, length)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        x, y = ctx.saved_tensors
        size = fft_size(x.shape[-1] + y.shape[-1] - 1)
        spectrum = torch.fft.rfft(d_out, size)
        return (
            _correlate(spectrum, y, x, size) if ctx.needs_input_grad[0] else None,
            _correlate(spectrum, x, y, size) if ctx.needs_input_grad[1] else None,
            None,
        )


class _Quotient(torch.autograd.Function):
    """Of f = x / y the differential is (dx - f dy) / y: two correlations, one with 1 / y and one with f."""

    @staticmethod
    def forward(ctx: Any, numerator: Tensor, denominator: Tensor, length: int) -> Tensor:
        inverse = _reciprocal(denominator, length)
        out = _multiply(numerator, inverse, length)
        ctx.save_for_backward(numerator, denominator, inverse, out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:
        numerator, denominator, inverse, out = ctx.saved_tensors
        size = fft_size(2 * out.shape[-1] - 1)
        d_numerator = _correlate(torch.fft.rfft(d_out, size), inverse, out, size)  # as if it had all terms
        d_denominator = None
        if ctx.needs_input_grad[1]:
            terms = denominator[..., : out.shape[-1]]
            d_terms = _correlate(torch.fft.rfft(d_numerator, size), out, terms, size).neg_()
            d_denominator = torch.zeros_like(denominator)
            d_denominator[..., : d_terms.shape[-1]] = d_terms
        return d_numerator[..., : numerator.shape[-1]].sum_to_size(numerator.shape), d_denominator, None


def _multiply(x: Tensor, y: Tensor, length: int) -> Tensor:
    size = fft_size(x.shape[-1] + y.shape[-1] - 1)
    return torch.fft.irfft(torch.fft.rfft(x, size) * torch.fft.rfft(y, size), size)[..., :length]


def _correlate(spectrum: Tensor, y: Tensor, like: Tensor, size: int) -> Tensor:
    """Return what a gradient with this spectrum gives to the factor beside ``y``, in the shape of that factor.

    What was broadcast is summed before the inverse transform.
    """
    product = spectrum * torch.fft.rfft(y, size).conj_physical_()
    return torch.fft.irfft(product.sum_to_size(*like.shape[:-1], product.shape[-1]), size)[..., : like.shape[-1]]


def _reciprocal(y: Tensor, length: int) -> Tensor:
    """Return the first terms of 1 / y by Newton's iteration: each round doubles them.

    Of the cyclic products, which are no longer than the new terms, only entries are taken that nothing wraps round to.
    """
    out = torch.ones_like(y[..., :1])
    for new in _lengths(length):
        old = out.shape[-1]
        size = fft_size(new)
        spectrum = torch.fft.rfft(out, size)
        excess = torch.fft.irfft(torch.fft.rfft(y[..., :new], size) * spectrum, size)[..., old:new]
        more = torch.fft.irfft(torch.fft.rfft(excess, size) * spectrum, size)[..., : new - old]
        out = torch.cat([out, -more], dim=-1)
    return out


def _lengths(length: int) -> list[int]:
    """Return the numbers of terms of Newton's rounds, each at most twice the one before."""
    out = []
    while length > 1:
        out.append(length)
        length = -(-length // 2)
    return out[::-1]


def fft_size(least: int) -> int:
    """Return the next even size without a prime factor above 7, for which transforms are fast."""
    size = least + least % 2
    while True:
        rest = size
        for factor in (2, 3, 5, 7):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 2
