"""Masked patches by loops: what is shown of each step, and the guess of each step that is hidden."""

import torch
from torch import Tensor

from darts_tsformers.networks import Network
from darts_tsformers.pretraining import Masked
from darts_tsformers.window import Window


def shown(window: Window, hidden: set[tuple[int, int, int]], stand_in: Tensor | None) -> Tensor:
    """Return what is seen of windows in which steps, by sample, component and step, are hidden."""
    target = window.target.clone()
    n, length, width = target.shape
    for b in range(n):
        for c in range(width):
            known = [
                t
                for t in range(length)
                if (b, c, t) not in hidden and (window.missing is None or not window.missing[b, t, c])
            ]
            for t in range(length):
                if (b, c, t) in hidden:
                    target[b, t, c] = 0.0 if stand_in is None else stand_in[t, c]
                elif t not in known and any(k < t for k in known):
                    before, after = max(k for k in known if k < t), min([k for k in known if k > t], default=None)
                    start = window.target[b, before, c]
                    end = start if after is None else window.target[b, after, c]
                    target[b, t, c] = start + (end - start) * (t - before) / ((after or t + 1) - before)
    return target


def guesses(network: Network, objective: Masked, window: Window, at: Tensor) -> dict[tuple[int, int, int, int], Tensor]:
    """Guess the steps of hidden patches, ``at`` of shape (B, C, K): by sample, component, patch and place in it."""
    n, width, _ = at.shape
    steps = network.token_steps
    hidden = {(b, c, int(t)) for b in range(n) for c in range(width) for i in at[b, c] for t in steps[i]}
    tokens = network.encode(Window(shown(window, hidden, None), static=window.static))
    weight, bias = objective.head.weight, objective.head.bias
    found = {}
    for b in range(n):
        for c in range(width):
            for k, i in enumerate(at[b, c]):
                out = weight @ tokens[b, c, i] + bias
                for place in range(steps.shape[1]):
                    found[b, c, k, place] = out[place]
    return found


def guessed_variates(network: Network, objective: Masked, window: Window, hidden: Tensor) -> Tensor:
    """Guess the steps of all variates where those in ``hidden``, (B, C), are shown by what stands for them."""
    n, length, width = window.target.shape
    steps = {(b, c, t) for b in range(n) for c in range(width) for t in range(length) if hidden[b, c]}
    tokens = network.encode(Window(shown(window, steps, objective.stand_in)))
    return torch.stack([objective.head(tokens[:, c, 0]) for c in range(width)], dim=-1)
