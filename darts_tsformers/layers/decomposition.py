"""Trend and remainder of a series."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from darts_tsformers.layers.checks import require_at_least


class SeriesDecomposition(nn.Module):
    """Split a series into a moving average and the rest; the two add up to the input.

    The ends are padded by repeating the first value ``kernel_size - 1 - (kernel_size - 1) // 2`` times and the last
    ``(kernel_size - 1) // 2`` times, so that odd and even kernels keep the length. A kernel may
    be longer than the series.

    Cost: O(L log k) time in passes over the whole, and O(L) memory.

    Parameters
    ----------
    kernel_size
        Steps ``k`` of an average, at least 1.
    dim
        The axis of time: the last as in (B, C, L), or -2 for tokens (B, L, D).

    Raises
    ------
    ValueError
        If ``kernel_size`` is not an integer of at least 1.

    Notes
    -----
    Wu et al., "Autoformer", NeurIPS 2021, equation 1; padding as in Zhou et al., "FEDformer", ICML 2022.
    """

    def __init__(self, kernel_size: int, *, dim: int = -1) -> None:
        super().__init__()
        require_at_least(1, kernel_size=kernel_size)
        self.kernel_size = kernel_size
        self.dim = dim

    def forward(self, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """Return remainder and trend."""
        trend = moving_average(x, self.kernel_size, self.dim)
        return x - trend, trend


class MixtureDecomposition(nn.Module):
    r"""Split a series into a mixture of moving averages and the rest.

    .. math:: \mathrm{trend}_t = \sum_i \mathrm{softmax}_i(w_i x_t + b_i) \, \mathrm{MA}_{k_i}(x)_t

    Each value chooses among the averages by itself; all channels share the ``w_i`` and ``b_i``, which are learned. A
    single kernel has nothing to choose from, hence no parameters: it is :class:`SeriesDecomposition`.

    Parameters
    ----------
    kernel_sizes
        Steps of each average, at least 1.
    dim
        The axis of time, as in :class:`SeriesDecomposition`.

    Raises
    ------
    ValueError
        If there is no kernel, or one is not an integer of at least 1.

    Notes
    -----
    Zhou et al., "FEDformer", ICML 2022, section 3.4: ``MOEDecomp``.
    """

    def __init__(self, kernel_sizes: Sequence[int], *, dim: int = -1) -> None:
        super().__init__()
        if not kernel_sizes:
            raise ValueError(f"kernel_sizes={kernel_sizes!r} must name at least one kernel")
        for i, kernel_size in enumerate(kernel_sizes):
            require_at_least(1, **{f"kernel_sizes[{i}]": kernel_size})
        self.kernel_sizes = tuple(kernel_sizes)
        self.dim = dim
        self.mix = nn.Linear(1, len(kernel_sizes)) if len(kernel_sizes) > 1 else None

    def forward(self, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """Return remainder and trend."""
        averages = (moving_average(x, kernel_size, self.dim) for kernel_size in self.kernel_sizes)
        parts = [weight * average for weight, average in zip(self.weights(x).unbind(), averages, strict=True)]
        trend = torch.stack(parts).sum(0)
        return x - trend, trend

    def weights(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "K *shape"]:
        """Return what part of the trend at each step each kernel makes; they sum to 1."""
        if self.mix is None:
            return torch.ones_like(x)[None]
        # kernels first: a softmax over a few neighbours in memory takes many times as long
        return torch.stack(
            [x * weight + bias for weight, bias in zip(self.mix.weight, self.mix.bias, strict=True)]
        ).softmax(0)


def moving_average(x: Float[Tensor, "*shape"], kernel_size: int, dim: int) -> Float[Tensor, "*shape"]:
    """Average ``kernel_size`` neighbours, the ends repeated; sums run in single precision at least."""
    wide = torch.promote_types(x.dtype, torch.float32)
    trend: Tensor = _MovingAverage.apply(x.to(wide), kernel_size, dim)  # type: ignore[no-untyped-call]
    return trend.to(x.dtype)


class _MovingAverage(torch.autograd.Function):
    """Moving average with repeated ends. By hand, the gradient takes as few passes; nothing is kept for it."""

    @staticmethod
    def forward(ctx: Any, x: Float[Tensor, "*shape"], kernel_size: int, dim: int) -> Float[Tensor, "*shape"]:
        ctx.kernel_size, ctx.dim = kernel_size, dim
        behind = (kernel_size - 1) // 2
        front = kernel_size - 1 - behind
        first, last = x.narrow(dim, 0, 1), x.narrow(dim, -1, 1)
        padded = torch.cat([*[first] * front, x, *[last] * behind], dim)
        return _window_sums(padded, kernel_size, dim) / kernel_size

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Float[Tensor, "*shape"]) -> tuple[Tensor | None, ...]:
        kernel_size, dim = ctx.kernel_size, ctx.dim
        length, behind = d_out.shape[dim], (kernel_size - 1) // 2
        front = kernel_size - 1 - behind
        shape = list(d_out.shape)
        shape[dim] = kernel_size - 1
        nothing = d_out.new_zeros(shape)
        d_padded = _window_sums(torch.cat([nothing, d_out, nothing], dim), kernel_size, dim) / kernel_size
        d_x = d_padded.narrow(dim, front, length).clone()
        d_x.narrow(dim, 0, 1).add_(d_padded.narrow(dim, 0, front).sum(dim, keepdim=True))
        d_x.narrow(dim, -1, 1).add_(d_padded.narrow(dim, front + length, behind).sum(dim, keepdim=True))
        return d_x, None, None


def _window_sums(x: Tensor, width: int, dim: int) -> Tensor:
    """Sum each ``width`` neighbours, from sums of half as many: unlike a running sum, no rounding piles up."""
    if width == 1:
        return x
    half = width // 2
    sums = _window_sums(x, half, dim)
    count = x.shape[dim] - width + 1
    total = sums.narrow(dim, 0, count) + sums.narrow(dim, half, count)
    return total + x.narrow(dim, width - 1, count) if width % 2 else total
