"""The mixture of a Student-t, a narrow normal, a negative binomial and a log-normal distribution."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.layers.mixture.drawing import PROPOSALS, gamma, poisson, uniform

N_COMPONENTS = 4
NARROW = 1e-3
"""Deviation of the narrow normal distribution."""
NORMALS = 2 * PROPOSALS + 4
"""How many normal numbers a draw takes."""


class Mixture(NamedTuple):
    r"""A mixture for each value.

    .. math:: p(y) = \sum_c w_c\, p_c(y)

    A component whose support does not hold ``y`` has no part in the density, and the others' weights stay: below zero,
    the negative binomial and the log-normal are left out.

    Attributes
    ----------
    log_weights
        Logarithms of the weights, of the components in their order.
    df, t_loc, t_scale
        Of the Student-t distribution.
    normal_loc
        Of the narrow normal distribution.
    total_count, logits
        Of the negative binomial: a Poisson whose rate is gamma-distributed with the shape ``total_count`` and the scale
        ``exp(logits)``. Its density is that of real numbers too.
    log_loc, log_scale
        Of the log-normal distribution.

    Notes
    -----
    Woo et al., "Unified Training of Universal Time Series Forecasting Transformers", ICML 2024 (arXiv 2402.02592),
    appendix B.2.
    """

    log_weights: Float[Tensor, "*S 4"]
    df: Float[Tensor, "*S"]
    t_loc: Float[Tensor, "*S"]
    t_scale: Float[Tensor, "*S"]
    normal_loc: Float[Tensor, "*S"]
    total_count: Float[Tensor, "*S"]
    logits: Float[Tensor, "*S"]
    log_loc: Float[Tensor, "*S"]
    log_scale: Float[Tensor, "*S"]

    @property
    def mean(self) -> Float[Tensor, "*S"]:
        """Return the expected value."""
        of_log = (self.log_loc + self.log_scale.square() / 2).exp()
        means = (self.t_loc, self.normal_loc, self.total_count * self.logits.exp(), of_log)
        return (self.log_weights.exp() * torch.stack(means, dim=-1)).sum(-1)

    def log_prob(self, y: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        """Return the logarithm of the density."""
        densities = (
            self._student(y),
            _normal((y - self.normal_loc) / NARROW) - math.log(NARROW),
            self._binomial(y.clamp_min(0)).masked_fill(y < 0, -torch.inf),
            self._log_normal(torch.where(y > 0, y, 1)).masked_fill(y <= 0, -torch.inf),
        )
        return (self.log_weights + torch.stack(densities, dim=-1)).logsumexp(-1)

    def _student(self, y: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        z = (y - self.t_loc) / self.t_scale
        constant = torch.lgamma((self.df + 1) / 2) - torch.lgamma(self.df / 2) - (self.df * math.pi).log() / 2
        return constant - self.t_scale.log() - (self.df + 1) / 2 * torch.log1p(z.square() / self.df)

    def _binomial(self, y: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        n_ways = torch.lgamma(self.total_count + y) - torch.lgamma(1 + y) - torch.lgamma(self.total_count)
        return n_ways + self.total_count * F.logsigmoid(-self.logits) + y * F.logsigmoid(self.logits)

    def _log_normal(self, y: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
        return _normal((y.log() - self.log_loc) / self.log_scale) - self.log_scale.log() - y.log()

    def draw(self, normal: Float[Tensor, "*S n"]) -> Float[Tensor, "*S"]:
        """Draw one value of each; the same numbers draw the same value.

        Parameters
        ----------
        normal
            Independent normal numbers, ``NORMALS`` for each.
        """
        z, which, count, *_ = normal.unbind(-1)
        borders = self.log_weights[..., :-1].exp().cumsum(-1)
        component = (uniform(which).unsqueeze(-1) > borders).sum(-1)
        is_count = component == 2
        drawn = gamma(torch.where(is_count, self.total_count, self.df / 2), normal[..., 3:])
        out = torch.where(component == 1, self.normal_loc + NARROW * z, (self.log_loc + self.log_scale * z).exp())
        out = torch.where(component == 0, self.t_loc + self.t_scale * z / (2 * drawn / self.df).sqrt(), out)
        rate = (drawn[is_count].log() + self.logits[is_count]).exp()
        return out.masked_scatter(is_count, poisson(rate, count[is_count]))


def _normal(z: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    return -z.square() / 2 - math.log(2 * math.pi) / 2
