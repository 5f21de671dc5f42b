"""Which benchmarks speak for a series: each rule says when, and names those that it rests on."""

from collections.abc import Callable
from typing import NamedTuple

from darts_tsformers.recommendation.facts import Facts

FEW_STEPS = 2000
MANY_COMPONENTS = 15
WEAK_SEASON = 0.1
LONG_SEASON = 48
MANY_MISSING = 0.05


class Rule(NamedTuple):
    """When benchmarks speak for a series, in code and in words."""

    holds: Callable[[Facts], bool]
    words: Callable[[Facts], str]
    benchmarks: tuple[str, ...]


def has_enough(facts: Facts) -> bool:
    """Whether there are steps to learn more from than a handful of seasons."""
    return facts.n_steps >= FEW_STEPS


def is_seasonal(facts: Facts) -> bool:
    """Whether there is a season, and enough to learn it from."""
    return has_enough(facts) and facts.seasonal_strength >= WEAK_SEASON


def _hardly_seasonal(facts: Facts) -> str:
    if facts.season == 1:
        return "no season that the frequency would tell"
    return f"hardly any season of {facts.season} steps (strength {facts.seasonal_strength:.2f}, below {WEAK_SEASON})"


RULES = (
    Rule(
        lambda facts: not has_enough(facts),
        lambda facts: f"{facts.n_steps:,} steps to learn from are few (fewer than {FEW_STEPS:,})",
        ("national_illness 24",),
    ),
    Rule(
        lambda facts: has_enough(facts) and not is_seasonal(facts),
        _hardly_seasonal,
        ("exchange_rate 96",),
    ),
    Rule(
        lambda facts: is_seasonal(facts) and facts.season <= LONG_SEASON,
        lambda facts: f"a season of {facts.season} steps (strength {facts.seasonal_strength:.2f})",
        ("ETTh1 96", "ETTh2 96"),
    ),
    Rule(
        lambda facts: is_seasonal(facts) and facts.season > LONG_SEASON,
        lambda facts: f"a long season of {facts.season} steps (strength {facts.seasonal_strength:.2f})",
        ("ETTm1 96", "weather 96"),
    ),
    Rule(
        lambda facts: facts.n_components >= MANY_COMPONENTS,
        lambda facts: f"{facts.n_components} components are many (at least {MANY_COMPONENTS})",
        ("weather 96",),
    ),
    Rule(
        lambda facts: facts.has_future,
        lambda _: "covariates are known over the horizon",
        ("epf_NP 24", "epf_PJM 24", "epf_BE 24"),
    ),
    Rule(
        lambda facts: facts.missing_share >= MANY_MISSING,
        lambda facts: f"{facts.missing_share:.0%} of the values are missing (at least {MANY_MISSING:.0%})",
        ("ETTh1 96 with gaps",),
    ),
)
"""Exactly one of the first four holds for any series."""
