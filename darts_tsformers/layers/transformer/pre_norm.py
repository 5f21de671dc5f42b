"""Pre-norm transformer layers: each part reads normalised tokens, and adds to tokens that no norm touches."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention


class PreNormEncoderLayer(nn.Module):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))``.

    Parameters
    ----------
    d_model, n_heads, d_ff
        Width, heads, inner width of the feed-forward part.
    dropout
        After attention and in the feed-forward part.
    activation
        Of the feed-forward part.
    """

    def __init__(self, d_model: int, n_heads: int, d_ff: int, *, dropout: float, activation: str) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(d_model)
        self.attention = MultiHeadAttention(d_model, n_heads, dropout=dropout)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Encode."""
        x = x + self.attention(self.attention_norm(x))[0]
        return x + self.feed_forward(self.feed_forward_norm(x))


class PreNormDecoderLayer(nn.Module):
    """Self-attention, attention to a memory, and a feed-forward part, each of normalised tokens, each added.

    The memory is taken as it is. Nothing is masked: it is for tokens that have no order. The parameters are those of
    :class:`PreNormEncoderLayer`.
    """

    def __init__(self, d_model: int, n_heads: int, d_ff: int, *, dropout: float, activation: str) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(d_model)
        self.self_attention = MultiHeadAttention(d_model, n_heads, dropout=dropout)
        self.cross_norm = nn.LayerNorm(d_model)
        self.cross_attention = MultiHeadAttention(d_model, n_heads, dropout=dropout, cross=True)
        self.feed_forward_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)

    def forward(self, x: Float[Tensor, "B N D"], memory: Float[Tensor, "B M D"]) -> Float[Tensor, "B N D"]:
        """Decode."""
        x = x + self.self_attention(self.self_norm(x))[0]
        x = x + self.cross_attention(self.cross_norm(x), memory)[0]
        return x + self.feed_forward(self.feed_forward_norm(x))


class Stack(nn.ModuleList, Recomputing):
    """Layers one after the other, without a final norm.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.pre_norm import PreNormDecoderLayer, Stack
    >>> decoder = Stack(PreNormDecoderLayer(8, 2, 16, dropout=0.0, activation="relu") for _ in range(2))
    >>> decoder(torch.randn(3, 5, 8), torch.randn(3, 7, 8)).shape
    torch.Size([3, 5, 8])
    """

    def forward(self, x: Float[Tensor, "B N D"], *memory: Float[Tensor, "B M D"]) -> Float[Tensor, "B N D"]:
        """Apply the layers; each sees the same memory, if there is one."""
        for layer in self:
            x = self.run(layer, x, *memory)
        return x
