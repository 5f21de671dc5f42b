"""A feed-forward part whose inner features are gated."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.transformer.feed_forward import build_activation


class GatedFeedForward(nn.Module):
    r"""Gate the inner features by an activation of others.

    .. math:: y = W_d \left(\phi(W_g x) \odot W_u x\right)

    No biases. With ``"silu"`` it is SwiGLU.

    Parameters
    ----------
    d_model, d_ff
        Width, and inner width.
    activation
        ``"gelu"``, ``"relu"``, ``"elu"`` or ``"silu"``.

    Notes
    -----
    Shazeer, "GLU Variants Improve Transformer", 2020 (arXiv 2002.05202), equation 6.
    """

    def __init__(self, d_model: int, d_ff: int, *, activation: str = "silu") -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, d_ff=d_ff)
        self.gate = nn.Linear(d_model, d_ff, bias=False)
        self.up = nn.Linear(d_model, d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)
        self.activation = build_activation(activation)

    def forward(self, x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
        """Map each token."""
        out: Tensor = self.down(self.activation(self.gate(x)) * self.up(x))
        return out
