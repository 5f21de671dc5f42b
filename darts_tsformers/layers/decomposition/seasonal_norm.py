"""Normalisation for tokens that hold a seasonal part only."""

from jaxtyping import Float
from torch import Tensor, nn


class SeasonalNorm(nn.Module):
    r"""Layer normalisation that leaves no level: each feature's mean over time is taken out.

    .. math:: y_t = \mathrm{LN}(x)_t - \frac{1}{L} \sum_s \mathrm{LN}(x)_s

    Notes
    -----
    Wu et al., "Autoformer", NeurIPS 2021: the normalisation at the end of encoder and decoder, from the authors' code.
    The bias of the layer normalisation would cancel, so there is none.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model, bias=False)

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Normalise each token, then centre each feature over time."""
        normed = self.norm(x)
        return normed - normed.mean(dim=1, keepdim=True)
