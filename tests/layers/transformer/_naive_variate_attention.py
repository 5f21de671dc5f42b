"""Attention between tokens of variates, head by head and pair by pair."""

import math

import torch
from torch import Tensor


def turned(x: Tensor, time: int, theta: float) -> Tensor:
    """Turn the neighbours in the first half of a head."""
    out, half = x.clone(), len(x) // 2
    for i in range(half // 2):
        angle = time * theta ** (-2 * i / half)
        a, b = x[2 * i], x[2 * i + 1]
        out[2 * i] = math.cos(angle) * a - math.sin(angle) * b
        out[2 * i + 1] = math.sin(angle) * a + math.cos(angle) * b
    return out


def normed(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    return x / (x.square().mean() + epsilon).sqrt() * weight


def variate_attention(layer, x: Tensor, places) -> Tensor:
    batch, n, d = x.shape
    e, epsilon = d // layer.n_heads, layer.query_norm.eps
    outputs = []
    for b in range(batch):
        time, there = places.time[b].tolist(), places.there[b].tolist()
        variate = places.variate.tolist()
        row = []
        for i in range(n):
            heads = []
            for h in range(layer.n_heads):
                part = slice(h * e, (h + 1) * e)
                q = normed((layer.query.weight @ x[b, i])[part], layer.query_norm.weight, epsilon)
                keys = [j for j in range(n) if time[j] <= time[i] and there[j] == there[i]]
                logits, values = [], []
                for j in keys:
                    k = normed((layer.key.weight @ x[b, j])[part], layer.key_norm.weight, epsilon)
                    product = turned(q, time[i], layer.rope_theta) @ turned(k, time[j], layer.rope_theta)
                    bias = layer.variate_bias[1 if variate[i] == variate[j] else 0, h]
                    logits.append(product / math.sqrt(e) + bias)
                    values.append((layer.value.weight @ x[b, j])[part])
                heads.append(torch.stack(logits).softmax(0) @ torch.stack(values))
            row.append(layer.out.weight @ torch.cat(heads))
        outputs.append(torch.stack(row))
    return torch.stack(outputs)
