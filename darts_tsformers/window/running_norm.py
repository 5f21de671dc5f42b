"""Instance normalisation by what was seen so far: each row at the level and spread of the rows up to it."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.window.instance_norm import InstanceNorm, Statistics


@dataclass(frozen=True)
class Seen:
    """Statistics of what was observed up to a row, per sample and component; all zero before the first value.

    Attributes
    ----------
    count
        How many values.
    first
        The first of them. What follows is counted from there, so that a high level costs no digits.
    mean, variance
        Mean, less ``first``, and population variance, in ``unit``.
    magnitude
        Mean of the absolute values.
    unit
        What is counted by, so that no square leaves the range of the type.
    """

    count: Float[Tensor, "B T C"]
    first: Float[Tensor, "B 1 C"]
    mean: Float[Tensor, "B T C"]
    variance: Float[Tensor, "B T C"]
    magnitude: Float[Tensor, "B T C"]
    unit: Float[Tensor, "B 1 C"]

    def last(self) -> "Seen":
        """Return those of the last row."""
        rows = (self.count, self.mean, self.variance, self.magnitude)
        count, mean, variance, magnitude = (x[:, -1:] for x in rows)
        return Seen(count, self.first, mean, variance, magnitude, self.unit)

    def fading(self, n: int) -> "Seen":
        """Weigh what was seen like the last ``n`` values at most: what is older fades."""
        return replace(self, count=self.count.clamp_max(n))

    def statistics(self, epsilon: Tensor) -> Statistics:
        """Return what undoes the normalisation of each row, where ``epsilon`` is added to the variance."""
        spread = self.unit * (self.variance + (epsilon.sqrt() / self.unit).square()).sqrt()
        mean = self.first + self.unit * self.mean
        return Statistics(mean, spread, mean, self.magnitude, self.unit)


class RunningNorm(InstanceNorm):
    r"""Normalise each row by mean and standard deviation of the rows up to it.

    .. math:: z_t = \frac{x_t - \mu_t}{\sqrt{\sigma_t^2 + \epsilon}}\, w + b

    with mean and population variance over the steps up to ``t``; a forecast is restored by those of the last row. So a
    row is what it is, whatever follows, and the statistics go on from one row to the next: what :class:`InstanceNorm`
    cannot do. The first value is 0, as it is its own mean, and the size of ``z`` is at most
    :math:`\sqrt{n - 1}` after n values. A row without a value has none, given as 0, and changes no statistics.

    Cost: O(L), by sums that grow from row to row.

    Parameters
    ----------
    n_components, affine, epsilon
        As for :class:`InstanceNorm`.

    Notes
    -----
    The variance is a sum of terms that are never negative (Welford, "Note on a Method for Calculating Corrected Sums of
    Squares and Products", 1962): :math:`n \sigma_n^2 = \sum_t (x_t - \mu_{t-1}) (x_t - \mu_t)`.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.running_norm import RunningNorm
    >>> normalised, statistics = RunningNorm()(torch.tensor([[[10.0], [14.0], [12.0]]]))  # (B, L, C)
    >>> normalised.flatten()
    tensor([0., 1., 0.])
    >>> statistics.level.item()
    12.0
    """

    def forward(
        self,
        x: Float[Tensor, "B L C"],
        missing: Bool[Tensor, "B L C"] | None = None,
        mean: Float[Tensor, "B 1 C"] | None = None,  # noqa: ARG002 - of the whole window, as the other form takes it
        unit: Float[Tensor, "#C"] | None = None,
    ) -> tuple[Float[Tensor, "B L C"], Statistics]:
        """Return the normalised window and what undoes the normalisation of its last row."""
        normalised, seen = self.read(x, missing, unit=unit)
        return normalised, self.statistics(seen)

    def read(
        self,
        x: Float[Tensor, "B T C"],
        missing: Bool[Tensor, "B T C"] | None,
        before: Seen | None = None,
        unit: Float[Tensor, "#C"] | None = None,
    ) -> tuple[Float[Tensor, "B T C"], Seen]:
        """Return normalised rows that follow on what was seen before, and what is seen by then."""
        if before is None:
            before = _nothing(x, unit)
        seen = _seen_so_far(x, missing, before)
        deviation = (x - seen.first) / seen.unit - seen.mean
        normalised = self._scaled(deviation / (seen.statistics(self.epsilon).size / seen.unit))
        if missing is not None:
            normalised = normalised.masked_fill(missing, 0)
        return normalised.to(x.dtype), seen.last()

    def statistics(self, seen: Seen) -> Statistics:
        """Return what undoes the normalisation of a row."""
        return self._of_scaled(seen.statistics(self.epsilon))


def _nothing(x: Float[Tensor, "B T C"], unit: Float[Tensor, "#C"] | None) -> Seen:
    """Return statistics before the first row; by default in units of 1."""
    zeros = x.new_zeros(x.shape[0], 1, x.shape[2], dtype=torch.promote_types(x.dtype, torch.float32))
    return Seen(zeros, zeros, zeros, zeros, zeros, zeros + (1 if unit is None else unit))


def _seen_so_far(x: Float[Tensor, "B T C"], missing: Bool[Tensor, "B T C"] | None, before: Seen) -> Seen:
    """Return the statistics at each row, in at least float32."""
    wide = x.detach().to(before.first.dtype)
    observed = torch.ones_like(wide, dtype=torch.bool) if missing is None else ~missing
    values = wide.masked_fill(~observed, 0)
    place = observed.int().argmax(dim=1, keepdim=True)
    first = torch.where(before.count > 0, before.first, values.gather(1, place))
    count = before.count + observed.cumsum(dim=1)
    n = count.clamp_min(1)
    from_first = ((wide - first) / before.unit).masked_fill(~observed, 0)
    mean = (before.mean * before.count + from_first.cumsum(dim=1)) / n
    earlier = torch.cat([before.mean, mean[:, :-1]], dim=1)
    squares = ((from_first - earlier) * (from_first - mean)).masked_fill(~observed, 0)
    variance = (before.variance * before.count + squares.cumsum(dim=1)) / n
    magnitude = (before.magnitude * before.count + values.abs().cumsum(dim=1)) / n
    return Seen(count, first, mean, variance, magnitude, before.unit)
