"""A pre-norm decoder layer over tokens of any number of variates, whose experts have centroids."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.experts.centroid_feed_forward import CentroidFeedForward
from darts_tsformers.layers.transformer.variate_attention import Places, VariateAttention


class CentroidLayer(nn.Module):
    """``x = x + attention(norm(x)); x = x + feed_forward(norm(x))`` with root-mean-square norms.

    Parameters
    ----------
    d_model, n_heads, rope_theta
        As for :class:`~darts_tsformers.layers.transformer.variate_attention.VariateAttention`.
    d_ff, n_experts, n_experts_per_token, farthest
        As for :class:`~darts_tsformers.layers.experts.centroid_feed_forward.CentroidFeedForward`.
    norm_epsilon
        What the norms add to the mean square.
    dropout
        After attention and after the feed-forward part.

    Attributes
    ----------
    n_heads
        Heads of its attention.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        n_experts: int,
        n_experts_per_token: int,
        farthest: bool = False,
        rope_theta: float = 10000.0,
        norm_epsilon: float = 1e-5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.attention_norm = nn.RMSNorm(d_model, eps=norm_epsilon)
        self.attention = VariateAttention(
            d_model, n_heads, rope_theta=rope_theta, norm_epsilon=norm_epsilon, dropout=dropout
        )
        self.feed_forward_norm = nn.RMSNorm(d_model, eps=norm_epsilon)
        self.feed_forward = CentroidFeedForward(
            d_model, d_ff, n_experts=n_experts, n_experts_per_token=n_experts_per_token, farthest=farthest
        )
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B n D"], places: Places, centroids: Float[Tensor, "E D"]
    ) -> Float[Tensor, "B n D"]:
        """Return the tokens."""
        x = x + self.attention(self.attention_norm(x), places)
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x), centroids))
