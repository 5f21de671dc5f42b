"""Graphs of variables by their definitions, an entry at a time."""

from collections.abc import Sequence

import torch
from torch import Tensor


def evolution(layer: torch.nn.Module, x: Tensor, graph: Tensor) -> Tensor:
    """Mix the variables of each step."""
    n = len(graph)
    rows = [sum(graph[i, k] * layer.weight[k] for k in range(n)) + layer.bias[i] for i in range(n)]
    out = x.new_zeros(*x.shape[:-1], len(layer.scale))
    for i in range(len(layer.scale)):
        own = rows[i // layer.n_graphs]
        for j in range(n):
            cosine = (own * rows[j]).sum() / (own.square().sum().sqrt() * rows[j].square().sum().sqrt())
            out[..., i] += (cosine * layer.scale[i, j] + layer.shift[i, j]) * x[..., j]
    return out


def correlation(series: Sequence[Tensor]) -> Tensor:
    """Correlate variables over the steps at which both are there, each at its own level and spread."""
    n = series[0].shape[1]
    graph = torch.eye(n, dtype=torch.float64)
    for i, j in torch.cartesian_prod(torch.arange(n), torch.arange(n)).tolist():
        products = []
        for x in series:
            a, b = (_standardised(x[:, k].tolist()) for k in (i, j))
            products += [p * q for p, q in zip(a, b, strict=True) if p == p and q == q]
        if i != j and products:
            graph[i, j] = sum(products) / len(products)
    return graph


def co_occurrence(series: Sequence[Tensor]) -> Tensor:
    """Sum up each variable over the steps at which another one is above zero."""
    n = series[0].shape[1]
    graph = torch.zeros(n, n, dtype=torch.float64)
    for x in series:
        for step in x.tolist():
            for i in range(n):
                for j in range(n):
                    if step[i] == step[i] and step[j] > 0:
                        graph[i, j] += step[i]
    own = [max(2 * float(graph[i, i]) - float(graph[i].sum()), 0) for i in range(n)]
    for i in range(n):
        graph[i, i] = own[i]
    return graph


def _standardised(values: list[float]) -> list[float]:
    seen = [value for value in values if value == value]
    if not seen:
        return values
    mean = sum(seen) / len(seen)
    spread = (sum((value - mean) ** 2 for value in seen) / len(seen)) ** 0.5
    return [(value - mean) / spread if spread else 0 * value for value in values]
