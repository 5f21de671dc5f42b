"""Attention to near steps and to those at a stride, in one softmax."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.execution.cache import parts
from darts_tsformers.execution.tracing import is_traced


def attend_strided(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    stride: int,
    *,
    causal: bool,
) -> Float[Tensor, "B h L f"]:
    """Attend to the keys less than a stride away and to those whole strides away.

    Time is laid out as ``n`` blocks of a stride ``l``: near keys are in the block of a row and in those beside it, far
    ones in its column. A few heads are worked on at a time, and no scores are kept for the backward pass.
    """
    length = q.shape[-2]
    n = -(-length // stride)
    sides = (1, 0) if causal else (1, 1)
    wide = torch.promote_types(q.dtype, torch.float32)
    blocks = [
        rearrange(F.pad(t.to(wide), (0, 0, 0, n * stride - length)), "B h (n l) w -> (B h) n l w", n=n)
        for t in (q / math.sqrt(q.shape[-1]), k, v)
    ]
    off = [
        torch.zeros(hidden.shape, dtype=wide, device=q.device).masked_fill(hidden, -math.inf)
        for hidden in _hidden(length, n, stride, sides, causal=causal, device=q.device)
    ]
    out: Tensor = _attend(*blocks, *off)[0] if is_traced() else _Strided.apply(*blocks, *off)  # type: ignore[no-untyped-call]
    return rearrange(out, "(B h) n l w -> B h (n l) w", h=q.shape[1])[..., :length, :].to(v.dtype)


def _attend(
    q: Float[Tensor, "G n l e"],
    k: Float[Tensor, "G n l e"],
    v: Float[Tensor, "G n l f"],
    off_near: Float[Tensor, "n l s"],
    off_far: Float[Tensor, "l n n"],
) -> tuple[Float[Tensor, "G n l f"], Float[Tensor, "G n l 1"]]:
    """Return the output and the logarithm of the sum of exponentials of each row."""
    near, far = _scores(q, k, off_near, off_far)
    highest = torch.maximum(near.amax(-1), far.amax(-1).mT).detach()[..., None]
    near.sub_(highest).exp_()
    far.sub_(_columns(highest)).exp_()
    total = near.sum(-1, keepdim=True) + _columns(far.sum(-1, keepdim=True))
    out = (near @ _around(v, off_near) + _columns(far @ _columns(v))) / total
    return out, highest + total.log()


class _Strided(torch.autograd.Function):
    """The same, part by part; the backward pass computes the scores anew."""

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Float[Tensor, "G n l f"]:
        q, k, v, off_near, off_far = given
        ctx.parts = parts(q, len(q), off_near.numel() + off_far.numel())
        found = [_attend(q[some], k[some], v[some], off_near, off_far) for some in ctx.parts]
        out, logarithms = (torch.cat(each) for each in zip(*found, strict=True))
        ctx.save_for_backward(*given, out, logarithms)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Float[Tensor, "G n l f"]) -> tuple[Tensor | None, ...]:
        q, k, v, off_near, off_far, out, logarithms = ctx.saved_tensors
        mean = (d_out * out).sum(-1, keepdim=True)
        found = [
            _gradients(q[at], k[at], v[at], d_out[at], mean[at], logarithms[at], off_near, off_far) for at in ctx.parts
        ]
        return *(torch.cat(each) for each in zip(*found, strict=True)), None, None


def _gradients(
    q: Float[Tensor, "G n l e"],
    k: Float[Tensor, "G n l e"],
    v: Float[Tensor, "G n l f"],
    d_out: Float[Tensor, "G n l f"],
    mean: Float[Tensor, "G n l 1"],
    logarithms: Float[Tensor, "G n l 1"],
    off_near: Float[Tensor, "n l s"],
    off_far: Float[Tensor, "l n n"],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of queries, keys and values."""
    near, far = _scores(q, k, off_near, off_far)
    near.sub_(logarithms).exp_()  # the weights
    far.sub_(_columns(logarithms)).exp_()
    d_v = _gathered(near.mT @ d_out, v) + _columns(far.mT @ _columns(d_out))
    near.mul_((d_out @ _around(v, off_near).mT).sub_(mean))  # the gradients of the scores
    far.mul_((_columns(d_out) @ _columns(v).mT).sub_(_columns(mean)))
    d_q = near @ _around(k, off_near) + _columns(far @ _columns(k))
    d_k = _gathered(near.mT @ q, k) + _columns(far.mT @ _columns(q))
    return d_q, d_k, d_v


def _scores(
    q: Float[Tensor, "G n l e"],
    k: Float[Tensor, "G n l e"],
    off_near: Float[Tensor, "n l s"],
    off_far: Float[Tensor, "l n n"],
) -> tuple[Float[Tensor, "G n l s"], Float[Tensor, "G l n n"]]:
    return (q @ _around(k, off_near).mT).add_(off_near), (_columns(q) @ _columns(k).mT).add_(off_far)


def _columns(x: Float[Tensor, "G n l w"]) -> Float[Tensor, "G l n w"]:
    """Take columns for blocks, or blocks for columns."""
    return x.transpose(1, 2)


def _around(x: Float[Tensor, "G n l w"], off_near: Float[Tensor, "n l s"]) -> Float[Tensor, "G n s w"]:
    """Lay the block before, and the one after if it is seen, beside each."""
    after = off_near.shape[-1] // x.shape[2] - 2
    padded = F.pad(x, (0, 0, 0, 0, 1, after))
    return torch.cat([padded[:, i : i + x.shape[1]] for i in range(2 + after)], dim=2)


def _gathered(d_around: Float[Tensor, "G n s w"], x: Float[Tensor, "G n l w"]) -> Float[Tensor, "G n l w"]:
    """Add up what the copies of each block have got: :func:`_around` the other way."""
    groups, n, size, width = x.shape
    copies = d_around.shape[2] // size
    padded = d_around.new_zeros(groups, n + copies - 1, size, width)
    for i in range(copies):
        padded[:, i : i + n] += d_around[:, :, i * size : (i + 1) * size]
    return padded[:, 1 : n + 1]


def _hidden(
    length: int, n: int, stride: int, sides: tuple[int, int], *, causal: bool, device: torch.device
) -> tuple[Bool[Tensor, "n l s"], Bool[Tensor, "l n n"]]:
    """Return what is not seen of the near keys, and of the far ones, of which the row itself is not one."""
    rows = torch.arange(n * stride, device=device).view(n, stride)
    near = torch.cat([rows + i * stride for i in range(-sides[0], sides[1] + 1)], dim=-1)[:, None]
    row = rows[..., None]
    seen = ((near - row).abs() < stride) & (near >= 0) & (near < length) | (row >= length)
    columns = rows.mT
    row_of, key = columns[..., None], columns[:, None]
    far = (key != row_of) & (key < length)
    if causal:
        seen, far = seen & ((near <= row) | (row >= length)), far & (key < row_of)
    return ~seen, ~far
