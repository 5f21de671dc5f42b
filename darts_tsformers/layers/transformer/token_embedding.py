"""One token for each time step: its values, its position, what is known of it."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.convolution import TokenConvolution
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.position import SinusoidalPosition
from darts_tsformers.window.covariates import zero_linear


class TokenEmbedding(nn.Module):
    """Sum of a convolution of the values, the position if any, and linear maps of known covariates and statics.

    Parameters
    ----------
    n_values
        Values of a step.
    d_model
        Width of a token; even.
    n_known
        Covariates that are known of every step; what the papers call time marks.
    n_static
        Static covariates, added to every token. Their map starts at zero.
    padding_mode
        See :class:`~darts_tsformers.layers.convolution.TokenConvolution`.
    dropout
        On the sum.
    position
        Whether a token knows its position.

    Notes
    -----
    Zhou et al., "Informer", AAAI 2021, appendix B. Statics are ours.
    """

    def __init__(
        self,
        n_values: int,
        d_model: int,
        *,
        n_known: int,
        n_static: int,
        padding_mode: str,
        dropout: float,
        position: bool = True,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model)
        self.values = TokenConvolution(n_values, d_model, padding_mode=padding_mode)
        nn.init.kaiming_normal_(self.values.linear.weight, mode="fan_in", nonlinearity="leaky_relu")
        self.position = SinusoidalPosition(d_model) if position else None
        self.known = nn.Linear(n_known, d_model, bias=False) if n_known else None
        self.static = zero_linear(n_static, d_model) if n_static else None
        self.dropout = Dropout(dropout)

    def forward(
        self,
        values: Float[Tensor, "B L N"],
        steps: Float[Tensor, " L"] | None,
        known: Float[Tensor, "B L F"] | None,
        static: Float[Tensor, "B S"] | None,
    ) -> Float[Tensor, "B L D"]:
        """Embed each step."""
        tokens = self.values(values)
        if self.position is not None and steps is not None:
            tokens = tokens + self.position(steps)
        if self.known is not None and known is not None:
            tokens = tokens + self.known(known)
        if self.static is not None and static is not None:
            tokens = tokens + self.static(static)[:, None]
        return self.dropout(tokens)
