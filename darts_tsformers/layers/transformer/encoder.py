"""The post-norm transformer encoder that the papers of this field share."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.blocks import by_samples
from darts_tsformers.layers.norm import build_norm
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention, Rows, Scores


class EncoderLayer(nn.Module):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))``.

    With ``row_by_row`` it is causal and can be advanced one row at a time; see
    :class:`~darts_tsformers.layers.transformer.multi_head.MultiHeadAttention`, also for ``kernel_size``,
    ``depthwise_size`` and ``n_earlier``. ``n_tokens`` are the most tokens it will see.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        dropout: float,
        activation: str,
        norm: str,
        attention: AttentionLike,
        row_by_row: bool = False,
        kernel_size: int = 1,
        depthwise_size: int = 1,
        n_tokens: int | None = None,
        n_earlier: int = 0,
    ) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(
            d_model,
            n_heads,
            attention=attention,
            dropout=dropout,
            causal=row_by_row,
            row_by_row=row_by_row,
            kernel_size=kernel_size,
            depthwise_size=depthwise_size,
            n_queries=n_tokens,
            n_earlier=n_earlier,
        )
        self.attention_norm = build_norm(norm, d_model)
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)
        self.feed_forward_norm = build_norm(norm, d_model)

    def forward(
        self, x: Float[Tensor, "B N D"], earlier: Scores | None = None
    ) -> tuple[Float[Tensor, "B N D"], Scores]:
        """Return the tokens and the attention scores, which a residual layer above takes as ``earlier``."""
        attended, scores = self.attention(x, earlier=earlier)
        return self._completed(x, attended), scores

    def begin(
        self, x: Float[Tensor, "B N D"], n_known: int, start: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B N D"], Rows]:
        """Return the tokens of a sequence with placeholders after ``n_known`` rows, and what :meth:`advance` needs."""
        attended, rows = self.attention.begin(x, n_known, start)
        return self._completed(x, attended), rows

    def advance(self, x: Float[Tensor, "B 1 D"], rows: Rows, row: int) -> Float[Tensor, "B 1 D"]:
        """Put ``x`` in the place of one row and return its token. Writes to ``rows``."""
        return self._completed(x, self.attention.advance(x, rows, row))

    def _completed(self, x: Float[Tensor, "B N D"], attended: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        x = self.attention_norm(x + attended)
        tokens: Tensor = self.feed_forward_norm(x + self.feed_forward(x))
        return tokens


class Encoder(nn.Module, Recomputing):
    """A stack of :class:`EncoderLayer`.

    Parameters
    ----------
    d_model, n_heads, d_ff
        Width, heads, inner width of the feed-forward part.
    n_layers
        Layers, at least 1.
    dropout
        After attention and in the feed-forward part.
    activation
        ``"gelu"``, ``"relu"``, ``"elu"``, ``"silu"`` or ``"squared_relu"``.
    norm
        ``"layer"`` or ``"batch"``.
    attention
        The mechanism of every layer; each layer builds its own.
    residual_attention
        Whether a layer's scores add to those of the layers before (RealFormer).
    final_norm
        Whether a layer norm follows the last layer.
    depthwise_size
        Tokens that queries, keys and values are averaged over, by learnt weights for each channel: the own one and
        those before it. 3 in Primer, 1 for none.
    n_tokens
        The most tokens it will see; for a mechanism that has parameters of its own.

    Raises
    ------
    ValueError
        If a size is below 1, ``n_heads`` does not divide ``d_model``, ``dropout`` is outside of [0, 1), or a name is
        not known.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        n_layers: int,
        dropout: float = 0.0,
        activation: str = "gelu",
        norm: str = "layer",
        attention: AttentionLike = "full",
        residual_attention: bool = False,
        final_norm: bool = False,
        depthwise_size: int = 1,
        n_tokens: int | None = None,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads, d_ff=d_ff, n_encoder_layers=n_layers)
        require_probability(dropout=dropout)
        require_flag(residual_attention=residual_attention)
        self.residual_attention = residual_attention
        self.layers = nn.ModuleList(
            EncoderLayer(
                d_model,
                n_heads,
                d_ff,
                dropout=dropout,
                activation=activation,
                norm=norm,
                attention=attention,
                depthwise_size=depthwise_size,
                n_tokens=n_tokens,
                n_earlier=i if residual_attention else 0,
            )
            for i in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model) if final_norm else nn.Identity()

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Encode the tokens, in a forecast by :func:`~darts_tsformers.layers.blocks.by_samples`.

        In training batch norms need all samples together.
        """
        trains = any(module.training for module in self.modules())
        return self._encoded(x) if trains else by_samples(self._encoded, x)

    def _encoded(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        earlier = None
        for layer in self.layers:
            x, scores = self.run(layer, x, earlier)
            earlier = scores if self.residual_attention else None
        return self.norm(x)
