"""Instance normalisation by size alone: each window is divided by the mean of its absolute values."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.window.instance_norm import InstanceNorm, Statistics
from darts_tsformers.window.missing import count_observed, observed_mean, observed_sum


class MagnitudeNorm(InstanceNorm):
    """Divide each window of each component by the mean of its absolute values; one of zeros by its unit.

    The level stays, so that what is not negative stays so.

    Parameters
    ----------
    n_components, affine, correction, epsilon
        As for :class:`~darts_tsformers.window.instance_norm.InstanceNorm`; the last two count for nothing here.

    Notes
    -----
    Salinas et al., "DeepAR: Probabilistic forecasting with autoregressive recurrent networks", 2020, section 3.3;
    without the 1 that is added there, which has the unit of the data.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.magnitude_norm import MagnitudeNorm
    >>> normalised, statistics = MagnitudeNorm()(torch.tensor([[[10.0], [14.0], [12.0]]]))  # (B, L, C)
    >>> normalised.flatten()
    tensor([0.8333, 1.1667, 1.0000])
    >>> statistics.level.item(), statistics.spread.item()
    (0.0, 12.0)
    """

    def forward(
        self,
        x: Float[Tensor, "B L C"],
        missing: Bool[Tensor, "B L C"] | None = None,
        mean: Float[Tensor, "B 1 C"] | None = None,
        unit: Float[Tensor, "#C"] | None = None,
    ) -> tuple[Float[Tensor, "B L C"], Statistics]:
        """Return the window by its size and what undoes it; arguments are those of ``InstanceNorm``."""
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        mean = observed_mean(wide, missing) if mean is None else mean
        magnitude = observed_sum(wide.abs(), missing) / count_observed(wide, missing)
        unit = wide.new_ones(1, 1, 1) if unit is None else unit.view(1, 1, -1)
        spread = magnitude.where(magnitude > 0, unit)
        statistics = Statistics(torch.zeros_like(mean), spread, mean, magnitude, unit)
        return self._scaled(x / spread).to(x.dtype), self._of_scaled(statistics)
