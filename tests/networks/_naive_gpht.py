"""GPHT by definition: a window of one component at a time, patch by patch, every score by itself."""

import math

import torch
from torch import Tensor

from darts_tsformers.networks import GPHT


def forecast_patches(model: GPHT, window: list[float]) -> list[list[float]]:
    """Forecast the next patch from each patch of a window, the last of ``patch_length`` steps; the first may lack some.

    What the first patch lacks is at the level of the window.
    """
    p = model.patch_length
    mean = sum(window) / len(window)
    spread = math.sqrt(sum((value - mean) ** 2 for value in window) / len(window) + 1e-5)
    left = [0.0] * (-len(window) % p) + [(value - mean) / spread for value in window]
    total = [0.0] * len(left)
    for stage in model.hierarchy.stages:
        patches = [left[i : i + p] for i in range(0, len(left), p)]
        said = stage_forecasts(stage, patches)
        for i, patch in enumerate(said):
            for j, value in enumerate(patch):
                total[i * p + j] += value
                if i + 1 < len(said):
                    left[(i + 1) * p + j] -= value
    return [[value * spread + mean for value in total[i : i + p]] for i in range(0, len(total), p)]


def stage_forecasts(stage, patches: list[list[float]]) -> list[list[float]]:
    """Forecast by one stage: pooled patches with positions, layers, a norm, a linear map."""
    tokens = []
    for at, patch in enumerate(patches):
        pooled = [max(patch[i : i + stage.pool_size]) for i in range(0, len(patch), stage.pool_size)]
        token = stage.embedding.weight @ tensor(pooled)
        d = len(token)
        angles = [at / 10000 ** (2 * (i // 2) / d) for i in range(d)]
        tokens.append(token + tensor([math.cos(a) if i % 2 else math.sin(a) for i, a in enumerate(angles)]))
    for layer in stage.layers:
        tokens = layer_outputs(layer, tokens)
    return [stage.head(stage.norm(token)).tolist() for token in tokens]


def layer_outputs(layer, tokens: list[Tensor]) -> list[Tensor]:
    """Attend from each token to those up to it, head by head, and map each."""
    attention, outputs = layer.attention, []
    projected = [attention.project_in(token).chunk(3) for token in tokens]
    for i, token in enumerate(tokens):
        heads = []
        for h in range(attention.n_heads):
            q, k, v = ([one[part].chunk(attention.n_heads)[h] for one in projected] for part in range(3))
            scores = torch.stack([q[i] @ k[j] / math.sqrt(len(q[i])) for j in range(i + 1)]).softmax(0)
            heads.append(sum(scores[j] * v[j] for j in range(i + 1)))
        attended = layer.attention_norm(token + attention.project_out(torch.cat(heads)))
        widen, activation, _, narrow, _ = layer.feed_forward
        outputs.append(layer.feed_forward_norm(attended + narrow(activation(widen(attended)))))
    return outputs


def tensor(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
