"""Make a series more like those that a denoiser knows, and keep it near where it began."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.diffusion.guidance import Denoise
from darts_tsformers.diffusion.samplers import Draw
from darts_tsformers.diffusion.schedule import Schedule


def refined(
    denoise: Denoise,
    x: Float[Tensor, "R *S"],
    schedule: Schedule,
    draw: Draw,
    tie: Callable[[Float[Tensor, "R *S"]], Float[Tensor, ""]],
    *,
    t: int,
    n_iterations: int = 20,
    rate: float = 0.1,
    noise_scale: float = 0.0,
) -> Float[Tensor, "R *S"]:
    r"""Descend an energy: how badly noise is guessed that is put on the series, plus a tie to where it began.

    .. math:: y \leftarrow y - \eta \nabla \left( \lVert \epsilon - \epsilon_\theta(\sqrt{\bar\alpha_t}\, y
        + \sqrt{1 - \bar\alpha_t}\, \epsilon, t) \rVert^2 + R(y) \right) + \sqrt{2 \eta}\, \gamma\, z

    with new noise in each iteration. Without ``noise_scale`` the result is the most likely series nearby; with it, a
    sample of Langevin dynamics.

    Parameters
    ----------
    denoise
        Guesses noise.
    x
        Series to begin with.
    schedule
        Of the diffusion.
    draw
        Called once with each iteration, or twice, for the noise put on first.
    tie
        The energy ``R``, a sum over all series.
    t
        The step whose noise is put on.
    n_iterations
        Steps down.
    rate
        Their size (``eta``).
    noise_scale
        Of what comes in at random (``gamma``).

    Notes
    -----
    Kollovieh et al., "Predict, Refine, Synthesize: Self-Guiding Diffusion Models for Probabilistic Time Series
    Forecasting", NeurIPS 2023. No rate that falls on a plateau: theirs does after a hundred iterations.

    Examples
    --------
    A denoiser that knows series about 0 alone, and a tie to 1:

    >>> import torch
    >>> from darts_tsformers.diffusion import Schedule, refined
    >>> schedule, start, draw = Schedule(10), torch.ones(1, 3), lambda: torch.randn(1, 3)
    >>> free = refined(lambda x, t: x, start, schedule, draw, tie=lambda y: y.sum() * 0, t=5, n_iterations=50)
    >>> tied = refined(lambda x, t: x, start, schedule, draw, tie=lambda y: 9 * (y - 1).square().sum(), t=5, rate=0.02)
    >>> bool(free.abs().max() < tied.abs().max())
    True
    """
    kept = float(schedule.kept[t])
    x = x.detach()
    for _ in range(n_iterations):
        noise = draw()
        with torch.enable_grad():
            y = x.requires_grad_()
            guess = denoise(kept**0.5 * y + (1 - kept) ** 0.5 * noise, t)
            (gradient,) = torch.autograd.grad((noise - guess).square().sum() + tie(y), y)
        x = y.detach() - rate * gradient
        if noise_scale:
            x = x + (2 * rate) ** 0.5 * noise_scale * draw()
    return x
