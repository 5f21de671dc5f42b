"""From facts and evidence to a ranking."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.layers.checks import require_at_least
from darts_tsformers.models._series import check_finite
from darts_tsformers.recommendation.evidence import COMPONENTS, LENGTH, WINDOWS, Evidence, measured
from darts_tsformers.recommendation.facts import Facts, measure
from darts_tsformers.recommendation.rules import RULES, Rule

EPOCHS = 10
"""For which the time of training is estimated."""


class Candidate(NamedTuple):
    """A model by the name of its class, as it was measured."""

    model: str
    arguments: Mapping[str, Any]
    goes_by_component: bool = False
    """Whether every component is a series of its own to it, so that its time grows with their number."""


CANDIDATES = {
    "PatchTST": Candidate("PatchTSTModel", {}, goes_by_component=True),
    "iTransformer": Candidate("ITransformerModel", {}),
    "Informer, instance norm": Candidate("InformerModel", {"use_instance_norm": True}),
    "LogSparse": Candidate("LogSparseTransformerModel", {"mode": "direct"}),
    "Autoformer": Candidate("AutoformerModel", {}),
    "FEDformer": Candidate("FEDformerModel", {}),
    "TFT": Candidate("TemporalFusionTransformerModel", {}),
}
"""What can be recommended, by its name in the evidence."""

SIMPLER = {
    "DLinear": "Darts' DLinearModel, one component at a time,",
    "NLinear": "Darts' NLinearModel, one component at a time,",
    "last value": "repeating the last value",
    "last season": "repeating the last season",
}
"""What is measured beside them; said where it did better."""


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
        A rough estimate of ten epochs at width 64 on one core of the machine that was measured.
    is_within_budget
        Whether that is less than what was allowed.
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
    """Models by how well they did where the series were alike; ``print`` shows the ranking and its reasons.

    Attributes
    ----------
    ranking
        Models within the budget first, then by ``excess``.
    facts
        What was seen of the series.
    rules
        Which rules hold, in words.
    remarks
        What did better and is simpler.

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
        """Which rules hold, and the figures behind the first choice, in a line."""
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
        lines = [*self.rules, ""]
        for place, one in enumerate(self.ranking, start=1):
            arguments = ", ".join(f"{name}={value!r}" for name, value in one.arguments.items())
            over = "" if one.is_within_budget else ", over the budget"
            seconds = f"about {one.seconds:,.0f} s" if one.seconds >= 1 else "less than a second"
            lines.append(f"{place}. {one.model}({arguments}): {_times(one.excess)}, {seconds}{over}")
            lines += [f"   {reason}" for reason in one.reasons]
        estimated = f"Times are rough: {EPOCHS} epochs at width 64 on one core."
        return "\n".join([*lines, "", *self.remarks, estimated])


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
    are ranked by their errors there. How far to trust that is measured too, in the report of the benchmarks.

    Parameters
    ----------
    series
        What is to be forecast: give what a model would be trained on.
    horizon
        Steps to forecast, at least 1.
    future_covariates
        What is known over the horizon, if anything.
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
        different components or frequencies; if ``horizon`` is below 1, or ``budget_seconds`` is not above 0.

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
    require_at_least(1, horizon=horizon)
    given = checked(series, horizon)
    if budget_seconds is not None and not (isinstance(budget_seconds, int | float) and budget_seconds > 0):
        raise ValueError(f"budget_seconds={budget_seconds!r} must be a number above 0")
    has_future = isinstance(future_covariates, TimeSeries) or bool(future_covariates)
    return rank(measure(given, horizon, has_future=has_future), measured(), budget_seconds)


def checked(series: TimeSeries | Sequence[TimeSeries], horizon: int) -> list[TimeSeries]:
    """Return series that can be looked at together.

    Raises
    ------
    ValueError
        If they cannot.
    """
    given = [series] if isinstance(series, TimeSeries) else list(series) if isinstance(series, Iterable) else [series]
    strange = [one for one in given if not isinstance(one, TimeSeries)]
    if strange or not given:
        kind = type(strange[0] if strange else series).__name__
        raise ValueError(f"series must be a TimeSeries or a sequence of them, not {kind}")
    check_finite(series=given)
    for what, found in {
        "number of components": {one.n_components for one in given},
        "frequency": {one.freq_str if one.has_datetime_index else one.freq for one in given},
    }.items():
        if len(found) > 1:
            raise ValueError(f"series must all have the same {what}, not {' and '.join(sorted(map(str, found)))}")
    longest = max(map(len, given))
    if longest <= horizon:
        raise ValueError(f"series must be longer than horizon={horizon}, the longest has {longest} steps")
    if all(np.isnan(one.values(copy=False)).all() for one in given):
        raise ValueError("series must have values that were observed")
    return given


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
        rules=tuple(rules if speaking else [*rules, "all benchmarks count instead"]),
        remarks=tuple(_remarks(excess, ranking[0].excess)),
    )


def _said(rule: Rule, facts: Facts, evidence: Evidence) -> str:
    measured_there = [name for name in rule.benchmarks if name in evidence.errors]
    return f"{rule.words(facts)}, as in {' and '.join(measured_there) or 'no benchmark that was run'}"


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
    wider = facts.n_components / COMPONENTS if CANDIDATES[name].goes_by_component else 1
    return EPOCHS * evidence.seconds[name] * facts.n_windows / WINDOWS * facts.lookback / LENGTH * wider


def _remarks(excess: Mapping[str, Mapping[str, float]], first: float) -> list[str]:
    """Name what is simpler and did better than the first choice."""
    return [
        f"{words} had {_times(_together(excess, name))} there: try it too"
        for name, words in SIMPLER.items()
        if _together(excess, name) < first
    ]


def _times(excess: float) -> str:
    return "the lowest error" if excess < 1.0005 else f"{excess:.3f} times the lowest error"
