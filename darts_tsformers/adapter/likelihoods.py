"""What each parameter of a Darts likelihood means, so that instance normalisation can be undone for it."""

from collections.abc import Sequence

from darts.utils.likelihood_models.base import LikelihoodType
from darts.utils.likelihood_models.torch import TorchLikelihood
from torch import Tensor

RULES: dict[LikelihoodType, Sequence[str]] = {
    LikelihoodType.Gaussian: ("location", "scale"),
    LikelihoodType.Laplace: ("location", "scale"),
    LikelihoodType.Cauchy: ("location", "scale"),
    LikelihoodType.Gumbel: ("location", "scale"),
    LikelihoodType.LogNormal: ("log_magnitude", "unchanged"),
    LikelihoodType.HalfNormal: ("magnitude",),
    LikelihoodType.Exponential: ("inverse_magnitude",),
    LikelihoodType.Gamma: ("unchanged", "inverse_magnitude"),
    LikelihoodType.Weibull: ("magnitude", "unchanged"),
    LikelihoodType.Poisson: ("count",),
    LikelihoodType.NegativeBinomial: ("count", "unchanged"),
    LikelihoodType.Geometric: ("count_log_odds",),
    LikelihoodType.Bernoulli: ("log_odds",),
    LikelihoodType.ContinuousBernoulli: ("log_odds",),
    LikelihoodType.Beta: ("share", "complement"),
    LikelihoodType.Dirichlet: ("log_weight",),
}
"""Rules of :mod:`darts_tsformers.window.restore`, one for each raw output, in the likelihood's order."""

WITHOUT_UNIT = frozenset({"count", "count_log_odds", "log_odds", "share", "complement", "log_weight"})
"""Rules of families that speak of numbers as they are: of counts, and of shares of 1."""


def restore_rules(likelihood: TorchLikelihood | None) -> tuple[str, ...]:
    """Return the rule for each raw output of the network.

    Raises
    ------
    ValueError
        If the family of the likelihood is not known.
    """
    if likelihood is None:
        return ("location",)
    if likelihood.type is LikelihoodType.Quantile:
        return ("location",) * likelihood.num_parameters
    if likelihood.type not in RULES:
        known = sorted([LikelihoodType.Quantile.name, *(family.name for family in RULES)])
        raise ValueError(
            f"likelihood={likelihood!r} cannot be combined with use_instance_norm=True: how its parameters scale with "
            f"the data is not known; choose one of {known} or use_instance_norm=False"
        )
    return tuple(RULES[likelihood.type])


def has_unit(likelihood: TorchLikelihood | None) -> bool:
    """Whether a likelihood means the same in any unit of the target; not for counts and shares, nor if not known."""
    if likelihood is None or likelihood.type is LikelihoodType.Quantile:
        return True
    return likelihood.type in RULES and WITHOUT_UNIT.isdisjoint(RULES[likelihood.type])


def in_order(likelihood: TorchLikelihood | None, output: Tensor) -> Tensor:
    """Put quantiles in order, ``(B, H, C, Q)``, which nothing in a network sees to; leave all else as it is."""
    if likelihood is None or likelihood.type is not LikelihoodType.Quantile:
        return output
    return output.sort(dim=-1).values


def expected_value(likelihood: TorchLikelihood | None, output: Tensor) -> Tensor:
    """Return what a likelihood expects, ``(B, H, C, Q) -> (B, H, C)``: its mean, or its median where it has none."""
    if likelihood is None:
        return output[..., 0]
    if likelihood.type is LikelihoodType.Quantile:
        return output[..., output.shape[-1] // 2]  # an odd number of quantiles, symmetric about the median
    if likelihood.type is LikelihoodType.Cauchy:
        return output[..., 0]
    known, lost = _known(output)
    expected: Tensor = likelihood._distr_from_params(likelihood._params_from_output(known)).mean
    return expected.masked_fill(lost, float("nan"))


def drawn(likelihood: TorchLikelihood, output: Tensor) -> Tensor:
    """Draw a sample, ``(B, H, C, Q) -> (B, H, C)``: NaN where a parameter is lost, of which torch would not draw."""
    known, lost = _known(output)
    sample: Tensor = likelihood.sample(known)
    return sample.masked_fill(lost, float("nan"))


def _known(output: Tensor) -> tuple[Tensor, Tensor]:
    """Put zeros, which every likelihood knows, in place of lost parameters; tell where one was lost."""
    lost = ~output.isfinite().all(dim=-1)
    return output.masked_fill(lost.unsqueeze(-1), 0.0), lost


def n_levels(likelihood: TorchLikelihood | None) -> int:
    """Return how many raw outputs, the first ones, are a level of the target, which a trend could be added to.

    None where the first is the logarithm of one, the inverse of one, or the log-odds of a share.
    """
    if likelihood is None:
        return 1
    if likelihood.type is LikelihoodType.Quantile:
        return int(likelihood.num_parameters)
    first = next(iter(RULES.get(likelihood.type, ())), None)
    return 1 if first in ("location", "magnitude", "count") else 0


def level_index(likelihood: TorchLikelihood | None) -> int:
    """Return the parameter that says where the target will be, in its own units: the mean, or the median.

    Raises
    ------
    ValueError
        If there is none, as for counts and shares.
    """
    rules = restore_rules(likelihood)
    if rules[0] != "location":
        raise ValueError(f"likelihood={likelihood!r} has no location in the units of the target to have a trend")
    return n_levels(likelihood) // 2
