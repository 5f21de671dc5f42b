"""The trend of a forecast as a line between a few points."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least


class TrendLine(nn.Module):
    """Piecewise straight lines over a horizon, through points that are evenly spread from its first to its last step.

    A line cannot follow a season shorter than about twice the distance of two points.

    Parameters
    ----------
    horizon
        Steps ``H``, at least 1.
    distance
        Least distance of two points in steps, at least 1. A horizon of up to twice as many steps has one straight line,
        a single step one point.

    Raises
    ------
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.decomposition.trend_line import TrendLine
    >>> line = TrendLine(horizon=5, distance=2)
    >>> line.n_points
    3
    >>> line(torch.tensor([0.0, 4.0, 2.0]))
    tensor([0., 2., 4., 3., 2.])
    >>> line.nearest(torch.tensor([5.0, 5.0, 5.0, 5.0, 5.0])).round(decimals=4)
    tensor([5., 5., 5., 5., 5.])
    """

    lines: Tensor
    to_points: Tensor

    def __init__(self, horizon: int, distance: int) -> None:
        super().__init__()
        require_at_least(1, horizon=horizon, distance=distance)
        self.n_points = 1 + max((horizon - 1) // distance, min(horizon - 1, 1))
        steps, points = (torch.linspace(0, 1, n, dtype=torch.float64) for n in (horizon, self.n_points))
        away = (steps[:, None] - points).abs() * max(self.n_points - 1, 1)
        lines = (1 - away).clamp_min(0)
        self.register_buffer("lines", lines.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("to_points", torch.linalg.pinv(lines).to(torch.get_default_dtype()), persistent=False)

    def forward(self, points: Float[Tensor, "*B K"]) -> Float[Tensor, "*B H"]:
        """Return the lines through the points."""
        return points @ self.lines.mT

    def nearest(self, x: Float[Tensor, "*B H"]) -> Float[Tensor, "*B H"]:
        """Return the lines that are nearest to a series, by least squares."""
        return self(x @ self.to_points.mT)
