"""Correlations at delays that go round the end of a series, and sums of copies so delayed, with their gradients.

Sums are one pass over their output, by ``embedding_bag``: rows of all channels, picked and weighted. The gradient of a
sum is a sum with the delays reversed, so no transform is needed but the one that finds the delays. On a CPU that one
runs in parts that stay in the cache; sums stay there by themselves, as they go from sample to sample.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.execution.cache import parts


class CorrelationAt(torch.autograd.Function):
    """The correlation at some delays, out of that at all. A few delayed copies make its gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        correlation: Float[Tensor, "B L"],
        delays: Int[Tensor, "B n"],
        ahead: Int[Tensor, "B L n"],
        back: Int[Tensor, "B L n"],
    ) -> Float[Tensor, "B n"]:
        ctx.save_for_backward(q, k, ahead, back)
        return correlation.gather(-1, delays)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Float[Tensor, "B n"]) -> tuple[Tensor | None, ...]:
        q, k, ahead, back = ctx.saved_tensors
        return _sum_steps(k, back, d_out), _sum_steps(q, ahead, d_out), None, None, None, None


class DelayedSum(torch.autograd.Function):
    """The weighted sum of delayed copies. Its gradient is one too; that of ``embedding_bag`` would scatter."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Float[Tensor, "B h L e"],
        weights: Float[Tensor, "B n"],
        ahead: Int[Tensor, "B L n"],
        back: Int[Tensor, "B L n"],
    ) -> Float[Tensor, "B h L e"]:
        ctx.save_for_backward(x, weights, ahead, back)
        return _sum_steps(x, ahead, weights)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Float[Tensor, "B h L e"]) -> tuple[Tensor | None, ...]:
        x, weights, ahead, back = ctx.saved_tensors
        return _sum_steps(d_out, back, weights), _multiply_steps(x, ahead, d_out), None, None


def correlate(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"]) -> Float[Tensor, "B L"]:
    """Correlate two series at all delays, summed over heads and channels: one inverse FFT serves them all."""
    if torch.compiler.is_exporting():
        return _correlate_by_products(q, k)
    b, h, length, e = q.shape
    out = q.new_empty(b, length)
    for some in parts(q, b, h * length * e):
        spectra = [_cross_spectrum(q[some, heads], k[some, heads]) for heads in parts(q, h, length * e)]
        out[some] = torch.fft.ifft(sum(spectra)).real
    return out


def delayed_steps(delays: Int[Tensor, "B n"], length: int) -> Int[Tensor, "B L n"]:
    """Return which step each delay brings to each step."""
    steps = torch.arange(length, dtype=torch.int32, device=delays.device)
    return (steps[:, None] + delays.int()[:, None]).remainder_(length)


def _correlate_by_products(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"]) -> Float[Tensor, "B L"]:
    """Do the same without a transform, for formats that have none: O(L^2 h e) time, O(L^2) memory for each sample.

    All steps meet all steps. Twice side by side, and read in lines longer by one, the products of each delay stand in
    a column.
    """
    length = q.shape[-2]
    queries, keys = (t.transpose(1, 2).flatten(2) for t in (q, k))
    twice = (keys @ queries.mT).repeat(1, 1, 2)  # (B, L, 2 L)
    lines = F.pad(twice.flatten(1), (0, length)).reshape(-1, length, 2 * length + 1)
    return lines[..., :length].sum(1)


def _cross_spectrum(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"]) -> Tensor:
    """Sum over heads and channels the products whose inverse FFT has the correlation as its real part.

    Two real channels make a complex one: the real part of a product with a conjugate is the sum of both products.
    """
    first, second = (torch.fft.fft(_paired(t), dim=-2) for t in (q, k))
    return first.mul_(second.conj_physical_()).sum((1, 3))


def _paired(x: Float[Tensor, "B h L e"]) -> Tensor:
    """Join neighbouring channels to complex ones; an odd one out is joined by zeros."""
    even = F.pad(x, (0, 1)) if x.shape[-1] % 2 else x
    return torch.view_as_complex(even.reshape(*even.shape[:-1], -1, 2).contiguous())


def _sum_steps(
    x: Float[Tensor, "B h L e"], steps: Int[Tensor, "B L n"], weights: Float[Tensor, "B n"]
) -> Float[Tensor, "B h L e"]:
    """Sum for each step the given ones, times their weights."""
    if torch.compiler.is_exporting():
        return _sum_gathered(x, steps, weights)
    b, h, length, e = x.shape
    each = weights[:, None].expand(-1, length, -1).flatten(0, 1)
    total = F.embedding_bag(_rows(steps), _time_first(x), mode="sum", per_sample_weights=each)
    return total.view(b, length, h, e).transpose(1, 2)


def _sum_gathered(
    x: Float[Tensor, "B h L e"], steps: Int[Tensor, "B L n"], weights: Float[Tensor, "B n"]
) -> Float[Tensor, "B h L e"]:
    """Do the same by plain gathers, one for each of the ``n`` steps, for formats that have no bags."""
    total = torch.zeros_like(x)
    for some, weight in zip(steps.long().unbind(-1), weights.unbind(-1), strict=True):
        total = total + weight[:, None, None, None] * x.gather(2, some[:, None, :, None].expand_as(x))
    return total


def _multiply_steps(
    x: Float[Tensor, "B h L e"], steps: Int[Tensor, "B L n"], y: Float[Tensor, "B h L e"]
) -> Float[Tensor, "B n"]:
    """Multiply the steps summed above by ``y`` and add up over time: the gradient of that sum in its weights."""
    n = steps.shape[-1]
    rows = _rows(steps)
    bag = torch.arange(rows.shape[0], dtype=rows.dtype, device=x.device)
    # what torch's own backward pass calls; to get there by autograd would compute the sum again
    products = torch.ops.aten._embedding_bag_per_sample_weights_backward(
        _time_first(y), _time_first(x), rows.flatten(), n * bag, bag.repeat_interleave(n), 0
    )
    return products.view(*steps.shape).sum(1)


def _rows(steps: Int[Tensor, "B L n"]) -> Int[Tensor, "R n"]:
    """Turn the steps of each sample into rows of all samples' steps, one sample below the other."""
    b, length, _ = steps.shape
    first = length * torch.arange(b, dtype=steps.dtype, device=steps.device)
    return (steps + first[:, None, None] if b > 1 else steps).flatten(0, 1)


def _time_first(x: Float[Tensor, "B h L e"]) -> Float[Tensor, "R D"]:
    """Lay steps out as rows, those of the next sample below."""
    return x.transpose(1, 2).flatten(2).flatten(0, 1).contiguous()
