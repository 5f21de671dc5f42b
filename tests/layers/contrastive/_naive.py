"""Definitions of what is learnt by contrast, step by step and pair by pair."""

import math

import torch
from torch import Tensor, nn


def convolution(layer: nn.Conv1d, x: Tensor, dilation: int, before: int) -> Tensor:
    """Convolve ``(B, L, N)``: tap ``k`` of the kernel sees the step ``before - k`` dilations before."""
    length = x.shape[1]
    out = layer.bias.expand(len(x), length, -1).clone()
    for k in range(layer.weight.shape[-1]):
        for t in range(length):
            seen = t - (before - k) * dilation
            if 0 <= seen < length:
                out[:, t] += x[:, seen] @ layer.weight[:, :, k].T
    return out


def encoder(module: nn.Module, x: Tensor, causal: bool) -> Tensor:
    z = module.embedding(x)
    for i, block in enumerate(module.blocks):
        around = z if isinstance(block.project, nn.Identity) else convolution(block.project, z, 1, 0)
        for layer in (block.first, block.second):
            z = convolution(layer, nn.functional.gelu(z), 2**i, 2 if causal else 1)
        z = around + z
    scales = [convolution(scale, z, 1, scale.weight.shape[-1] - 1) for scale in module.scales.scales]
    return sum(scales) / len(scales)


def unit(x: Tensor) -> Tensor:
    return x / x.square().sum(-1, keepdim=True).sqrt()


def surprise(similarities: list[Tensor], positive: Tensor) -> Tensor:
    """Return how little a positive is expected among similarities that include its own."""
    return -torch.log(positive.exp() / sum(s.exp() for s in similarities))


def info_nce(x: Tensor, view: Tensor, temperature: float) -> Tensor:
    a, b = (unit(each.max(dim=1).values) for each in (x, view))
    n, out = len(x), 0
    for i in range(n):
        similarities = [a[i] @ b[j] / temperature for j in range(n)]
        out = out + surprise(similarities, similarities[i]) / n
    return out


def local_info_nce(x: Tensor, n_crops: int, start: int) -> Tensor:
    width, losses = x.shape[1] // n_crops, []
    for one in unit(x):
        crops = [one[start + i * width : start + (i + 1) * width].max(dim=0).values for i in range(n_crops)]
        for i, crop in enumerate(crops):
            positive = i + 1 if i + 1 < n_crops else i - 1
            reach = 2 if i in (0, n_crops - 1) else 1
            shown = [j for j in range(n_crops) if abs(i - j) > reach or j == positive]
            losses.append(surprise([crop @ crops[j] for j in shown], crop @ crops[positive]))
    return sum(losses) / len(losses)


def mean_discrepancy(x: Tensor, view: Tensor) -> Tensor:
    a, b = x.max(dim=1).values, view.max(dim=1).values
    points, n = [*a, *b], len(a) + len(b)
    width = sum((p - q).square().sum() for p in points for q in points).detach() / (n * (n - 1)) / 4

    def kernel(p: Tensor, q: Tensor) -> Tensor:
        return sum(torch.exp(-(p - q).square().sum() / (width * 2**i)) for i in range(5))

    def mean(left: Tensor, right: Tensor) -> Tensor:
        return sum(kernel(p, q) for p in left for q in right) / (len(left) * len(right))

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def hard_concrete(log_odds: float, uniform: float, stretch: float, margin: float) -> float:
    e = (2 * margin - 1) * uniform + 1 - margin
    s = 1 / (1 + math.exp(-(math.log(e / (1 - e)) + log_odds)))
    return min(1.0, max(0.0, (1 + stretch) * s - stretch))


def consistency(kept: Tensor, centres: Tensor, others: Tensor) -> Tensor:
    parts = []
    for one, its_centres, its_others in zip(kept, centres.tolist(), others.tolist(), strict=True):
        for s, t in zip(its_centres, its_others, strict=True):
            near = (one[s] - one[s - 1]).abs() + (one[s] - one[s + 1]).abs()
            far = (one[s] - one[t]).abs()
            parts.append(near + (far if abs(s - t) <= 1 else 1 - far))
    return torch.stack(parts).mean()
