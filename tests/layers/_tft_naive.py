"""What the parts of the Temporal Fusion Transformer mean: one variable, one head and one step at a time."""

import torch
import torch.nn.functional as F

from darts_tsformers.attention.naive.full import full_attention

EPSILON = 1e-3


def norm(x, weight, bias):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + EPSILON).sqrt() * weight + bias


def glu(x, layer_weight, layer_bias):
    first, second = (x @ layer_weight.T + layer_bias).chunk(2, dim=-1)
    return first * torch.sigmoid(second)


def gate_add_norm(layer, x, skip):
    return norm(skip + glu(x, layer.gate.weight, layer.gate.bias), layer.norm.weight, layer.norm.bias)


def grn(layer, a, context=None):
    hidden = layer.hidden(a)
    if context is not None:
        hidden = hidden + layer.context(context)[:, None]
    return gate_add_norm(layer.gate, layer.inner(F.elu(hidden)), a if layer.skip is None else layer.skip(a))


def variable_network(layer, j, xi):
    """The network of variable j: layers whose maps are slices of the grouped ones."""

    def linear(grouped, x):
        return x @ grouped.weight[j] + grouped.bias[j]

    eta = linear(layer.inner, F.elu(linear(layer.hidden, xi)))
    gated = glu(eta, layer.gate.weight[j].T, layer.gate.bias[j])
    skip = xi if layer.skip is None else linear(layer.skip, xi)
    return norm(skip + gated, layer.norm_weight[j], layer.norm_bias[j])


def variable_selection(layer, x, embedding, context=None):
    xis = [x[..., j : j + 1] * embedding.slope[j] + embedding.intercept[j] for j in range(x.shape[-1])]
    if len(xis) == 1:
        return variable_network(layer.networks, 0, xis[0]), torch.ones_like(x)
    weights = grn(layer.weighing, torch.cat(xis, dim=-1), context).softmax(-1)
    mixture = sum(weights[..., j : j + 1] * variable_network(layer.networks, j, xi) for j, xi in enumerate(xis))
    return mixture, weights


def interpretable_attention(layer, x):
    """All rows, each head with a map of its own, the heads' maps averaged."""
    d, h = x.shape[-1], layer.n_heads
    w_q, w_k, w_v = layer.project_in.weight.split([d, d, d // h])
    maps = []
    for q, k in zip(w_q.chunk(h), w_k.chunk(h), strict=True):
        _, weights = full_attention((x @ q.T)[:, None], (x @ k.T)[:, None], (x @ w_v.T)[:, None], causal=layer.causal)
        maps.append(weights[:, 0])
    return (sum(maps) / h) @ (x @ w_v.T) @ layer.project_out.weight.T, torch.stack(maps, dim=1)
