"""Trend and remainder of a series."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.cache import parts
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Durations


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

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.decomposition.moving_average import SeriesDecomposition
    >>> remainder, trend = SeriesDecomposition(3)(torch.tensor([[[1.0, 4.0, 1.0, 4.0, 1.0]]]))  # (B, C, L)
    >>> trend.flatten()
    tensor([2., 2., 3., 2., 2.])
    >>> remainder.flatten()
    tensor([-1.,  2., -2.,  2., -1.])
    """

    def __init__(self, kernel_size: int, *, dim: int = -1) -> None:
        super().__init__()
        require_at_least(1, kernel_size=kernel_size)
        self.kernel_size = kernel_size
        self.dim = dim

    def forward(self, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """Return remainder and trend."""
        return _split(x, (self.kernel_size,), self.dim)


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

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition
    >>> decomposition = MixtureDecomposition([3, 5])
    >>> remainder, trend = decomposition(torch.randn(2, 1, 12))  # (B, C, L)
    >>> decomposition.weights(trend).shape  # of each kernel, at each step
    torch.Size([2, 2, 1, 12])
    """

    def __init__(self, kernel_sizes: Sequence[int], *, dim: int = -1) -> None:
        super().__init__()
        if not isinstance(kernel_sizes, list | tuple) or not kernel_sizes:
            raise ValueError(f"kernel_sizes={kernel_sizes!r} must be a list of at least one kernel size")
        for i, kernel_size in enumerate(kernel_sizes):
            require_at_least(1, **{f"kernel_sizes[{i}]": kernel_size})
        self.kernel_sizes = tuple(kernel_sizes)
        self.dim = dim
        self.mix = nn.Linear(1, len(kernel_sizes)) if len(kernel_sizes) > 1 else None

    def forward(self, x: Float[Tensor, "*shape"]) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
        """Return remainder and trend."""
        if self.mix is None:
            return _split(x, self.kernel_sizes, self.dim)
        if is_recording("experts"):
            record("experts", self, weights=self._mean_weights(x))
        return _split(x, self.kernel_sizes, self.dim, self.mix.weight, self.mix.bias)

    def weights(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "K *shape"]:
        """Return what part of the trend at each step each kernel makes; they sum to 1."""
        return torch.ones_like(x)[None] if self.mix is None else _mixing(x, self.mix.weight, self.mix.bias)

    def durations(self) -> dict[str, Durations]:
        """Return the steps of each average."""
        return {"kernel": Durations(self.kernel_sizes)}

    def _mean_weights(self, x: Float[Tensor, "B *shape"]) -> Float[Tensor, "B L K"]:
        """Return the weights of each step, means over channels."""
        at_steps = self.weights(x.to(torch.promote_types(x.dtype, torch.float32))).movedim(self.dim, 2)
        return at_steps.flatten(3).mean(-1).permute(1, 2, 0)


def _split(
    x: Float[Tensor, "*shape"],
    kernel_sizes: tuple[int, ...],
    dim: int,
    weight: Float[Tensor, "K 1"] | None = None,
    bias: Float[Tensor, " K"] | None = None,
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """Return remainder and trend, of one kernel or of a mixture; sums run in single precision at least."""
    wide = torch.promote_types(x.dtype, torch.float32)
    mix = (None, None) if weight is None or bias is None else (weight.to(wide), bias.to(wide))
    if torch.compiler.is_exporting():
        trend = _plain_trend(x.to(wide), kernel_sizes, dim, *mix)
        remainder = x.to(wide) - trend
    else:
        remainder, trend = _Split.apply(x.to(wide), kernel_sizes, dim, *mix)  # type: ignore[no-untyped-call]
    return remainder.to(x.dtype), trend.to(x.dtype)


class _Split(torch.autograd.Function):
    """Remainder and trend, sample by sample. By hand, the gradient takes few passes, and little is kept for it."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel_sizes: tuple[int, ...], dim: int, weight: Tensor | None, bias: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        ctx.kernel_sizes, ctx.dim = kernel_sizes, dim
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(None if weight is None else x, weight, bias)
        remainder, trend = x.new_empty(x.shape), x.new_empty(x.shape)
        for some in _samples(x, dim):
            trend[some] = _trend(x[some], kernel_sizes, dim, weight, bias)
            torch.sub(x[some], trend[some], out=remainder[some])
        return remainder, trend

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_remainder: Tensor | None, d_trend: Tensor | None) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        given = d_trend if d_remainder is None else d_remainder
        if given is None:
            return None, None, None, None, None
        d_x = given.new_empty(given.shape)
        d_mix = None if weight is None else given.new_zeros(2, len(ctx.kernel_sizes))
        for some in _samples(given, ctx.dim):
            of_trend = _total_of_trend(d_remainder, d_trend, some)
            if d_mix is None:
                of_input = _spread(of_trend, ctx.kernel_sizes[0], ctx.dim)
            else:
                of_input, of_mix = _mixture_gradients(x[some], of_trend, ctx.kernel_sizes, ctx.dim, weight, bias)
                d_mix += of_mix
            d_x[some] = of_input if d_remainder is None else of_input.add_(d_remainder[some])
        return d_x, None, None, *((None, None) if d_mix is None else (d_mix[0, :, None], d_mix[1]))


