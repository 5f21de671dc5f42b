"""The mixers and heads by their definitions, an entry at a time."""

import torch
from torch import Tensor

from darts_tsformers.layers.mixing.gate import SoftmaxGate


def mlp(part: torch.nn.Module, x: Tensor) -> Tensor:
    """Map a vector."""
    inner = part[0].weight @ x + part[0].bias
    return part[3].weight @ (inner * (1 + torch.erf(inner / 2**0.5)) / 2) + part[3].bias


def gate(part: torch.nn.Module, x: Tensor) -> Tensor:
    """Weigh a vector."""
    if not isinstance(part, SoftmaxGate):
        return x
    scores = (part.map.weight @ x + part.map.bias).exp()
    return x * scores / scores.sum()


def feature_mixer(mixer: torch.nn.Module, x: Tensor) -> Tensor:
    """Mix the features of each token."""
    normed, out = mixer.norm(x), x.clone()
    for b, c, n in _places(x, 0, 1, 2):
        out[b, c, n] += gate(mixer.gate, mlp(mixer.mlp, normed[b, c, n]))
    return out


def patch_mixer(mixer: torch.nn.Module, x: Tensor) -> Tensor:
    """Mix the patches of each feature of each channel."""
    normed, mixed = mixer.norm(x), torch.zeros_like(x)
    for b, c, d in _places(x, 0, 1, 3):
        mixed[b, c, :, d] += gate(mixer.gate, mlp(mixer.mlp, normed[b, c, :, d]))
    if mixer.attention is not None:
        attended = torch.stack([mixer.attention(channel)[0] for channel in normed.unbind(1)], dim=1)
        mixed = mixer.attention_norm(mixed + attended)
    return x + mixed


def channel_mixer(mixer: torch.nn.Module, x: Tensor) -> Tensor:
    """Mix the channels of each feature of each patch; the gate comes first."""
    normed, out = mixer.norm(x), x.clone()
    for b, n, d in _places(x, 0, 2, 3):
        out[b, :, n, d] += mlp(mixer.mlp, gate(mixer.gate, normed[b, :, n, d]))
    return out


def cross_channel(head: torch.nn.Module, y: Tensor, known: Tensor | None = None) -> Tensor:
    """Correct each parameter of each step by the window around it, channel by channel."""
    batch, length, _, n_parameters = y.shape
    out = y.clone()
    for b in range(batch):
        for q in range(n_parameters):
            seen = y[b, :, :, q] if known is None else torch.cat([y[b, :, :, q], known[b]], dim=-1)
            for t in range(length):
                around = [
                    channel[t + j] if 0 <= t + j < length else torch.zeros((), dtype=y.dtype)
                    for channel in seen.T
                    for j in range(-head.context, head.context + 1)
                ]
                out[b, t, :, q] += head.weight[q].T @ gate(head.gate, torch.stack(around)) + head.bias[q, 0]
    return out


def hierarchy(head: torch.nn.Module, y: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Correct each patch by its steps and its mean, parameter by parameter."""
    batch, n_channels, _, n_parameters = y.shape
    p, out, means = head.patch_length, torch.zeros_like(y), []
    for b in range(batch):
        for c in range(n_channels):
            mean = (head.aggregate.weight @ tokens[b, c].flatten() + head.aggregate.bias).view(-1, n_parameters)
            means.append(mean)
            for j in range(len(mean)):
                steps = slice(j * p, (j + 1) * p)
                for q in range(n_parameters):
                    own = y[b, c, steps, q]
                    beyond = torch.zeros(p - len(own), dtype=y.dtype)
                    seen = torch.cat([own, beyond, mean[j : j + 1, q]])
                    out[b, c, steps, q] = own + (head.weight[q].T @ seen + head.bias[q, 0])[: len(own)]
    return out, torch.stack(means).view(batch, n_channels, -1, n_parameters)


def _places(x: Tensor, *axes: int) -> Tensor:
    return torch.cartesian_prod(*(torch.arange(x.shape[axis]) for axis in axes))
