"""From facts and evidence to a ranking."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from darts import TimeSeries

from darts_tsformers.recommendation.evidence import LENGTH, WINDOWS, Evidence, candidates, measured
from darts_tsformers.recommendation.facts import Facts, measure
from darts_tsformers.recommendation.given import check_budget, check_covariates, checked_horizon, checked_series
from darts_tsformers.recommendation.rules import RULES, Rule

EPOCHS = 10
"""For which the time of training is estimated."""


CANDIDATES = candidates()
"""What can be recommended, by its name in the evidence."""

SIMPLER = {
    "DLinear": "Darts' DLinearModel, one component at a time,",
    "NLinear": "Darts' NLinearModel, one component at a time,",
    "last value": "Repeating the last value",
    "last season": "Repeating the last season",
}
"""What is measured beside them; said where it did better."""

SEEN = "What counts of the series, and the benchmarks (data and horizon) that are like it:"
RANKED = (
    "Models by their mean squared error (MSE) there, as a multiple of the lowest that any forecaster had\n"
    "(of several benchmarks, the geometric mean):"
)
LOOKBACKS = (
    "Look-backs were those of the papers, but 96 steps for all on exchange rates: on ETT, weather and illness longer "
    "for PatchTST, DLinear and NLinear than for the others. On ETTm1, weather and prices quick models were trained on "
    "every window, the others on one in three to eight"
)
"""What is printed around any ranking."""


@dataclass(frozen=True)
class Choice:
    """A model and why it stands where it stands.

    Attributes
    ----------
    name
        What it is called in the evidence.
    model
        Name of its class in ``darts_tsformers``.
    arguments
        Arguments of the class without which it is another model. Sizes, look-back and training are not among them:
        those of the benchmarks are in ``benchmarks/accuracy``.
    excess
        Its mean squared error as a multiple of the lowest, the geometric mean over the benchmarks that speak for the
        series.
    seconds
        A rough estimate of ten epochs at width 64 on one core of the machine that was measured; 0 where there is no
        window to train on.
    is_within_budget
        Whether that is at most what was allowed.
    reasons
        The figures behind ``excess``, in words.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> import darts_tsformers
    >>> series = TimeSeries.from_values(np.random.default_rng(0).normal(size=(97, 2)))
    >>> choice = darts_tsformers.recommend(series, horizon=12).best
    >>> choice.excess >= 1
    True
    >>> model = getattr(darts_tsformers, choice.model)(24, 12, **choice.arguments)
    """

    name: str
    model: str
    arguments: Mapping[str, Any]
    excess: float
    seconds: float
    is_within_budget: bool
    reasons: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Recommendation:
    """Models by how well they did on data of the same kind; ``print`` shows the ranking and its reasons.

    Attributes
    ----------
    ranking
        Models within the budget first, then by ``excess``.
    facts
        What was seen of the series.
    rules
        What of the series counts and which benchmarks are like it, in words.
    remarks
        What to know before going by the ranking: whether no window fits, or no model the budget, and what is simpler
        and did better.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import recommend
    >>> found = recommend(TimeSeries.from_values(np.random.default_rng(0).normal(size=(97, 2))), horizon=12)
    >>> found.to_frame().columns.tolist()
    ['excess', 'seconds', 'within budget']
    >>> len(found.ranking), found.facts.n_components
    (7, 2)
    """

    ranking: tuple[Choice, ...]
    facts: Facts
    rules: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def because(self) -> str:
        """What of the series counts, and the figures behind the first choice, in a line."""
        return f"{'; '.join(self.rules)} ({'; '.join(self.best.reasons)})"

    @property
    def best(self) -> Choice:
        """The first of the ranking."""
        return self.ranking[0]

    def to_frame(self) -> pd.DataFrame:
        """Return the ranking as a table, a row a model."""
        rows = [
            {"excess": one.excess, "seconds": one.seconds, "within budget": one.is_within_budget}
            for one in self.ranking
        ]
        return pd.DataFrame(rows, index=pd.Index([one.model for one in self.ranking], name="model"))

    def __str__(self) -> str:
        lines = [SEEN, *(f"- {rule}" for rule in self.rules), "", RANKED]
        for place, one in enumerate(self.ranking, start=1):
            arguments = ", ".join(f"{name}={value!r}" for name, value in one.arguments.items())
            model = f"{one.model} with {arguments}" if arguments else one.model
            over = "" if one.is_within_budget else ", over the budget"
            lines.append(f"{place}. {model}: {_times(one.excess)}; {_training(one.seconds)}{over}")
            lines += [f"   {reason}" for reason in one.reasons]
        times = f"Times are rough: {EPOCHS} epochs at width 64 and a look-back of {self.facts.lookback} on one core"
        return "\n".join([*lines, "", *(f"- {remark}" for remark in (*self.remarks, LOOKBACKS, times))])


def recommend(
    series: TimeSeries | Sequence[TimeSeries],
    horizon: int,
    *,
    future_covariates: TimeSeries | Sequence[TimeSeries] | None = None,
    budget_seconds: float | None = None,
) -> Recommendation:
    """Rank the models by how they did on the benchmarks whose series were like these.

    Nothing is trained. Rules say which benchmarks speak for the series: by its length, its number of components, the
    strength of its season, covariates that are known over the horizon, and the share of missing values. The models
    are ranked by their errors there, at the look-backs of their papers, which differ. How far to trust that is measured
    too, in the report of the benchmarks.

    Parameters
    ----------
    series
        What is to be forecast: give what a model would be trained on.
    horizon
        Steps to forecast, at least 1.
    future_covariates
        What is known over the horizon, if anything: one for all series, or one for each.
    budget_seconds
        What a training may take, above 0; a model that is estimated to take longer goes to the end of the ranking.

    Returns
    -------
    Recommendation
        The ranking, with the figures that it rests on.

    Raises
    ------
    ValueError
        If ``series`` is anything else, or empty, infinite, shorter than horizon and a step, wholly unobserved, or of
        different components or frequencies; if ``horizon`` is below 1, ``future_covariates`` are anything else or not
        as many as the series, or ``budget_seconds`` is not above 0.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers import recommend
    >>> hours = pd.date_range("2024-01-01", periods=5000, freq="h")
    >>> day = np.sin(np.arange(5000) * 2 * np.pi / 24) + np.random.default_rng(0).normal(size=5000) / 3
    >>> found = recommend(TimeSeries.from_times_and_values(hours, day), horizon=48)
    >>> found.rules[0].split(",")[0]
    'a season of 24 steps (strength 0.82)'
    >>> print(found)  # doctest: +SKIP
    """
    horizon = checked_horizon(horizon)
    given = checked_series(series, horizon)
    check_covariates(future_covariates, len(given))
    check_budget(budget_seconds)
    return rank(measure(given, horizon, has_future=future_covariates is not None), measured(), budget_seconds)


def rank(facts: Facts, evidence: Evidence, budget_seconds: float | None = None) -> Recommendation:
    """Rank by evidence; where no benchmark speaks for the series, by all of them."""
    holding = [rule for rule in RULES if rule.holds(facts)]
    speaking = {name: None for rule in holding for name in rule.benchmarks if name in evidence.errors}
    excess = {name: evidence.excess(name) for name in speaking or evidence.errors}
    choices = [_choice(name, facts, evidence, excess, budget_seconds) for name in CANDIDATES]
    ranking = sorted(choices, key=lambda one: (not one.is_within_budget, one.excess))
    rules = [_said(rule, facts, evidence) for rule in holding]
    return Recommendation(
        ranking=tuple(ranking),
        facts=facts,
        rules=tuple(rules if speaking else [*rules, "so all benchmarks that were run count"]),
        remarks=(*_obstacles(facts, ranking, budget_seconds), *_simpler(excess, ranking[0].excess)),
    )


def _said(rule: Rule, facts: Facts, evidence: Evidence) -> str:
    measured_there = [name for name in rule.benchmarks if name in evidence.errors]
    like_it = (
        f", as in {' and '.join(measured_there)}" if measured_there else "; no benchmark like that was run in full"
    )
    return f"{rule.words(facts)}{like_it}"


def _choice(
    name: str, facts: Facts, evidence: Evidence, excess: Mapping[str, Mapping[str, float]], budget: float | None
) -> Choice:
    seconds = _seconds(name, facts, evidence)
    return Choice(
        name=name,
        model=CANDIDATES[name].model,
        arguments=CANDIDATES[name].arguments,
        excess=_together(excess, name),
        seconds=seconds,
        is_within_budget=budget is None or seconds <= budget,
        reasons=tuple(
            f"{benchmark}: MSE {evidence.errors[benchmark][name]:.3f}, {_times(found[name])}"
            for benchmark, found in excess.items()
        ),
    )


def _together(excess: Mapping[str, Mapping[str, float]], name: str) -> float:
    return statistics.geometric_mean(found[name] for found in excess.values())


def _seconds(name: str, facts: Facts, evidence: Evidence) -> float:
    """Scale the epoch that was measured."""
    longer = facts.n_windows / WINDOWS * facts.lookback / LENGTH
    return EPOCHS * evidence.seconds[name] * longer * evidence.growth(name, facts.n_components)


def _obstacles(facts: Facts, ranking: Sequence[Choice], budget: float | None) -> Iterator[str]:
    """Say what stands against training any of the models."""
    if not facts.n_windows:
        yield (
            f"No series has the {facts.lookback + facts.horizon:,} steps of a look-back of {facts.lookback:,} and a "
            f"horizon of {facts.horizon:,}, so there is no window to train on: shorten look-back or horizon"
        )
    if not any(one.is_within_budget for one in ranking):
        quickest = min(ranking, key=lambda one: one.seconds)
        yield (
            f"Every model is over the budget of {budget:g} s; the quickest is {quickest.model}, "
            f"{_training(quickest.seconds)}"
        )


def _simpler(excess: Mapping[str, Mapping[str, float]], first: float) -> list[str]:
    """Name what is simpler and did better than the first choice."""
    return [
        f"{words} had {_times(_together(excess, name))} there and is simpler: try it too"
        for name, words in SIMPLER.items()
        if _together(excess, name) < first
    ]


def _training(seconds: float) -> str:
    if not seconds:
        return "time not estimated"
    return f"about {seconds:,.0f} s to train" if seconds >= 1 else "less than a second to train"


def _times(excess: float) -> str:
    return "the lowest error" if excess < 1.0005 else f"{excess:.3f} times the lowest error"
