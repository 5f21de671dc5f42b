"""The encoder that is the same for all mechanisms."""

import torch
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention

WIDTH, HEADS, LAYERS = 16, 2, 2


class SmallEncoder(nn.Module):
    """A token for each step, with sines of its position; pre-norm layers; a value for each step.

    Positions have a sine and a cosine for every period from twice the length down to 4 steps, halved each time.
    """

    def __init__(self, n_channels: int, length: int, attention: AttentionLike, *, causal: bool) -> None:
        super().__init__()
        waves = 2.0 ** torch.arange(-1, length.bit_length() - 2)
        angles = 2 * torch.pi * torch.arange(length)[:, None] / length * waves
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], dim=1))
        self.embed = nn.Linear(n_channels + self.positions.shape[1], WIDTH)
        self.layers = nn.Sequential(*(Layer(attention, length, causal=causal) for _ in range(LAYERS)))
        self.read = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map windows ``(n, L, C)`` to a value for each step, ``(n, L)``."""
        positions = self.positions.expand(len(x), -1, -1)
        return self.read(self.layers(self.embed(torch.cat([x, positions], dim=2)))).squeeze(2)


class Layer(nn.Module):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))``."""

    def __init__(self, attention: AttentionLike, length: int, *, causal: bool) -> None:
        super().__init__()
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = MultiHeadAttention(WIDTH, HEADS, attention=attention, causal=causal, n_queries=length)
        self.feed_forward = FeedForward(WIDTH, 2 * WIDTH, dropout=0.0, activation="gelu")

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(n, L, D)``."""
        x = x + self.attention(self.attention_norm(x))[0]
        return x + self.feed_forward(self.feed_forward_norm(x))
