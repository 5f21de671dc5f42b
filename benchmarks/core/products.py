"""The matrix products of a step: written down as they are called, and called again with nothing between them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

aten = torch.ops.aten
PRODUCTS = {
    aten.mm,
    aten.addmm,
    aten.addmm_,
    aten.bmm,
    aten.baddbmm,
    aten.baddbmm_,
    aten.convolution,
    aten.convolution_backward,
}


@dataclass(frozen=True)
class Like:
    """What a tensor is like, whatever it holds."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor) -> "Like":
        return cls(tuple(tensor.shape), tensor.stride(), tensor.dtype)

    def fresh(self) -> Tensor:
        """Return random numbers in the same layout."""
        last = sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        return torch.randn(last + 1, dtype=self.dtype).as_strided(self.shape, self.stride)


@dataclass(frozen=True)
class Product:
    """A call of an operation that multiplies matrices."""

    operation: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the tensors it takes."""
        return [arg.shape for arg in self.args if isinstance(arg, Like)]

    def ready(self) -> Callable[[], object]:
        """Return the call on fresh tensors."""
        args, kwargs = tree_map_only(Like, Like.fresh, (self.args, dict(self.kwargs)))
        return lambda: self.operation(*args, **kwargs)


class Recorder(TorchDispatchMode):
    """Write down the products of all that runs inside, forward and backward.

    What multiplies inside of one kernel, fused attention and the recurrent layer, is written out: the whole products,
    also where the kernel leaves out what a causal mask hides.
    """

    def __init__(self) -> None:
        super().__init__()
        self.products: list[Product] = []

    def __torch_dispatch__(
        self, func: Any, types: Iterable[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func.overloadpacket in PRODUCTS:
            self.products.append(Product(func, *tree_map_only(Tensor, Like.of, (args, dict(kwargs)))))
        elif func.overloadpacket in INSIDE:
            self.products += [
                product(*shapes, dtype=args[0].dtype) for shapes in INSIDE[func.overloadpacket](*args, **kwargs)
            ]
        return func(*args, **kwargs)


def product(*shape: int, dtype: torch.dtype) -> Product:
    """Return ``n`` products of ``(l, m)`` and ``(m, k)`` matrices; the shape is ``(n, l, m, k)``."""
    n, rows, inner, columns = shape
    factors = (torch.empty(n, rows, inner, dtype=dtype), torch.empty(n, inner, columns, dtype=dtype))
    return Product(aten.bmm.default, tuple(map(Like.of, factors)))


def all_of(step: Callable[[], object]) -> list[Product]:
    """Return the products of a step."""
    with Recorder() as recorder:
        step()
    return recorder.products


def floor(products: Iterable[Product]) -> Callable[[], None]:
    """Return what makes these products, and nothing else."""
    calls = [one.ready() for one in products]

    def step() -> None:
        for call in calls:
            call()

    return step


Shapes = list[tuple[int, int, int, int]]


def _attention(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> Shapes:
    """Scores, and what they weigh."""
    n, length, width, size, width_out = _of_attention(q, k, v)
    return [(n, length, width, size), (n, length, size, width_out)]


def _attention_backward(_: Tensor, q: Tensor, k: Tensor, v: Tensor, *__: Any, **___: Any) -> Shapes:
    """Scores once more, and the gradients of values, weights, queries and keys."""
    n, length, width, size, width_out = _of_attention(q, k, v)
    return [
        (n, length, width, size),
        (n, size, length, width_out),
        (n, length, width_out, size),
        (n, length, size, width),
        (n, size, length, width),
    ]


def _of_attention(q: Tensor, k: Tensor, v: Tensor) -> tuple[int, int, int, int, int]:
    return q.shape[:2].numel(), q.shape[-2], q.shape[-1], k.shape[-2], v.shape[-1]


def _lstm(x: Tensor, weight: Tensor, *args: Any, **_: Any) -> Shapes:
    """All inputs at once, and a state at a time."""
    (wide, width_in), state = weight.shape, args[3]
    batch, width = state.shape[-2:]
    steps = x.numel() // (batch * width_in)
    return [(1, steps * batch, width_in, wide), *[(1, batch, width, wide)] * steps]


def _lstm_backward(x: Tensor, weight: Tensor, *args: Any, **_: Any) -> Shapes:
    """The gradients of the inputs, of the states one at a time, and of both weights."""
    (wide, width_in), state = weight.shape, args[3]
    batch, width = state.shape[-2:]
    steps = x.numel() // (batch * width_in)
    to_weights = [(1, wide, steps * batch, width_in), (1, wide, steps * batch, width)]
    return [(1, steps * batch, wide, width_in), *[(1, batch, wide, width)] * steps, *to_weights]


INSIDE: dict[Any, Callable[..., Shapes]] = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.mkldnn_rnn_layer: _lstm,
    aten.mkldnn_rnn_layer_backward: _lstm_backward,
}
"""For kernels that multiply inside, what, as numbers, rows, inner sizes and columns."""
