"""A weighted mean that is asked for once an epoch."""

from torch import Tensor


class RunningMean:
    """Mean of scalars, each with a weight; nothing is moved off its device before the mean is taken."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._weight = 0

    def add(self, value: Tensor, weight: int) -> None:
        """Count ``value`` in with ``weight``."""
        weighted = value.detach().float() * weight
        self._total = weighted if self._total is None else self._total + weighted
        self._weight += weight

    def take(self) -> Tensor | None:
        """Return the mean, None if nothing was added, and begin anew."""
        mean = None if self._total is None else self._total / self._weight
        self._total, self._weight = None, 0
        return mean
