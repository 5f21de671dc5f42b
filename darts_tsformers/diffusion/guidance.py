"""What was observed pulls a series that is being drawn to itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.diffusion.schedule import Schedule

Denoise: TypeAlias = Callable[[Float[Tensor, "R *S"], int], Float[Tensor, "R *S"]]
"""From noised series, all at one step, to a guess of their noise."""


@dataclass(frozen=True)
class Guidance:
    r"""An energy that is low where the series behind the noise is what was observed.

    .. math:: E(x_t) = \sum_{\mathrm{observed}} d(y, \hat x(x_t)), \qquad
        d = (y - \hat x)^2 \;\text{ or }\; \max(\kappa (y - \hat x), (\kappa - 1)(y - \hat x))

    With levels ``kappa``, each series is pulled to its own quantile of what was observed. Nothing else guides.

    Attributes
    ----------
    values
        What was observed, ``(R, ...)``; anything where nothing was.
    observed
        Whether something was.
    scale
        How strongly it pulls.
    levels
        A level in (0, 1) of each series, to be broadcast with ``values``: for the quantile distance. None for the
        squared one.

    Notes
    -----
    Kollovieh et al., "Predict, Refine, Synthesize: Self-Guiding Diffusion Models for Probabilistic Time Series
    Forecasting", NeurIPS 2023.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.diffusion import Guidance
    >>> guidance = Guidance(torch.tensor([[1.0, 2.0, 9.0]]), observed=torch.tensor([[True, True, False]]), scale=4.0)
    >>> guidance.energy(torch.zeros(1, 3))
    tensor(5.)
    """

    values: Float[Tensor, "R *S"]
    observed: Bool[Tensor, "R *S"]
    scale: float
    levels: Float[Tensor, "R *#S"] | None = None

    def energy(self, x: Float[Tensor, "R *S"]) -> Float[Tensor, ""]:
        """Return the energy of series without noise, the sum over all."""
        return torch.where(self.observed, distance(x, self.values, self.levels), 0).sum()

    def gradient(
        self, denoise: Denoise, x: Float[Tensor, "R *S"], t: int, schedule: Schedule
    ) -> tuple[Float[Tensor, "R *S"], Float[Tensor, "R *S"]]:
        """Return the guess of the noise at a step, and the gradient of the energy; no graph stays behind."""
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            guess = denoise(x, t)
            (gradient,) = torch.autograd.grad(self.energy(schedule.clean(x, guess, t)), x)
        return guess.detach(), gradient


def distance(
    x: Float[Tensor, "R *S"], values: Float[Tensor, "R *S"], levels: Float[Tensor, "R *#S"] | None
) -> Float[Tensor, "R *S"]:
    """Return the pinball distance at levels, the squared one without.

    Parameters
    ----------
    x, values
        What is, and what should be.
    levels
        Of each series.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.diffusion import distance
    >>> x, values = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 2.0]])
    >>> distance(x, values, levels=torch.tensor([[0.9]])), distance(x, values, levels=None)
    (tensor([[0.9000, 0.1000]]), tensor([[1., 1.]]))
    """
    above = values - x
    return above.square() if levels is None else torch.maximum(levels * above, (levels - 1) * above)


def quantile_levels(numbers: Float[Tensor, " R"], n: int) -> Float[Tensor, " R"]:
    """Return the levels of series by their numbers, of ``0 .. n - 1``: evenly spread over (0, 1).

    Parameters
    ----------
    numbers
        Those of the series.
    n
        How many there are in all.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.diffusion import quantile_levels
    >>> quantile_levels(torch.arange(3), n=3)
    tensor([0.2500, 0.5000, 0.7500])
    """
    return (numbers + 1) / (n + 1)
