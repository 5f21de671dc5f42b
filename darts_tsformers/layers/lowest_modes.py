"""What the levels of a wavelet tree do to their signals: weight or attend between the lowest modes."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.mode_attention import attend
from darts_tsformers.layers.spectrum import ModeWeights, PartialFourier


class SpectralOperator(nn.Module):
    """Weight the lowest modes of all channels and coefficients together, and drop all other modes.

    Parameters
    ----------
    n_features
        Channels times coefficients, ``c k``.
    n_modes
        Modes kept, from 0 on; a shorter signal keeps those it has.
    """

    def __init__(self, n_features: int, n_modes: int) -> None:
        super().__init__()
        self.n_modes = n_modes
        self.weights = ModeWeights(1, n_modes, n_features)

    def forward(self, x: Float[Tensor, "B n c k"]) -> Float[Tensor, "B n c k"]:
        """Weight."""
        fourier = _lowest_modes(x, self.n_modes)
        weighted = self.weights(fourier.transform(rearrange(x, "B n c k -> B n 1 (c k)")))
        return fourier.inverse(weighted).reshape(x.shape)


class SpectralAttention(nn.Module):
    """Attend from the lowest modes of a signal to those of another, channel by channel, without weights.

    Parameters
    ----------
    n_modes
        Modes kept, from 0 on; a shorter signal keeps those it has.
    activation
        As in :class:`~darts_tsformers.layers.fourier.FourierAttention`.
    """

    def __init__(self, n_modes: int, activation: str) -> None:
        super().__init__()
        self.n_modes = n_modes
        self.activation = activation

    def forward(
        self, q: Float[Tensor, "B n c k"], k: Float[Tensor, "B n c k"], v: Float[Tensor, "B n c k"]
    ) -> Float[Tensor, "B n c k"]:
        """Attend."""
        fourier = _lowest_modes(q, self.n_modes)
        spectra = (fourier.transform(t) for t in (q, k, v))
        return fourier.inverse(attend(*spectra, activation=self.activation))


def _lowest_modes(x: Float[Tensor, "B n c k"], n_modes: int) -> PartialFourier:
    length = x.shape[1]
    return PartialFourier(torch.arange(min(n_modes, length // 2 + 1), device=x.device), length, x.dtype)
