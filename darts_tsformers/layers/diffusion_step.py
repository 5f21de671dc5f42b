"""How far a diffusion is, as features."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least


def step_embedding(t: Int[Tensor, " B"], width: int) -> Float[Tensor, "B E"]:
    """Return the sines of a step at falling frequencies, then the cosines, in float64.

    Parameters
    ----------
    t
        Steps.
    width
        Sines and cosines together, an even number.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.diffusion_step import step_embedding
    >>> step_embedding(torch.tensor([0, 1]), width=4).float()
    tensor([[0.0000e+00, 0.0000e+00, 1.0000e+00, 1.0000e+00],
            [8.4147e-01, 1.0000e-04, 5.4030e-01, 1.0000e+00]])
    """
    half = width // 2
    rates = torch.arange(half, device=t.device, dtype=torch.float64) * (-math.log(1e4) / max(half - 1, 1))
    angles = t[:, None] * rates.exp()
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def build_step_map(d_step: int, d_model: int) -> nn.Sequential:
    """Build a map of step embeddings of width ``d_step``, which must be even, to features."""
    require_at_least(2, d_step=d_step)
    if d_step % 2:
        raise ValueError(f"d_step={d_step} must be even: it is sines and cosines")
    return nn.Sequential(nn.Linear(d_step, d_model), nn.SiLU(), nn.Linear(d_model, d_model), nn.SiLU())
