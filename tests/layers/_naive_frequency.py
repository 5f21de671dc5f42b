"""What the frequency blocks mean: sums over time and loops over modes, heads and levels, in complex numbers."""

import cmath
import math

import torch
from torch import Tensor


def mode_of(x: Tensor, j: int) -> Tensor:
    """Return one Fourier mode of a signal ``(B, L, ...)``."""
    length = x.shape[1]
    return sum(x[:, t] * cmath.exp(-2j * math.pi * j * t / length) for t in range(length))


def signal_of(modes: dict[int, Tensor], length: int) -> Tensor:
    """Return the real signal ``(B, L, ...)`` with these modes: each with its mirror image, which makes the sum real."""
    spectrum: dict[int, Tensor] = {}
    for j, value in modes.items():
        spectrum[j] = value
        spectrum[(-j) % length] = value.conj() if 2 * j % length else value.real + 0j
    steps = [
        sum(value * cmath.exp(2j * math.pi * j * t / length) for j, value in spectrum.items()) / length
        for t in range(length)
    ]
    signal = torch.stack(steps, dim=1)
    torch.testing.assert_close(signal.imag, torch.zeros_like(signal.imag))
    return signal.real


def complex_tanh(scores: Tensor) -> Tensor:
    return scores.sinh() / scores.cosh()


def activate(scores: Tensor, activation: str) -> Tensor:
    if activation == "tanh":
        return torch.complex(scores.real.tanh(), scores.imag.tanh())
    return scores.abs().softmax(-1) + 0j if activation == "softmax" else complex_tanh(scores)


def fourier_block(q: Tensor, modes: list[int], real: Tensor, imag: Tensor, *, faithful: bool = False) -> Tensor:
    """FEB-f, head by head and mode by mode."""
    heads = []
    for h in range(q.shape[1]):
        weighted = {}
        for m, j in enumerate(modes):
            weighted[m if faithful else j] = mode_of(q[:, h], j) @ (real + 1j * imag)[h, m]
        heads.append(signal_of(weighted, q.shape[2]))
    return authors_layout(torch.stack(heads, 1)) if faithful else torch.stack(heads, 1)


def attend(q: list[Tensor], k: list[Tensor], v: list[Tensor], activation: str, divisor: float = 1.0) -> list[Tensor]:
    """Attend from each mode ``(B, e)`` of the queries to all modes of the keys."""
    out = []
    for query in q:
        scores = torch.stack([(query * key).sum(-1) for key in k], dim=-1) / divisor
        weights = activate(scores, activation)
        out.append(sum(weights[:, n, None] * value for n, value in enumerate(v)))
    return out


def fourier_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    modes: list[int],
    memory_modes: list[int],
    real: Tensor,
    imag: Tensor,
    *,
    activation: str,
    faithful: bool = False,
    scaled: bool = True,
) -> Tensor:
    """FEA-f, head by head."""
    values = k if faithful else v
    divisor = math.sqrt(q.shape[-1] * q.shape[2] * k.shape[2] / 2) if scaled else 1.0
    heads = []
    for h in range(q.shape[1]):
        queries = [mode_of(q[:, h], j) for j in modes]
        attended = attend(
            queries,
            [mode_of(k[:, h], j) for j in memory_modes],
            [mode_of(values[:, h], j) for j in memory_modes],
            activation,
            divisor,
        )
        weighted = {j: y @ (real + 1j * imag)[h, m] for m, (j, y) in enumerate(zip(modes, attended, strict=True))}
        heads.append(signal_of(weighted, q.shape[2]))
    out = torch.stack(heads, 1)
    return authors_layout(out / (q.shape[1] * q.shape[3]) ** 2) if faithful else out


def authors_layout(out: Tensor) -> Tensor:
    """Read the numbers of (B, h, e, L) in memory as (B, L, h, e)."""
    b, h, n, e = out.shape
    numbers = [out[i, head, t, c] for i in range(b) for head in range(h) for c in range(e) for t in range(n)]
    return torch.stack(numbers).reshape(b, n, h, e).transpose(1, 2)


