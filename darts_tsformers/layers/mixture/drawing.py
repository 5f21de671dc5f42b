"""Draws of gamma and Poisson distributions made of given normal numbers, so that chance stays where it came from."""

import torch
from jaxtyping import Float
from torch import Tensor

PROPOSALS = 6
"""Of each draw from a gamma distribution. One is accepted with at least 0.95: one draw in 60 million has none."""
LARGEST_RATE = 2.0**23
"""Of a Poisson distribution: draws from one of 2**24 would be beyond the integers of single precision."""


def uniform(normal: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Return uniform numbers within (0, 1), increasing in normal ones."""
    limits = torch.finfo(normal.dtype)
    return torch.special.ndtr(normal).clamp(limits.tiny, 1 - limits.eps)


def gamma(shape: Float[Tensor, "*S"], normal: Float[Tensor, "*S n"]) -> Float[Tensor, "*S"]:
    """Draw from gamma distributions with a rate of 1.

    Parameters
    ----------
    shape
        Their shapes.
    normal
        Independent normal numbers, ``2 PROPOSALS + 1`` for each.

    Notes
    -----
    Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000: a proposal is a cube of a
    normal number; of a fixed number of them the first that is accepted counts, or else the last. A shape below 1 is
    raised by 1, and the draw multiplied by a power of a uniform number.
    """
    d = torch.where(shape < 1, shape + 1, shape) - 1 / 3
    z, u = normal[..., :PROPOSALS], uniform(normal[..., PROPOSALS:])
    d = d.unsqueeze(-1)
    cube = (1 + z / (3 * d.sqrt())) ** 3
    positive = cube.clamp_min(torch.finfo(cube.dtype).tiny)
    within = u[..., :PROPOSALS].log() < z.square() / 2 + d * (1 - positive + positive.log())
    accepted = (cube > 0) & within
    accepted[..., -1] = True
    first = accepted.int().argmax(dim=-1, keepdim=True)
    drawn = (d * positive).gather(-1, first).squeeze(-1)
    return torch.where(shape < 1, drawn * u[..., -1] ** (1 / shape), drawn)


def poisson(rate: Float[Tensor, "*S"], normal: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Draw from Poisson distributions: the quantile at the level of a normal number, found by bisection.

    Rates are at most ``LARGEST_RATE``.
    """
    level, rate = uniform(normal), rate.clamp_max(LARGEST_RATE)
    reach = 12 * rate.sqrt() + 32
    below, above = (rate - reach).clamp_min(-1).floor(), (rate + reach).ceil()
    while bool((above - below > 1).any()):
        middle = ((below + above) / 2).floor()
        enough = (middle >= 0) & (torch.special.gammaincc(middle.clamp_min(0) + 1, rate) >= level)
        below, above = torch.where(enough, below, middle), torch.where(enough, middle, above)
    return above
