"""The feed-forward part of a transformer layer."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from darts_tsformers.checks import require_one_of
from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.layers.dropout import Dropout, draw_dropped
from darts_tsformers.layers.transformer.primer import SquaredReLU

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU,
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "squared_relu": SquaredReLU,
}
CHUNK = 2**19  # inner features of a chunk: a processor's cache holds some times as many


def build_activation(activation: str) -> nn.Module:
    """Build the activation called ``activation``."""
    require_one_of(ACTIVATIONS, activation=activation)
    return ACTIVATIONS[activation]()


class FeedForward(nn.Sequential):
    """Two linear maps with an activation between, token by token.

    On a processor, many tokens are taken in chunks that its cache holds, from one end to the other. Of the inner
    features only those before the activation are kept for the backward pass, and none where there will be none.
    """

    def __init__(self, d_model: int, d_ff: int, *, dropout: float, activation: str, bias: bool = True) -> None:
        super().__init__(
            nn.Linear(d_model, d_ff, bias=bias),
            build_activation(activation),
            Dropout(dropout),
            nn.Linear(d_ff, d_model, bias=bias),
            Dropout(dropout),
        )

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*B D"]:
        """Map each token."""
        widen, activation, dropout, narrow, last = self
        if not self._pays_in_chunks(x):
            return super().forward(x)  # type: ignore[no-untyped-call]
        weights = widen.weight, widen.bias, narrow.weight, narrow.bias
        out = _InChunks.apply(  # type: ignore[no-untyped-call]
            x.flatten(0, -2), *weights, activation, dropout.rate, torch.is_grad_enabled()
        )
        tokens: Tensor = last(out.view(x.shape))
        return tokens

    def _pays_in_chunks(self, x: Tensor) -> bool:
        """Whether there are many tokens, on a processor, in full precision, and all that acts on them is known.

        Autocast casts operation by operation, compilers and exporters replace operations: they need to see each.
        """
        widen, activation, dropout, narrow, _ = self
        return (
            not is_traced()
            and type(widen) is nn.Linear
            and type(narrow) is nn.Linear
            and type(activation) in ACTIVATIONS.values()
            and isinstance(dropout, Dropout)
            and not any(map(_has_hooks, (widen, activation, dropout, narrow)))
            and dropout.rate < 1
            and x.shape[:-1].numel() * widen.out_features > CHUNK
            and x.device.type == "cpu"
            and x.dtype in (torch.float32, torch.float64)
            and not torch.is_autocast_enabled("cpu")
        )


def _has_hooks(module: nn.Module) -> bool:
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks)


class _InChunks(torch.autograd.Function):
    """Widen, activate, drop and narrow tokens, a chunk at a time."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        widen: Tensor,
        widen_bias: Tensor | None,
        narrow: Tensor,
        narrow_bias: Tensor | None,
        activation: Callable[[Tensor], Tensor],
        rate: float,
        keep: bool,
    ) -> Tensor:
        n_tokens, step = x.shape[0], _chunk_length(widen)
        wide, out = x.new_empty(n_tokens if keep else step, widen.shape[0]), x.new_empty(x.shape)
        scaled, dropped = narrow / (1 - rate) if rate else narrow, []
        for chunk in _chunks(n_tokens, step):
            tokens = x[chunk]
            inner = activation(_map(tokens, widen, widen_bias, out=wide[chunk] if keep else wide[: len(tokens)]))
            positions = draw_dropped(inner.numel(), rate) if rate else None
            _map(_zeroed_(inner, positions), scaled, narrow_bias, out=out[chunk])
            dropped.append(positions)
        if keep:
            ctx.save_for_backward(x, wide, widen, scaled, *dropped)
        ctx.activation, ctx.rate, ctx.has_bias = activation, rate, widen_bias is not None
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, wide, widen, scaled, *dropped = ctx.saved_tensors
        to_x, to_widen, to_narrow = x.new_empty(x.shape), torch.zeros_like(widen), torch.zeros_like(scaled)
        to_widen_bias = wide.new_zeros(wide.shape[1])
        for chunk, positions in zip(_chunks(len(x), _chunk_length(widen)), dropped, strict=True):
            before = wide[chunk].detach().requires_grad_()
            with torch.enable_grad():
                inner = ctx.activation(before)
            to_inner = _zeroed_(gradient[chunk] @ scaled, positions)
            (to_wide,) = torch.autograd.grad(inner, before, to_inner)
            to_narrow.addmm_(gradient[chunk].T, _zeroed_(inner.detach(), positions))
            to_widen.addmm_(to_wide.T, x[chunk])
            to_widen_bias += to_wide.sum(0)
            torch.mm(to_wide, widen, out=to_x[chunk])
        to_biases = (to_widen_bias, gradient.sum(0)) if ctx.has_bias else (None, None)
        return to_x, to_widen, to_biases[0], to_narrow / (1 - ctx.rate), to_biases[1], None, None, None


def _chunk_length(widen: Tensor) -> int:
    return max(1, CHUNK // widen.shape[0])


def _chunks(n_tokens: int, step: int) -> Iterator[slice]:
    return (slice(start, start + step) for start in range(0, n_tokens, step))


def _map(x: Tensor, weight: Tensor, bias: Tensor | None, *, out: Tensor) -> Tensor:
    return torch.mm(x, weight.T, out=out) if bias is None else torch.addmm(bias, x, weight.T, out=out)


def _zeroed_(x: Tensor, positions: Tensor | None) -> Tensor:
    if positions is not None:
        x.view(-1).index_fill_(0, positions, 0)
    return x
