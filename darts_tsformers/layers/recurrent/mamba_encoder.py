"""A post-norm encoder that mixes its tokens by Mamba, from both ends, where a transformer has attention."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba
from darts_tsformers.layers.transformer.feed_forward import FeedForward


class MambaEncoderLayer(nn.Module):
    """``x = norm(x + mixer(x)); x = norm(x + feed_forward(x))``."""

    def __init__(
        self, d_model: int, d_ff: int, *, d_state: int, d_conv: int, expand: int, dropout: float, activation: str
    ) -> None:
        super().__init__()
        self.mixer = BidirectionalMamba(d_model, d_state, d_conv, expand)
        self.mixer_norm = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)
        self.feed_forward_norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "B N D"], order: Int[Tensor, "B N"] | None = None) -> Float[Tensor, "B N D"]:
        """Return the tokens."""
        x = self.mixer_norm(x + self.mixer(x, order))
        tokens: Tensor = self.feed_forward_norm(x + self.feed_forward(x))
        return tokens


class MambaEncoder(nn.Module, Recomputing):
    """A stack of :class:`MambaEncoderLayer` and a layer norm.

    Parameters
    ----------
    d_model, d_ff
        Width of a token, inner width of the feed-forward part.
    n_layers
        Layers, at least 1.
    d_state, d_conv, expand
        Of the blocks, as in :class:`~darts_tsformers.layers.recurrent.mamba.MambaBlock`.
    dropout
        In the feed-forward part; nothing is dropped of what the blocks mix.
    activation
        ``"gelu"``, ``"relu"``, ``"elu"``, ``"silu"`` or ``"squared_relu"``.

    Raises
    ------
    ValueError
        If a size is below 1, ``dropout`` is outside of [0, 1), or the activation is not known.
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        *,
        n_layers: int,
        d_state: int = 16,
        d_conv: int = 2,
        expand: int = 1,
        dropout: float = 0.0,
        activation: str = "gelu",
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, d_ff=d_ff, n_encoder_layers=n_layers)
        require_probability(dropout=dropout)
        self.layers = nn.ModuleList(
            MambaEncoderLayer(
                d_model,
                d_ff,
                d_state=d_state,
                d_conv=d_conv,
                expand=expand,
                dropout=dropout,
                activation=activation,
            )
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "B N D"], order: Int[Tensor, "B N"] | None = None) -> Float[Tensor, "B N D"]:
        """Encode the tokens; ``order`` is that in which the blocks meet them, by default as they come."""
        for layer in self.layers:
            x = self.run(layer, x, order)
        encoded: Tensor = self.norm(x)
        return encoded
