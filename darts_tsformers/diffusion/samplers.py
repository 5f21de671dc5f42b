"""From noise to series: step by step, or over a few of the steps."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.diffusion.guidance import Denoise, Guidance
from darts_tsformers.diffusion.schedule import Schedule

Draw: TypeAlias = Callable[[], Float[Tensor, "R *S"]]
"""Draw standard normal numbers of the shape of all series, new ones with each call."""
SPACINGS = ("uniform", "quadratic")


def ddpm_step(
    schedule: Schedule, x: Float[Tensor, "R *S"], guess: Float[Tensor, "R *S"], t: int, noise: Float[Tensor, "R *S"]
) -> Float[Tensor, "R *S"]:
    """Go from step ``t`` to the one before; from step 0 to the series.

    Parameters
    ----------
    schedule
        Of the diffusion.
    x, guess
        Series at the step, and the guess of their noise.
    t
        The step.
    noise
        Standard normal numbers.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.diffusion import Schedule, ddpm_step
    >>> schedule, series, noise = Schedule(10), torch.ones(1, 3), torch.randn(1, 3)
    >>> noised = schedule.noised(series, noise, torch.tensor([0]))
    >>> torch.allclose(ddpm_step(schedule, noised, noise, t=0, noise=torch.randn(1, 3)), series)
    True
    """
    beta, kept = float(schedule.betas[t]), float(schedule.kept[t])
    mean: Tensor = (x - beta / (1 - kept) ** 0.5 * guess) / (1 - beta) ** 0.5
    return mean + schedule.posterior_variance(t) ** 0.5 * noise


def ddim_step(
    schedule: Schedule,
    x: Float[Tensor, "R *S"],
    guess: Float[Tensor, "R *S"],
    t: int,
    before: int | None,
    noise: Float[Tensor, "R *S"] | None = None,
    *,
    eta: float = 0.0,
) -> Float[Tensor, "R *S"]:
    """Go from step ``t`` to any step ``before``, or to the series for None.

    Parameters
    ----------
    schedule, x, guess, t
        As of :func:`ddpm_step`.
    before
        The step to go to.
    noise
        Standard normal numbers; not needed if ``eta`` is 0.
    eta
        How much new noise comes in: none at 0, as much as of :func:`ddpm_step` at 1.

    Examples
    --------
    A guess that is right leads from any step to any other:

    >>> import torch
    >>> from darts_tsformers.diffusion import Schedule, ddim_step
    >>> schedule, series, noise = Schedule(10), torch.ones(1, 3), torch.randn(1, 3)
    >>> ninth, third = (schedule.noised(series, noise, torch.tensor([t])) for t in (9, 3))
    >>> torch.allclose(ddim_step(schedule, ninth, noise, t=9, before=3), third)
    True
    """
    kept, kept_before = float(schedule.kept[t]), schedule.kept_before(before)
    sigma = eta * ((1 - kept_before) / (1 - kept) * (1 - kept / kept_before)) ** 0.5
    onward: Tensor = kept_before**0.5 * schedule.clean(x, guess, t) + (1 - kept_before - sigma**2) ** 0.5 * guess
    return onward if noise is None else onward + sigma * noise


def spaced(n_steps: int, skip: int, spacing: str = "uniform") -> list[int]:
    """Return the steps of a diffusion that are taken, in increasing order: about every ``skip``-th.

    Parameters
    ----------
    n_steps
        Steps of the diffusion.
    skip
        About every which is taken.
    spacing
        ``"uniform"``; or ``"quadratic"``, closer to each other where there is little noise.

    Raises
    ------
    ValueError
        If ``skip`` is not from 1 to ``n_steps``, or the spacing is unknown.

    Examples
    --------
    >>> from darts_tsformers.diffusion import spaced
    >>> spaced(12, skip=3), spaced(12, skip=2, spacing="quadratic")
    ([0, 3, 6, 9], [0, 1, 3, 6, 10])
    """
    require_at_least(1, skip=skip)
    require_one_of(SPACINGS, spacing=spacing)
    if skip > n_steps:
        raise ValueError(f"skip={skip} must be at most n_steps={n_steps}")
    if spacing == "uniform":
        return list(range(0, n_steps, skip))
    n = n_steps // skip
    end = math.sqrt(n_steps * (1 - skip / n_steps))
    roots = torch.linspace(0, end, n, dtype=torch.float64, device="cpu")
    return sorted({int(step) for step in (roots**2 + 1e-9).tolist()})


def downward(steps: Sequence[int]) -> Iterator[tuple[int, int | None]]:
    """Yield each step with the one that a sampler goes to from there, None for the series, the last step first.

    Examples
    --------
    >>> from darts_tsformers.diffusion.samplers import downward
    >>> list(downward([0, 4, 8]))
    [(8, 4), (4, 0), (0, None)]
    """
    return zip(reversed(steps), [*reversed(steps[:-1]), None], strict=True)


@torch.no_grad()
def ddpm(
    denoise: Denoise,
    x: Float[Tensor, "R *S"],
    schedule: Schedule,
    draw: Draw,
    guidance: Guidance | None = None,
) -> Float[Tensor, "R *S"]:
    r"""Draw series from noise, over all steps.

    After each step, guidance moves what came out by :math:`-s \tilde\beta_t \nabla E`: by the gradient there, at the
    noise of the step that was left, as the authors' code of TSDiff does, where their paper has it before the step.

    Parameters
    ----------
    denoise
        Guesses noise.
    x
        Standard normal noise.
    schedule
        Of the diffusion.
    draw
        Called once with each step but the last.
    guidance
        What pulls the series.

    Examples
    --------
    Of series that are always 2, whose noise can be told exactly:

    >>> import torch
    >>> from darts_tsformers.diffusion import Schedule, ddpm
    >>> schedule = Schedule(100)
    >>> def denoise(x, t):
    ...     return (x - 2 * schedule.kept[t] ** 0.5) / (1 - schedule.kept[t]) ** 0.5
    >>> ddpm(denoise, torch.randn(1, 4), schedule, draw=lambda: torch.randn(1, 4)).round()
    tensor([[2., 2., 2., 2.]])
    """
    for t in range(len(schedule) - 1, -1, -1):
        noise = draw() if t else torch.zeros_like(x)
        x = ddpm_step(schedule, x, denoise(x, t), t, noise)
        if guidance is not None and t:
            _, gradient = guidance.gradient(denoise, x, t, schedule)
            x = x - guidance.scale * schedule.posterior_variance(t) * gradient
    return x


@torch.no_grad()
def ddim(
    denoise: Denoise,
    x: Float[Tensor, "R *S"],
    schedule: Schedule,
    steps: Sequence[int],
    draw: Draw,
    guidance: Guidance | None = None,
    *,
    eta: float = 0.0,
) -> Float[Tensor, "R *S"]:
    r"""Draw series from noise, over some steps.

    Guidance adds :math:`s \sqrt{1 - \bar\alpha_t}\, \nabla E(x_t)` to each guess of the noise.

    Parameters
    ----------
    denoise, x, schedule, guidance
        As of :func:`ddpm`.
    steps
        Those to take, in increasing order: see :func:`spaced`.
    draw
        Called once with each step but the last, if ``eta`` is above 0.
    eta
        Share of new noise: see :func:`ddim_step`.

    Notes
    -----
    Song, Meng and Ermon, "Denoising Diffusion Implicit Models", ICLR 2021.

    Examples
    --------
    Of series that are always 2, whose noise can be told exactly:

    >>> import torch
    >>> from darts_tsformers.diffusion import Schedule, ddim, spaced
    >>> schedule = Schedule(100)
    >>> def denoise(x, t):
    ...     return (x - 2 * schedule.kept[t] ** 0.5) / (1 - schedule.kept[t]) ** 0.5
    >>> ddim(denoise, torch.randn(1, 4), schedule, spaced(100, skip=10), draw=lambda: torch.randn(1, 4)).round()
    tensor([[2., 2., 2., 2.]])
    """
    for t, before in downward(steps):
        if guidance is None:
            guess = denoise(x, t)
        else:
            guess, gradient = guidance.gradient(denoise, x, t, schedule)
            guess = guess + guidance.scale * (1 - float(schedule.kept[t])) ** 0.5 * gradient
        noise = draw() if eta and before is not None else None
        x = ddim_step(schedule, x, guess, t, before, noise, eta=eta)
    return x
