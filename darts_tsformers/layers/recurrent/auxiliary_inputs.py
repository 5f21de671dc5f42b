"""What else is known of a variate as further steps behind its look-back."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba


class AuxiliaryInputs(nn.Module):
    r"""Put known features of the future and static features behind the steps of a series, as many for each.

    .. math:: \left[\, x \,;\, W_Z\, \mathrm{mixer}(z) + b_Z \,;\, W_S\, s + b_S \,\right]

    The mixer goes over the variates from both ends.

    Parameters
    ----------
    length
        Steps of the series.
    n_future, n_static
        Features of the future, of all its steps together, and static features, of each variate; 0 for none.
    d_state, d_conv
        As in :class:`~darts_tsformers.layers.recurrent.mamba.MambaBlock`.

    Notes
    -----
    Behrouz et al., "MambaMixer: Efficient Selective State Space Models with Dual Token and Channel Selection", 2024.
    How the features of all steps become one vector the paper does not say; here they are one after the other.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.auxiliary_inputs import AuxiliaryInputs
    >>> inputs = AuxiliaryInputs(24, n_future=6, n_static=2)
    >>> inputs(torch.randn(3, 5, 24), torch.randn(3, 5, 6), torch.randn(3, 5, 2)).shape  # of 5 variates
    torch.Size([3, 5, 72])
    """

    def __init__(
        self, length: int, *, n_future: int = 0, n_static: int = 0, d_state: int = 16, d_conv: int = 4
    ) -> None:
        super().__init__()
        self.length = length * (1 + bool(n_future) + bool(n_static))
        self.mixer = BidirectionalMamba(n_future, d_state, d_conv) if n_future else None
        self.future = nn.Linear(n_future, length) if n_future else None
        self.static = nn.Linear(n_static, length) if n_static else None

    def forward(
        self,
        series: Float[Tensor, "B M L"],
        future: Float[Tensor, "B M K"] | None = None,
        static: Float[Tensor, "B M S"] | None = None,
        order: Int[Tensor, "B M"] | None = None,
    ) -> Float[Tensor, "B M T"]:
        """Return the longer series; ``order`` is that in which the variates are met, by default as they come."""
        parts = [series]
        if self.mixer is not None and self.future is not None and future is not None:
            parts.append(self.future(self.mixer.mix(future, order)))
        if self.static is not None and static is not None:
            parts.append(self.static(static))
        return torch.cat(parts, dim=-1)
