"""Gates that let a network leave out what it has no use for."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

NORM_EPSILON = 1e-3
"""As in the authors' code; PyTorch's own is 1e-5."""


class GateAddNorm(nn.Module):
    r"""Gate ``x``, add it to ``skip``, normalise.

    .. math::
        \mathrm{LN}\left(s + (W_1 x + b_1) \odot \sigma(W_2 x + b_2)\right)

    Parameters
    ----------
    d_in, d_out
        Widths of ``x`` and of ``skip``.
    dropout
        On ``x``, before both maps.

    Notes
    -----
    Dauphin et al., "Language Modeling with Gated Convolutional Networks", ICML 2017 (the gated linear unit). Both maps
    are one product.
    """

    def __init__(self, d_in: int, d_out: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.gate = nn.Linear(d_in, 2 * d_out)
        self.norm = nn.LayerNorm(d_out, eps=NORM_EPSILON)

    def forward(self, x: Float[Tensor, "*N d_in"], skip: Float[Tensor, "*N d_out"]) -> Float[Tensor, "*N d_out"]:
        """Return the normalised sum."""
        out: Tensor = self.norm(skip + F.glu(self.gate(self.dropout(x))))
        return out


class GatedResidualNetwork(nn.Module):
    r"""As much of a nonlinear map as it takes, down to none.

    .. math::
        \eta_2 &= \mathrm{ELU}(W_2 a + W_3 c + b_2) \\
        \eta_1 &= W_1 \eta_2 + b_1 \\
        \mathrm{GRN}(a, c) &= \mathrm{GateAddNorm}(\eta_1, W_s a + b_s)

    Parameters
    ----------
    d_in, d_hidden, d_out
        Widths of ``a``, of the maps between, and of the output. Where the first and the last are equal, the residual is
        ``a`` itself.
    d_context
        Width of the context ``c``; 0 for none: there is no ``W_3`` then.
    dropout
        On :math:`\eta_1`.

    Notes
    -----
    Lim et al., "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting", International
    Journal of Forecasting 37, 2021, section 4.1.
    """

    def __init__(self, d_in: int, d_hidden: int, d_out: int, *, d_context: int = 0, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = nn.Linear(d_in, d_hidden)
        self.context = nn.Linear(d_context, d_hidden, bias=False) if d_context else None
        self.inner = nn.Linear(d_hidden, d_hidden)
        self.gate = GateAddNorm(d_hidden, d_out, dropout=dropout)
        self.skip = nn.Linear(d_in, d_out) if d_in != d_out else None

    def forward(
        self, a: Float[Tensor, "B *N d_in"], context: Float[Tensor, "B d_context"] | None = None
    ) -> Float[Tensor, "B *N d_out"]:
        """Map ``a``, given a context of each sample if the network was built for one."""
        return self.completed(self.hidden(a), a if self.skip is None else self.skip(a), context)

    def completed(
        self,
        hidden: Float[Tensor, "B *N d_hidden"],
        skip: Float[Tensor, "B *N d_out"],
        context: Float[Tensor, "B d_context"] | None = None,
    ) -> Float[Tensor, "B *N d_out"]:
        """Go on from what the input was mapped to: :math:`W_2 a + b_2` and :math:`W_s a + b_s`."""
        if self.context is not None and context is not None:
            shift = self.context(context)
            hidden = hidden + shift.view(shift.shape[0], *[1] * (hidden.ndim - 2), shift.shape[-1])
        out: Tensor = self.gate(self.inner(F.elu(hidden)), skip)
        return out
