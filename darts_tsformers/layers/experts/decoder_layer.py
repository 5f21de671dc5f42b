"""A pre-norm decoder layer whose feed-forward part is a mixture of experts."""

from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.experts.sparse_feed_forward import SparseFeedForward
from darts_tsformers.layers.transformer.gated_feed_forward import GatedFeedForward
from darts_tsformers.layers.transformer.grouped_attention import GroupedAttention, KeysValues


class DecoderLayer(nn.Module):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))``, causal, with root-mean-square norms.

    Parameters
    ----------
    d_model, n_heads, n_kv_heads
        As for :class:`~darts_tsformers.layers.transformer.grouped_attention.GroupedAttention`.
    d_ff, n_experts, n_experts_per_token, activation
        As for :class:`~darts_tsformers.layers.experts.sparse_feed_forward.SparseFeedForward`; with ``n_experts=None``
        all tokens take one part of width ``d_ff``.
    norm_epsilon
        What the norms add to the mean square.
    dropout
        After attention and after the feed-forward part.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        n_kv_heads: int | None = None,
        n_experts: int | None,
        n_experts_per_token: int,
        activation: str = "silu",
        norm_epsilon: float = 1e-6,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(d_model, eps=norm_epsilon)
        self.attention = GroupedAttention(d_model, n_heads, n_kv_heads, dropout=dropout)
        self.feed_forward_norm = nn.RMSNorm(d_model, eps=norm_epsilon)
        self.feed_forward: nn.Module = (
            GatedFeedForward(d_model, d_ff, activation=activation)
            if n_experts is None
            else SparseFeedForward(
                d_model,
                d_ff,
                n_experts=n_experts,
                n_experts_per_token=n_experts_per_token,
                activation=activation,
            )
        )
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B n D"],
        turn: tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]],
        read: KeysValues | None = None,
        there: Bool[Tensor, "B M"] | None = None,
    ) -> tuple[Float[Tensor, "B n D"], KeysValues, Float[Tensor, "B n E"] | None]:
        """Return the tokens, what is kept of all read so far, and the router's logits if there is one."""
        attended, read = self.attention(self.attention_norm(x), turn, read, there)
        x = x + attended
        mapped, logits = self.feed_forward(self.feed_forward_norm(x)), None
        if isinstance(self.feed_forward, SparseFeedForward):
            mapped, logits = mapped
        return x + self.dropout(mapped), read, logits
