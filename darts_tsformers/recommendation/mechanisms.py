"""Which attention mechanism, by what was measured on long series."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple, TypeVar

from darts_tsformers.checks import require_at_least, require_flag

Figures = TypeVar("Figures", "Scored", "Timed")


class Scored(NamedTuple):
    """Errors of a mechanism at one length, by kind of series."""

    length: int
    causal: bool
    mechanism: str
    season_as: str | None
    """The argument that was the season of the series, if any."""
    errors: Mapping[str, float]
    """On the series that all mechanisms at this length were tried on."""


class Timed(NamedTuple):
    """What a training step with a mechanism takes at one length, its time as a share of that with exact attention."""

    length: int
    causal: bool
    mechanism: str
    season_as: str | None
    time: float
    megabytes: float


class Evidence(NamedTuple):
    """What was measured, as ``python -m benchmarks report`` writes it."""

    tasks: list[str]
    """The kinds of series that count."""
    seasonal: list[str]
    """Those that count where there is a season."""
    errors: list[Scored]
    costs: list[Timed]


@dataclass(frozen=True)
class Suggestion:
    """An attention mechanism, and the figures that speak for it.

    Attributes
    ----------
    name
        As registered.
    arguments
        Those that make use of the season; empty for the defaults.
    error
        Mean squared error of a small encoder with this mechanism, as a share of the variance of what it forecasts:
        0 is a perfect forecast, 1 is no better than the mean. The mean over ``errors``.
    errors
        The same for each kind of series.
    error_at
        Steps looked back on when the errors were measured.
    time
        Processor time of a training step of that encoder, as a share of its time with exact attention.
    megabytes
        The most memory that the tensors of such a step take, on 4 windows.
    cost_at
        Steps looked back on when time and memory were measured.

    Examples
    --------
    >>> from darts_tsformers import suggest_attention
    >>> best = suggest_attention(1024, season=24)[0]
    >>> 0 < best.error < 1, best.cost_at
    (True, 1024)
    >>> from darts_tsformers import InformerModel
    >>> model = InformerModel(1024, 96, attention=best.attention)
    """

    name: str
    arguments: Mapping[str, Any]
    error: float
    errors: Mapping[str, float]
    error_at: int
    time: float
    megabytes: float
    cost_at: int

    @property
    def attention(self) -> tuple[str, dict[str, Any]]:
        """What to give a model as ``attention``."""
        return self.name, dict(self.arguments)

    def __str__(self) -> str:
        arguments = "".join(f", {name}={value}" for name, value in self.arguments.items())
        return (
            f"{self.name}{arguments}: error {self.error:.2f} (at {self.error_at:,} steps), {self.time:.2f} of the time "
            f"of exact attention and {self.megabytes:,.0f} MB a training step (at {self.cost_at:,} steps)"
        )


def suggest_attention(length: int, season: int | None = None, causal: bool = False) -> list[Suggestion]:
    """Name the attention mechanisms to try first on long series, with the figures that speak for each.

    The figures are from a suite of generated series whose forecast depends on what happened long before, with the same
    small encoder and the same number of training steps for every mechanism. They are taken at the measured length
    nearest to ``length``, from the series that all mechanisms were tried on there. Nothing is trained here.

    Parameters
    ----------
    length
        Tokens that the attention will see, at least 2: the steps looked back on or, where the model cuts them into
        patches, the patches.
    season
        Tokens after which the series comes back, from 2 to half of ``length``, if it does. Only series with a season
        count then, and mechanisms that take it as an argument are suggested with it.
    causal
        Whether each token may only see those before it.

    Returns
    -------
    list of Suggestion
        The lowest error first. Each one that follows takes less time: a mechanism is left out if another one had an
        error as low in less time.

    Raises
    ------
    ValueError
        If ``length`` or ``season`` is out of range, or ``causal`` is not a bool.

    Notes
    -----
    A small encoder, trained for a short time on generated series, says little about your data: compare the suggestions
    on it.

    Examples
    --------
    >>> from darts_tsformers import suggest_attention
    >>> found = suggest_attention(4096)
    >>> [one.error for one in found] == sorted(one.error for one in found)
    True
    """
    require_at_least(2, length=length)
    require_flag(causal=causal)
    if season is not None:
        require_at_least(2, season=season)
        if season > length // 2:
            raise ValueError(f"season={season} must be at most half of length={length}")
        season = int(season)
    return suggested(measured(), length, season, causal=causal)


def suggested(known: Evidence, length: int, season: int | None, *, causal: bool) -> list[Suggestion]:
    """Return what no other beats in both error and time, the lowest error first."""
    wanted = known.tasks if season is None else known.seasonal
    of_use = [one for one in known.errors if one.causal == causal and (season is not None or one.season_as is None)]
    nearest = _nearest([one for one in of_use if one.errors.keys() & set(wanted)], length)
    tasks = [task for task in wanted if any(task in one.errors for one in nearest)]
    has_all = [one for one in nearest if one.errors.keys() >= set(tasks)]
    costs = _nearest([one for one in known.costs if one.causal == causal], length)
    cost_of = {(one.mechanism, one.season_as): one for one in costs}
    found = [
        _suggestion(one, cost, tasks, season)
        for one in has_all
        if (cost := cost_of.get((one.mechanism, one.season_as)))
    ]
    best: list[Suggestion] = []
    for suggestion in sorted(found, key=lambda one: (one.error, one.time)):
        if not best or suggestion.time < best[-1].time:
            best.append(suggestion)
    return best


def _nearest(known: Sequence[Figures], length: int) -> list[Figures]:
    """Return what was measured at the length nearest to this one, in proportion."""
    at = min((one.length for one in known), key=lambda other: abs(math.log(other / length)), default=None)
    return [one for one in known if one.length == at]


def _suggestion(scored: Scored, timed: Timed, tasks: Sequence[str], season: int | None) -> Suggestion:
    errors = {task: scored.errors[task] for task in tasks}
    return Suggestion(
        name=scored.mechanism,
        arguments={scored.season_as: season} if scored.season_as else {},
        error=statistics.mean(errors.values()),
        errors=errors,
        error_at=scored.length,
        time=timed.time,
        megabytes=timed.megabytes,
        cost_at=timed.length,
    )


@cache
def measured() -> Evidence:
    """Return what the package comes with."""
    stored = json.loads((files(__package__) / "mechanisms.json").read_text(encoding="utf-8"))
    return Evidence(
        tasks=stored["tasks"],
        seasonal=stored["seasonal"],
        errors=[Scored(**one) for one in stored["errors"]],
        costs=[Timed(**one) for one in stored["costs"]],
    )
