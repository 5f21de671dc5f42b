"""Reversible instance normalisation: each window is shown to the network at its own level and spread."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.window.missing import count_observed, observed_mean, observed_sum

RELATIVE_SPREAD = 10**-2.5
"""Of what follows a constant window, as a share of its magnitude."""
AFFINE_EPSILON = 1e-10
"""Keeps the inverse of a learned scale finite."""
EPSILON_BEFORE = 1e-5
"""What files of version 0.1, and the authors, add to each variance."""


@dataclass(frozen=True)
class Statistics:
    """What undoes a normalisation, per sample and component: of a window (``T = 1``), or of each row.

    Attributes
    ----------
    level, spread
        The affine map from a normalised value ``z`` back to data: ``z * spread + level``. A constant window has a
        spread of 0: all its forecasts are its level.
    mean, magnitude
        Mean of the window and of its absolute values, in data units.
    unit
        What a window of zeros is measured by.
    """

    level: Float[Tensor, "B T C"]
    spread: Float[Tensor, "B T C"]
    mean: Float[Tensor, "B T C"]
    magnitude: Float[Tensor, "B T C"]
    unit: Float[Tensor, "..."]

    @property
    def size(self) -> Float[Tensor, "B T C"]:
        """What can be divided by: the spread, or else a small share of the magnitude, or else the unit."""
        return self.spread.where(self.spread != 0, self.unless_zero(RELATIVE_SPREAD * self.magnitude))

    def unless_zero(self, size: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """Return a size, but the unit where the window is all zeros."""
        return size.where(self.magnitude > 0, self.unit)

    def normalised(self, x: Float[Tensor, "B H C"]) -> Float[Tensor, "B H C"]:
        """Bring values that belong to the window, but were not part of it, to its level and spread."""
        return ((x - self.level) / self.size).to(x.dtype)


@dataclass(frozen=True)
class Spread:
    """What an architecture takes for the spread of a window.

    Attributes
    ----------
    correction
        What the squared deviations are divided by is so much less than the steps observed: 0 for the variance of a
        population, 1 for the unbiased estimate.
    epsilon
        Added to the variance, in squared units of the data.
    """

    correction: int = 0
    epsilon: float = 0.0


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
    ICLR 2022. As in the authors' code, the inverse divides by :math:`w` plus next to nothing. Theirs has an
    ``epsilon`` of 1e-5, which makes forecasts depend on the unit of the data: in small ones they turn to the mean. Here
    it is 0, and windows of any unit are treated alike. A deviation below the rounding of the values counts as none: the
    window is constant, is shown as 0, and its forecasts are its level. Models saved by version 0.1 keep their 1e-5.
    Statistics are computed in at least float32.

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

    epsilon: Tensor

    def __init__(
        self,
        n_components: int = 1,
        *,
        affine: bool = False,
        correction: int = POPULATION.correction,
        epsilon: float = POPULATION.epsilon,
    ) -> None:
        super().__init__()
        self.correction = correction
        self.register_buffer("epsilon", torch.tensor(epsilon))
        self.weight = nn.Parameter(torch.ones(n_components)) if affine else None
        self.bias = nn.Parameter(torch.zeros(n_components)) if affine else None

    def forward(
        self,
        x: Float[Tensor, "B L C"],
        missing: Bool[Tensor, "B L C"] | None = None,
        mean: Float[Tensor, "B 1 C"] | None = None,
        unit: Float[Tensor, "#C"] | None = None,
    ) -> tuple[Float[Tensor, "B L C"], Statistics]:
        """Return the normalised window and what undoes it.

        What is marked in ``missing`` counts for nothing in the statistics; where it holds the mean of the others, as
        :func:`~darts_tsformers.window.missing.fill_gaps` leaves it, it comes back as 0. ``mean`` is that of the others,
        where it is known. ``unit`` measures windows of zeros, by default 1.
        """
        wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
        if mean is None:
            mean = observed_mean(wide, missing)
        deviation = x - mean
        magnitude = observed_sum(wide.abs(), missing) / count_observed(wide, missing)
        spread = self._spread(deviation.detach(), missing, torch.finfo(wide.dtype).eps * magnitude)
        unit = wide.new_ones(1, 1, 1) if unit is None else unit.view(1, 1, -1)
        statistics = Statistics(mean, spread, mean, magnitude, unit)
        normalised = self._scaled(deviation / statistics.size)
        return normalised.to(x.dtype), self._of_scaled(statistics)

    def _spread(
        self, deviation: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None, rounding: Float[Tensor, "B 1 C"]
    ) -> Float[Tensor, "B 1 C"]:
        """Return the root of the mean square plus epsilon. No square leaves the range of the type."""
        least = self.epsilon.sqrt().to(deviation.dtype)
        observed = deviation if missing is None else deviation.masked_fill(missing, 0)
        largest = observed.abs().amax(dim=1, keepdim=True).maximum(least)
        scale = largest.where(largest > 0, 1.0)
        n_free = (count_observed(observed, missing) - self.correction).clamp_min(1)
        square = observed_sum((observed / scale).square(), None) / n_free
        square = square.where(square.sqrt() * scale > rounding, 0.0)
        return scale * (square + (least / scale).square()).sqrt()

    def _scaled(self, normalised: Float[Tensor, "B L C"]) -> Float[Tensor, "B L C"]:
        if self.weight is None or self.bias is None:
            return normalised
        return normalised * self.weight + self.bias

    def _of_scaled(self, statistics: Statistics) -> Statistics:
        """Return what undoes the learned scale and bias as well."""
        if self.weight is None or self.bias is None:
            return statistics
        spread = statistics.spread / (self.weight + AFFINE_EPSILON)
        return replace(statistics, spread=spread, level=statistics.level - self.bias * spread)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        state_dict.setdefault(f"{prefix}epsilon", torch.full_like(self.epsilon, EPSILON_BEFORE))
        super()._load_from_state_dict(state_dict, prefix, *args)
