"""Trend, season and rest of a series, split by averages."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.decomposition.learned import Parts


class ClassicalDecomposition(nn.Module):
    """Split a series into a trend, a season that repeats, and the rest; the three add up to the input.

    The trend is the average over one period around each step; for an even period the two ends of it count half. Half a
    period from either end there is no such average: there the trend goes on along the line through the last, or first,
    ``period`` of them (least squares). The season is the mean of what is left at each phase, less the mean of the
    season. Nothing but the series itself is looked at, and all of it is linear: two matrices.

    Cost: O(L^2).

    Parameters
    ----------
    length
        Steps ``L`` of the series.
    period
        Steps of the season: at least 2, at most half of ``length``.

    Raises
    ------
    ValueError
        If ``period`` breaks its rule.

    Notes
    -----
    The textbook decomposition, as ``seasonal_decompose`` of statsmodels with ``extrapolate_trend=period - 1``, whose
    line at the end leaves out the last average. STL (Cleveland et al., 1990) instead lets the season change slowly, and
    smooths by local regression.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.decomposition.classical import ClassicalDecomposition
    >>> x = torch.arange(8.0) + torch.tensor([1.0, -1.0]).repeat(4)  # a line, and a season of two steps
    >>> trend, season, rest = ClassicalDecomposition(8, period=2)(x.view(1, 1, 8))
    >>> trend.flatten().round(decimals=3)
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    >>> season.flatten().round(decimals=3)
    tensor([ 1., -1.,  1., -1.,  1., -1.,  1., -1.])
    """

    to_trend: Tensor
    to_season: Tensor

    def __init__(self, length: int, period: int) -> None:
        super().__init__()
        require_at_least(2, period=period)
        if 2 * period > length:
            raise ValueError(f"period={period} must be at most half of input_chunk_length={length}")
        trend = _trend(length, period)
        season = _season(length, period) @ (torch.eye(length, dtype=torch.float64) - trend)
        for name, matrix in (("to_trend", trend), ("to_season", season)):
            self.register_buffer(name, matrix.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Float[Tensor, "B C L"]) -> Parts:
        """Return trend, season and rest."""
        trend, season = x @ self.to_trend.mT, x @ self.to_season.mT
        return trend, season, x - trend - season


def _trend(length: int, period: int) -> Float[Tensor, "L L"]:
    """Return the matrix of centred averages, with lines at both ends."""
    half = period // 2
    weights = torch.full((2 * half + 1,), 1 / period, dtype=torch.float64)
    if period % 2 == 0:
        weights[[0, -1]] /= 2
    averages = (torch.eye(length, dtype=torch.float64).unfold(-1, len(weights), 1) @ weights).mT
    steps = torch.arange(-half, period, dtype=torch.float64)  # from the first step of all, 0 being the first average
    line = torch.stack([torch.ones_like(steps), steps], dim=-1)
    before = line[:half] @ torch.linalg.pinv(line[half:])
    return torch.cat([before @ averages[:period], averages, before.flip(0, 1) @ averages[-period:]])


def _season(length: int, period: int) -> Float[Tensor, "L L"]:
    """Return the matrix of the mean at each phase, less the mean of these."""
    phases = torch.eye(period, dtype=torch.float64).repeat(-(-length // period), 1)[:length]
    means = phases.mT / phases.sum(dim=0)[:, None]
    return phases @ (means - means.mean(dim=0))
