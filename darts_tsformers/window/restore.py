"""How the raw output for one likelihood parameter goes back from normalised to data units.

A network that sees normalised windows speaks in normalised units. What has to be undone depends on what a parameter
means: a location moves with level and spread, a scale with the spread only, a rate with its inverse. A likelihood maps
the raw output to its parameter itself (softplus for a positive one, sigmoid for a probability), so each rule acts on
the raw value in such a way that the *parameter* moves as it should.

Rules for families without a location (counts, positive values, shares) take the window's magnitude or mean as the
parameter's unit, as DeepAR does (Salinas et al. 2020, section 3.3). A window of zeros has neither spread nor magnitude:
there the unit is that of the training part, for a scale of next to nothing would make any other value that follows all
but impossible. One that is constant elsewhere has a small share of its magnitude.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.window.instance_norm import Statistics

Raw: TypeAlias = Float[Tensor, "B H C"]
Rule: TypeAlias = Callable[[Raw, Statistics], Raw]

_TINY = 1e-6
_LOW, _HIGH = -15.0, 3.0  # below e^-15 softplus(x) is e^x, above e^3 it is x, to the last bit that matters


def location(raw: Raw, s: Statistics) -> Raw:
    """Mean, median, quantile: ``p -> p * spread + level``."""
    return raw * s.spread + s.level


def scale(raw: Raw, s: Statistics) -> Raw:
    """Positive scale behind a softplus: ``p -> p * spread``."""
    return _softplus_times(raw, s.unless_zero(s.size.abs()))


def magnitude(raw: Raw, s: Statistics) -> Raw:
    """Positive size behind a softplus: ``p -> p * magnitude``."""
    return _softplus_times(raw, s.unless_zero(s.magnitude))


def count(raw: Raw, s: Statistics) -> Raw:
    """Count expected, behind a softplus: ``p -> p * (1 + magnitude)``, so that an all-zero window can be left."""
    return _softplus_times(raw, 1 + s.magnitude)


def inverse_magnitude(raw: Raw, s: Statistics) -> Raw:
    """Rate behind a softplus: ``p -> p / magnitude``."""
    return _softplus_times(raw, 1 / s.unless_zero(s.magnitude))


def log_magnitude(raw: Raw, s: Statistics) -> Raw:
    """Mean of the logarithm: ``p -> p + log(magnitude)``."""
    return raw + s.unless_zero(s.magnitude).log()


def log_weight(raw: Raw, s: Statistics) -> Raw:
    """Logarithm of a weight among those of all components; next to none where the window is all zeros."""
    return raw + s.magnitude.clamp_min(_TINY).log()


def log_odds(raw: Raw, s: Statistics) -> Raw:
    """Probability behind a sigmoid: its log-odds start from those of the window's mean."""
    return raw + torch.logit(s.mean, eps=1e-3)


def count_log_odds(raw: Raw, s: Statistics) -> Raw:
    """Probability ``1 / (1 + mean)`` of a geometric count, behind a sigmoid."""
    return raw - (1 + s.magnitude).log()


def share(raw: Raw, s: Statistics) -> Raw:
    """Positive weight of the window's mean in the unit interval, behind a softplus."""
    return _softplus_times(raw, 2 * s.mean.clamp(1e-3, 1 - 1e-3))


def complement(raw: Raw, s: Statistics) -> Raw:
    """Positive weight of one minus the window's mean, behind a softplus."""
    return _softplus_times(raw, 2 - 2 * s.mean.clamp(1e-3, 1 - 1e-3))


def unchanged(raw: Raw, s: Statistics) -> Raw:  # noqa: ARG001 - all rules share one signature
    """Shape parameter without a unit."""
    return raw


RULES: dict[str, Rule] = {
    rule.__name__: rule
    for rule in (
        location,
        scale,
        magnitude,
        count,
        inverse_magnitude,
        log_magnitude,
        log_weight,
        log_odds,
        count_log_odds,
        share,
        complement,
        unchanged,
    )
}


def restore(output: Float[Tensor, "B H C Q"], s: Statistics, rules: Sequence[str]) -> Float[Tensor, "B H C Q"]:
    """Apply ``rules[q]`` to parameter ``q``."""
    if set(rules) == {"location"}:
        return output * s.spread.unsqueeze(-1) + s.level.unsqueeze(-1)
    return torch.stack([RULES[rule](raw, s) for rule, raw in zip(rules, output.unbind(-1), strict=True)], dim=-1)


def _softplus_times(raw: Raw, factor: Tensor) -> Raw:
    """Find the value whose softplus is ``factor`` times that of ``raw``; by a factor of 1, ``raw`` to the bit."""
    raw = raw.to(factor.dtype)
    bounded = F.softplus(raw.clamp_min(_LOW))
    log_y = torch.where(raw < _LOW, raw, bounded.log()) + factor.log()
    middle = log_y.clamp(_LOW, _HIGH).exp().expm1().log()
    scaled = torch.where(log_y < _LOW, log_y, torch.where(log_y > _HIGH, bounded * factor, middle))
    return torch.where(factor == 1, raw, scaled)
