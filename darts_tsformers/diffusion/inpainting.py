"""Draw the part of a series that is not known, given the part that is."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.checks import require_at_least
from darts_tsformers.diffusion.guidance import Denoise, Guidance
from darts_tsformers.diffusion.samplers import Draw, ddim_step, downward
from darts_tsformers.diffusion.schedule import Schedule


@torch.no_grad()
def inpainted(
    denoise: Denoise,
    x: Float[Tensor, "R *S"],
    schedule: Schedule,
    steps: Sequence[int],
    draw: Draw,
    guidance: Guidance,
    *,
    eta: float = 0.0,
    n_passes: int = 1,
) -> Float[Tensor, "R *S"]:
    r"""Draw series from noise that are, where something is known, what is known.

    Before the noise is guessed at a step, what is known takes its place, with as much new noise as the step has:

    .. math:: x_t \leftarrow m \odot \left(\sqrt{\bar\alpha_t}\, y + \sqrt{1 - \bar\alpha_t}\, \epsilon\right)
        + (1 - m) \odot x_t

    That alone is too little for the rest to agree with it. So what is known pulls the rest, too: the guessed series
    moves by :math:`-s (1 - \bar\alpha_t) \nabla E(x_t)`, which does not grow where there is much noise, so that a few
    large steps do not run away. Or each step is gone down in many passes, the series noised back to it between them.

    Parameters
    ----------
    denoise
        Guesses noise.
    x
        Standard normal noise.
    schedule
        Of the diffusion.
    steps
        Those to take, in increasing order: see :func:`~darts_tsformers.diffusion.spaced`.
    draw
        Called up to three times with each pass.
    guidance
        What is known (``y``) and where (``m``), and how strongly it pulls the rest: not at all with a scale of 0, which
        takes no gradients.
    eta
        Share of new noise on the way down: see :func:`~darts_tsformers.diffusion.ddim_step`. With 1 and all steps these
        are the steps of :func:`~darts_tsformers.diffusion.ddpm_step`.
    n_passes
        How often each step is gone down.

    Raises
    ------
    ValueError
        If ``n_passes`` is below 1.

    Notes
    -----
    Lugmayr et al., "RePaint: Inpainting using Denoising Diffusion Probabilistic Models", CVPR 2022, with jumps of one
    step; here over the steps of any sampler. The pull beside it: Ho et al., "Video Diffusion Models", NeurIPS 2022.

    Examples
    --------
    Of series whose two steps are the same normal number, the first of which is known:

    >>> import torch
    >>> from darts_tsformers.diffusion import Guidance, Schedule, inpainted
    >>> schedule = Schedule(100)
    >>> def denoise(x, t):
    ...     kept = schedule.kept[t].float()
    ...     mean = kept.sqrt() * x.sum(dim=1, keepdim=True) / (1 + kept)
    ...     return (x - kept.sqrt() * mean) / (1 - kept).sqrt()
    >>> known = Guidance(torch.tensor([[2.0, 0.0]]), observed=torch.tensor([[True, False]]), scale=0.0)
    >>> draw = lambda: torch.randn(1, 2)
    >>> inpainted(denoise, draw(), schedule, range(100), draw, known, eta=1.0, n_passes=5).round()
    tensor([[2., 2.]])
    """
    require_at_least(1, n_passes=n_passes)
    values, known = guidance.values, guidance.observed
    for t, before in downward(steps):
        for left in range(n_passes - 1, -1, -1):
            x = torch.where(known, schedule.noised_from(None, values, draw(), t), x)
            noise = draw() if eta and before is not None else None
            onward = ddim_step(schedule, x, _pulled(denoise, x, t, schedule, guidance), t, before, noise, eta=eta)
            x = schedule.noised_from(before, onward, draw(), t) if left else onward
    return torch.where(known, values, x)


def _pulled(
    denoise: Denoise, x: Float[Tensor, "R *S"], t: int, schedule: Schedule, guidance: Guidance
) -> Float[Tensor, "R *S"]:
    """Return the guess of the noise by which the series without noise is moved down the energy."""
    if not guidance.scale:
        return denoise(x, t)
    guess, gradient = guidance.gradient(denoise, x, t, schedule)
    kept = float(schedule.kept[t])
    return guess + guidance.scale * (kept * (1 - kept)) ** 0.5 * gradient
