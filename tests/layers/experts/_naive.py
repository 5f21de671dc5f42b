"""Mixtures of experts, token by token."""

import torch
from torch import Tensor


def gated(part, x: Tensor) -> Tensor:
    gate, up, down = part.gate.weight, part.up.weight, part.down.weight
    return down @ (part.activation(gate @ x) * (up @ x))


def dispatch(x: Tensor, experts, chosen: Tensor, weights: Tensor) -> Tensor:
    out = []
    for token, own, shares in zip(x, chosen.tolist(), weights, strict=True):
        out.append(sum(share * experts[i](token) for i, share in zip(own, shares, strict=True)))
    return torch.stack(out)


def sparse_feed_forward(layer, x: Tensor) -> Tensor:
    out = []
    for token in x.flatten(0, 1):
        scores = [(row @ token).exp() for row in layer.router.weight]
        probabilities = [score / sum(scores) for score in scores]
        order = sorted(range(len(scores)), key=lambda i: -probabilities[i].item())
        best = order[: layer.n_experts_per_token]
        mixed = sum(probabilities[i] * gated(layer.experts[i], token) for i in best)
        share = 1 / (1 + (-layer.shared_gate.weight[0] @ token).exp())
        out.append(mixed + share * gated(layer.shared, token))
    return torch.stack(out).view_as(x)


def load_balance(logits, n_chosen: int) -> Tensor:
    tokens = [token for layer in logits for token in layer]
    n_experts = len(tokens[0])
    load, probability = [0.0] * n_experts, [0.0] * n_experts
    for token in tokens:
        p = token.exp() / token.exp().sum()
        for i in sorted(range(n_experts), key=lambda i: -p[i].item())[:n_chosen]:
            load[i] += 1 / len(tokens)
        for i in range(n_experts):
            probability[i] = probability[i] + p[i] / len(tokens)
    return n_experts * sum(f * p for f, p in zip(load, probability, strict=True))
