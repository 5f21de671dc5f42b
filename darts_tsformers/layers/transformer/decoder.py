"""The post-norm transformer decoder."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention


class DecoderLayer(nn.Module):
    """Causal self-attention, attention to the memory, and a feed-forward part, each added and normalised.

    ``n_tokens`` and ``n_memory`` are the most tokens it will see; for a mechanism that has parameters of its own.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        dropout: float,
        activation: str,
        self_attention: AttentionLike,
        cross_attention: AttentionLike,
        n_tokens: int | None = None,
        n_memory: int | None = None,
        mix: bool = False,
    ) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(
            d_model, n_heads, attention=self_attention, dropout=dropout, causal=True, n_queries=n_tokens, mix=mix
        )
        self.self_norm = nn.LayerNorm(d_model)
        self.cross_attention = MultiHeadAttention(
            d_model,
            n_heads,
            attention=cross_attention,
            dropout=dropout,
            cross=True,
            n_queries=n_tokens,
            n_keys=n_memory,
        )
        self.cross_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "B L D"], memory: Float[Tensor, "B M D"]) -> Float[Tensor, "B L D"]:
        """Decode."""
        x = self.self_norm(x + self.self_attention(x)[0])
        x = self.cross_norm(x + self.cross_attention(x, memory)[0])
        return self.feed_forward_norm(x + self.feed_forward(x))
