"""Reversible instance normalisation: each window is shown to the network at its own level and spread."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.window.missing import count_observed, observed_mean, observed_sum


@dataclass(frozen=True)
class Statistics:
    """What undoes a normalisation, per sample and component.

    Attributes
    ----------
    level, spread
        The affine map from a normalised value ``z`` back to data: ``z * spread + level``.
    mean, magnitude
        Mean of the window and of its absolute values, in data units.
    """

    level: Float[Tensor, "B 1 C"]
    spread: Float[Tensor, "B 1 C"]
    mean: Float[Tensor, "B 1 C"]
    magnitude: Float[Tensor, "B 1 C"]

    def normalised(self, x: Float[Tensor, "B H C"]) -> Float[Tensor, "B H C"]:
        """Bring values that belong to the window, but were not part of it, to its level and spread."""
        return ((x - self.level) / self.spread).to(x.dtype)


@dataclass(frozen=True)
class Spread:
    """What an architecture takes for the spread of a window.

    Attributes
    ----------
    correction
        What the squared deviations are divided by is so much less than the steps observed: 0 for the variance of a
        population, 1 for the unbiased estimate.
    epsilon
        Added to the variance, so that constant windows stay finite.
    """

    correction: int = 0
    epsilon: float = 1e-5


POPULATION = Spread()


class InstanceNorm(nn.Module):
    r"""Normalise each window of each component by its own mean and standard deviation.

    .. math:: z = \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}}\, w + b

    with the variance over the window's steps and, where ``affine``, a learned ``w`` and ``b`` per component. The
    statistics are detached, as in the paper. There is no hidden state: the statistics come back with the output.

    Parameters
    ----------
    n_components
        Components of the target; used by ``affine`` only.
    affine
        Whether to learn ``w`` and ``b``. It ties the network to its number of components.
    correction, epsilon
        As in :class:`Spread`.

    Notes
    -----
    Kim et al., "Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift",
    ICLR 2022. As in the authors' code, the inverse divides by :math:`w + \epsilon^2`. Statistics are computed in at
    least float32.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.instance_norm import InstanceNorm
    >>> normalised, statistics = InstanceNorm()(torch.tensor([[[10.0], [14.0], [12.0]]]))  # (B, L, C)
    >>> normalised.flatten()
    tensor([-1.2247,  1.2247,  0.0000])
    >>> statistics.level.item()
    12.0
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        affine: bool = False,
        correction: int = POPULATION.correction,
        epsilon: float = POPULATION.epsilon,
    ) -> None:
        super().__init__()
        self.correction, self.epsilon = correction, epsilon
        self.weight = nn.Parameter(torch.ones(n_components)) if affine else None
        self.bias = nn.Parameter(torch.zeros(n_components)) if affine else None

    def forward(
        self,
        x: Float[Tensor, "B L C"],
        missing: Bool[Tensor, "B L C"] | None = None,
        mean: Float[Tensor, "B 1 C"] | None = None,
    ) -> tuple[Float[Tensor, "B L C"], Statistics]:
        """Return the normalised window and what undoes it.

        What is marked in ``missing`` counts for nothing in the statistics; where it holds the mean of the others, as
        :func:`~darts_tsformers.window.missing.fill_gaps` leaves it, it comes back as 0. ``mean`` is that of the others,
        where it is known.
        """
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        if mean is None:
            mean = observed_mean(wide, missing)
        deviation = x - mean
        n_observed = count_observed(wide, missing)
        n_free = (n_observed - self.correction).clamp_min(1)
        variance = observed_sum(deviation.detach().square(), missing) / n_free
        magnitude = observed_sum(wide.abs(), missing) / n_observed
        spread, level = (variance + self.epsilon).sqrt(), mean
        normalised = deviation / spread
        if self.weight is not None and self.bias is not None:
            normalised = normalised * self.weight + self.bias
            spread = spread / (self.weight + POPULATION.epsilon**2)
            level = level - self.bias * spread
        return normalised.to(x.dtype), Statistics(level, spread, mean, magnitude)
