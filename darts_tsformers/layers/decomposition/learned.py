"""Trend, season and rest of a series, split by maps that are learned."""

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.decomposition.moving_average import SeriesDecomposition

PARTS = ("trend", "season", "rest")
"""What a series is split into, here and in :mod:`.classical`, in this order."""

Parts = tuple[Float[Tensor, "B C L"], Float[Tensor, "B C L"], Float[Tensor, "B C L"]]


class LearnedDecomposition(nn.Module):
    r"""Split a series into a trend, a season and the rest; the three add up to the input.

    .. math:: T = W \, \mathrm{MA}_k(x) + b, \qquad S = W_2 \max(0, W_1 (x - T) + b_1) + b_2, \qquad R = x - T - S

    What makes the first a trend and the second a season is what they are taught, by
    :class:`~darts_tsformers.layers.decomposition.classical.ClassicalDecomposition` for example. All components share
    the maps.

    Parameters
    ----------
    length
        Steps ``L`` of the series.
    kernel_size
        Steps ``k`` of the moving average that the trend is made from.

    Raises
    ------
    ValueError
        If ``kernel_size`` is not an integer of at least 1.

    Notes
    -----
    Cao et al., "TEMPO: Prompt-based Generative Pre-trained Transformer for Time Series Forecasting", ICLR 2024; the
    maps as in the authors' code, whose inner width is ``4 L``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.decomposition.learned import LearnedDecomposition
    >>> x = torch.randn(2, 3, 12)  # (B, C, L)
    >>> trend, season, rest = LearnedDecomposition(12, kernel_size=5)(x)
    >>> torch.allclose(trend + season + rest, x, atol=1e-5)
    True
    """

    def __init__(self, length: int, kernel_size: int) -> None:
        super().__init__()
        self.average = SeriesDecomposition(kernel_size)
        self.trend = nn.Linear(length, length)
        self.season = nn.Sequential(nn.Linear(length, 4 * length), nn.ReLU(), nn.Linear(4 * length, length))

    def forward(self, x: Float[Tensor, "B C L"]) -> Parts:
        """Return trend, season and rest."""
        trend = self.trend(self.average(x)[1])
        season = self.season(x - trend)
        return trend, season, x - trend - season