def split(x: Tensor, filters: Tensor) -> tuple[Tensor, Tensor]:
    """Halve a signal ``(B, n, c, k)``, pair by pair."""
    k = x.shape[-1]
    smooth, detail = [], []
    for even, odd in zip(x[:, ::2].unbind(1), x[:, 1::2].unbind(1), strict=True):
        smooth.append(even @ filters[:k, :k].T + odd @ filters[:k, k:].T)
        detail.append(even @ filters[k:, :k].T + odd @ filters[k:, k:].T)
    return torch.stack(smooth, 1), torch.stack(detail, 1)


def merge(smooth: Tensor, detail: Tensor, filters: Tensor) -> Tensor:
    k = smooth.shape[-1]
    steps = []
    for s, d in zip(smooth.unbind(1), detail.unbind(1), strict=True):
        steps.append(s @ filters[:k, :k] + d @ filters[k:, :k])
        steps.append(s @ filters[:k, k:] + d @ filters[k:, k:])
    return torch.stack(steps, 1)


def spectral_operator(x: Tensor, real: Tensor, imag: Tensor) -> Tensor:
    """Weight the lowest modes of all features together."""
    flat = x.flatten(2)
    length = x.shape[1]
    kept = range(min(real.shape[1], length // 2 + 1))
    weighted = {j: mode_of(flat, j) @ (real + 1j * imag)[0, j] for j in kept}
    return signal_of(weighted, length).reshape(x.shape)


def spectral_attention(
    q: Tensor, k: Tensor, v: Tensor, n_modes: int, activation: str, *, scaled: bool = True
) -> Tensor:
    length = q.shape[1]
    divisor = length * math.sqrt(q.shape[3] / 2) if scaled else 1.0
    kept = range(min(n_modes, length // 2 + 1))
    channels = []
    for c in range(q.shape[2]):
        attended = attend(*([mode_of(t[:, :, c], j) for j in kept] for t in (q, k, v)), activation, divisor)
        channels.append(signal_of(dict(zip(kept, attended, strict=True)), length))
    return torch.stack(channels, 2)


def n_halvings(length: int, n_coarse_levels: int) -> int:
    return max(0, math.floor(math.log2(length)) - n_coarse_levels)


def to_power_of_two(x: Tensor) -> Tensor:
    """Append the first steps of a series until its length is a power of two."""
    steps = list(x.unbind(1))
    first = iter(steps[:])
    while math.log2(len(steps)) % 1:
        steps.append(next(first))
    return torch.stack(steps, 1)


def multiwavelet_block(x: Tensor, block, filters: Tensor, n_coarse_levels: int) -> Tensor:
    """FEB-w, from the tokens ``(B, L, D)`` to tokens, level after level by recursion."""
    (project,) = block.project_in

    def operate(part: str, signal: Tensor) -> Tensor:
        weights = getattr(block, part)
        return spectral_operator(signal, weights.real, weights.imag)

    def work(s: Tensor, levels: int) -> Tensor:
        if levels == 0:
            return block.coarsest(s)
        smooth, detail = split(s, filters)
        below = work(smooth, levels - 1)
        to_detail = operate("detail_from_detail", detail) + operate("detail_from_smooth", smooth)
        return merge(below + operate("smooth_from_detail", detail), to_detail, filters)

    k = filters.shape[0] // 2
    features = to_power_of_two(project(x).unflatten(-1, (-1, k)))
    out = work(features, n_halvings(x.shape[1], n_coarse_levels))
    return block.project_out(out[:, : x.shape[1]].flatten(2))


def multiwavelet_attention(q: Tensor, k: Tensor, v: Tensor, block, filters: Tensor, n_coarse_levels: int) -> Tensor:
    """FEA-w on tokens; keys and values as long as the queries."""

    def level(signals: list[Tensor]) -> Tensor:
        return spectral_attention(*signals, block.n_modes, block.activation, scaled=block.scale_scores)

    def work(signals: list[Tensor], levels: int) -> Tensor:
        if levels == 0:
            return level(signals)
        parts = [split(s, filters) for s in signals]
        smooth, detail = [s for s, _ in parts], [d for _, d in parts]
        return merge(work(smooth, levels - 1) + level(detail), level(detail) + level(smooth), filters)

    order = filters.shape[0] // 2
    signals = [
        to_power_of_two(project(x).unflatten(-1, (-1, order)))
        for project, x in zip(block.project_in, (q, k, v), strict=True)
    ]
    out = work(signals, n_halvings(q.shape[1], n_coarse_levels))
    return block.project_out(out[:, : q.shape[1]].flatten(2))
