"""The work of prefix attention: sums over prefixes in blocks, forward and backward."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.cache import parts
from darts_tsformers.execution.tracing import is_traced

BLOCK = 16  # steps compared with each other at once; the blocks are scanned
STEPS = 1024  # of a long sequence that are worked on at once on a processor


def prefix_averages(s: Float[Tensor, "R N"], v: Float[Tensor, "R N e"]) -> Float[Tensor, "R N e"]:
    """Return the softmax average of the values over each prefix; zeros where every score is minus infinity."""
    with without_autocast(s):
        out: Tensor = _averages(s, v) if is_traced() else _PrefixAverages.apply(s, v)  # type: ignore[no-untyped-call]
    return out


def finite(highest: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return a level that can be subtracted: minus infinity less itself is no number."""
    return highest.clamp(min=torch.finfo(highest.dtype).min)


def _averages(s: Tensor, v: Tensor) -> Tensor:
    """Do it in operations that can be written down; the sum of exponentials of a prefix is 0 or at least 1."""
    sums = _scan(s, finite(_highest_so_far(s.detach())), F.pad(v, (0, 1), value=1.0))
    return sums[..., :-1] / sums[..., -1:].clamp(min=1)


def _highest_so_far(s: Float[Tensor, "R N"]) -> Float[Tensor, "R N"]:
    """Return the running maximum by doubling: ONNX has no operation for it."""
    reach = 1
    while reach < s.shape[1]:
        s = torch.maximum(s, F.pad(s[:, :-reach], (reach, 0), value=-math.inf))
        reach *= 2
    return s


class _PrefixAverages(torch.autograd.Function):
    """What a cache holds is worked on at once: some rows, and some steps that carry their sums over to the next."""

    @staticmethod
    def forward(ctx: Any, s: Float[Tensor, "R N"], v: Float[Tensor, "R N e"]) -> Float[Tensor, "R N e"]:
        m = finite(s.cummax(1).values)
        out, u = torch.empty_like(v), torch.empty_like(s)
        for rows in _rows(v):
            carried = v.new_zeros(1, v.shape[-1] + 1)
            for steps in _steps(v):
                s_, v_, m_ = (t[rows, steps] for t in (s, v, m))
                sums = _scan(s_, m_, F.pad(v_, (0, 1), value=1.0))
                sums.addcmul_((_before(m[rows], steps) - m_).exp()[..., None], carried[:, None])
                carried = sums[:, -1]
                u[rows, steps] = sums[..., -1].clamp(min=1)
                torch.div(sums[..., :-1], u[rows, steps, None], out=out[rows, steps])
        ctx.save_for_backward(s, v, out, m, u)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, to_out: Float[Tensor, "R N e"]) -> tuple[Tensor, Tensor]:
        s, v, out, m, u = ctx.saved_tensors
        to_s, to_v = torch.empty_like(s), torch.empty_like(v)
        for rows in _rows(v):
            carried = v.new_zeros(1, v.shape[-1] + 1)
            for steps in reversed(_steps(v)):
                s_, v_, m_, out_, to_out_ = (t[rows, steps] for t in (s, v, m, out, to_out))
                y = torch.cat([to_out_, (to_out_ * out_).sum(-1, keepdim=True)], dim=-1) / u[rows, steps, None]
                before, end = _before(m[rows], steps), m_[:, -1:]
                sums = _scan_back(s_, m_, y).addcmul_((s_ - end).exp()[..., None], carried[:, None])
                carried = ((before - m_).exp()[:, None] @ y)[:, 0] + (before - end).exp() * carried
                to_v[rows, steps] = sums[..., :-1]
                torch.sub((v_ * sums[..., :-1]).sum(-1), sums[..., -1], out=to_s[rows, steps])
        return to_s, to_v


def _rows(v: Tensor) -> list[slice]:
    return parts(v, v.shape[0], min(v.shape[1], STEPS) * (v.shape[2] + BLOCK))


def _steps(v: Tensor) -> list[slice]:
    step = STEPS if v.device.type == "cpu" else v.shape[1]
    return [slice(start, start + step) for start in range(0, v.shape[1], step)]


def _before(m: Tensor, steps: slice) -> Tensor:
    """Return the highest score before some steps, a number that any sum of no steps may be multiplied with."""
    return m[:, steps.start - 1 : steps.start] if steps.start else m[:, :1]


def _scan(s: Float[Tensor, "R N"], m: Float[Tensor, "R N"], x: Float[Tensor, "R N e"]) -> Float[Tensor, "R N e"]:
    """Sum ``exp(s_j - m_t) x_j`` over ``j <= t``, where ``m`` never falls and is never below ``s``."""
    length = s.shape[1]
    if length <= BLOCK:
        return _pairs(s, m) @ x
    s, m, x = _blocks(s, m, x)
    out = _pairs(s, m) @ x
    end = m[..., -1]
    carried = F.pad(_scan(end, end, out[:, :, -1])[:, :-1], (0, 0, 1, 0))
    out = torch.addcmul(out, _fading(m)[..., None], carried[:, :, None])
    return out.flatten(1, 2)[:, :length]


def _scan_back(s: Float[Tensor, "R N"], m: Float[Tensor, "R N"], y: Float[Tensor, "R N e"]) -> Float[Tensor, "R N e"]:
    """Sum ``exp(s_j - m_t) y_t`` over ``t >= j``: the transpose of :func:`_scan`."""
    length = s.shape[1]
    if length <= BLOCK:
        return _pairs(s, m).mT @ y
    s, m, y = _blocks(s, m, y)
    end = m[..., -1]
    reaching = (_fading(m)[:, :, None] @ y).squeeze(2)  # what the end of the block before is asked for
    carried = _scan_back(end, end, F.pad(reaching[:, 1:], (0, 0, 0, 1)))
    out = torch.addcmul(_pairs(s, m).mT @ y, (s - end[..., None]).exp()[..., None], carried[:, :, None])
    return out.flatten(1, 2)[:, :length]


def _blocks(s: Tensor, m: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    padding = -s.shape[1] % BLOCK
    if padding:
        s, m = (F.pad(t, (0, padding), mode="replicate") for t in (s, m))
        x = F.pad(x, (0, 0, 0, padding))
    rows, steps = s.shape
    s, m = (t.view(rows, -1, BLOCK) for t in (s, m))
    return s, m, x.reshape(rows, steps // BLOCK, BLOCK, -1)


def _pairs(s: Float[Tensor, "*R K"], m: Float[Tensor, "*R K"]) -> Float[Tensor, "*R K K"]:
    """Return ``exp(s_j - m_t)`` for ``j <= t``, a row for each ``t``."""
    future = torch.ones(s.shape[-1], s.shape[-1], dtype=torch.bool, device=s.device).triu(1)
    return (s[..., None, :] - m[..., None]).masked_fill_(future, -math.inf).exp_()


def _fading(m: Float[Tensor, "R blocks K"]) -> Float[Tensor, "R blocks K"]:
    """Return what is left at each step of a sum at the end of the block before."""
    before = F.pad(m[:, :-1, -1], (1, 0), value=-math.inf)  # of the first block: nothing
    return (before[..., None] - m).exp()