def _samples(x: Tensor, dim: int) -> list[slice]:
    """Slice the first axis for the cache, unless it is that of time."""
    if dim % x.ndim == 0:
        return [slice(None)]
    return parts(x, x.shape[0], x.shape[1:].numel())


def _total_of_trend(d_remainder: Tensor | None, d_trend: Tensor | None, some: slice) -> Tensor:
    """Return the gradient in the trend with that through the remainder, of which it is subtracted; one is given."""
    if d_trend is None:
        assert d_remainder is not None
        return -d_remainder[some]
    return d_trend[some] if d_remainder is None else d_trend[some] - d_remainder[some]


def _trend(x: Tensor, kernel_sizes: tuple[int, ...], dim: int, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    if weight is None or bias is None:
        return _average(x, kernel_sizes[0], dim)
    shares = _mixing(x, weight, bias)
    for share, kernel_size in zip(shares, kernel_sizes, strict=True):
        share.mul_(_average(x, kernel_size, dim))
    return shares.sum(0)


def _plain_trend(
    x: Tensor, kernel_sizes: tuple[int, ...], dim: int, weight: Tensor | None, bias: Tensor | None
) -> Tensor:
    """Do the same without writing to what is there already, which exporters do not follow."""
    averages = torch.stack([_average(x, kernel_size, dim) for kernel_size in kernel_sizes])
    return averages[0] if weight is None or bias is None else (_mixing(x, weight, bias) * averages).sum(0)


def _mixture_gradients(
    x: Tensor, d_trend: Tensor, kernel_sizes: tuple[int, ...], dim: int, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Float[Tensor, "2 K"]]:
    """Return the gradients of a mixture in its input, and in weight and bias; averages are computed once more."""
    shares = _mixing(x, weight, bias)
    averages = torch.stack([_average(x, kernel_size, dim) for kernel_size in kernel_sizes])
    trend = (shares * averages).sum(0)
    d_shares = shares * d_trend
    d_choices = averages.sub_(trend).mul_(d_shares)
    d_x = torch.tensordot(weight[:, 0], d_choices, dims=1)
    for d_share, kernel_size in zip(d_shares, kernel_sizes, strict=True):
        d_x += _spread(d_share, kernel_size, dim)
    choices = d_choices.flatten(1)
    return d_x, torch.stack([choices @ x.flatten(), choices.sum(1)])


def _mixing(
    x: Float[Tensor, "*shape"], weight: Float[Tensor, "K 1"], bias: Float[Tensor, " K"]
) -> Float[Tensor, "K *shape"]:
    # kernels first: a softmax over a few neighbours in memory takes many times as long
    return torch.stack([x * w + b for w, b in zip(weight, bias, strict=True)]).softmax(0)


def _average(x: Tensor, kernel_size: int, dim: int) -> Tensor:
    """Average ``kernel_size`` neighbours, the ends repeated."""
    front, behind = _margins(kernel_size)
    first, last = x.narrow(dim, 0, 1), x.narrow(dim, -1, 1)
    padded = torch.cat([*[first] * front, x, *[last] * behind], dim)
    return _window_sums(padded, kernel_size, dim) / kernel_size


def _spread(d_trend: Tensor, kernel_size: int, dim: int) -> Tensor:
    """Return the gradient of :func:`_average` in its input."""
    length, (front, behind) = d_trend.shape[dim], _margins(kernel_size)
    shape = list(d_trend.shape)
    shape[dim] = kernel_size - 1
    nothing = d_trend.new_zeros(shape)
    d_padded = _window_sums(torch.cat([nothing, d_trend, nothing], dim), kernel_size, dim) / kernel_size
    d_x = d_padded.narrow(dim, front, length)
    d_x.narrow(dim, 0, 1).add_(d_padded.narrow(dim, 0, front).sum(dim, keepdim=True))
    d_x.narrow(dim, -1, 1).add_(d_padded.narrow(dim, front + length, behind).sum(dim, keepdim=True))
    return d_x


def _margins(kernel_size: int) -> tuple[int, int]:
    """Return how often the first and the last value are repeated."""
    behind = (kernel_size - 1) // 2
    return kernel_size - 1 - behind, behind


def _window_sums(x: Tensor, width: int, dim: int) -> Tensor:
    """Sum each ``width`` neighbours, from sums of half as many: unlike a running sum, no rounding piles up."""
    if width == 1:
        return x
    half = width // 2
    sums = _window_sums(x, half, dim)
    count = x.shape[dim] - width + 1
    total = sums.narrow(dim, 0, count) + sums.narrow(dim, half, count)
    return total + x.narrow(dim, width - 1, count) if width % 2 else total
