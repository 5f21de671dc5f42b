"""How good is the advice? ``recommend`` on the public data sets, with their own figures and as if they were new.

What is stored are the facts that the rules ask for; the ranking is made anew for every report, from the evidence that
the package comes with.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

from darts import TimeSeries

from benchmarks.accuracy.protocol import with_gaps
from benchmarks.accuracy.tasks import TASKS, Task
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.tables import number, table
from benchmarks.core.trial import Trials
from darts_tsformers.recommendation.evidence import measured
from darts_tsformers.recommendation.facts import Facts, measure
from darts_tsformers.recommendation.ranking import rank

NEAR = 1.05
"""As a multiple of the lowest error."""


class Judged(NamedTuple):
    """The first choice for a data set, and its error as a multiple of the lowest that anything had there."""

    benchmark: str
    model: str
    excess: float
    held_out_model: str
    held_out_excess: float


def facts(task: Task) -> dict[str, Any]:
    """Measure the training part."""
    given, future = task.read()
    seen = with_gaps(given, task.hidden) if task.hidden else given
    series = TimeSeries.from_dataframe(seen.frame[: given.train])
    return asdict(measure([series], task.horizon, has_future=future is not None))


def judged(figures: Figures) -> Iterator[Judged]:
    """Ask for each data set that is evidence, with that evidence and without it."""
    evidence = measured()
    of_data = {task.name: task.data for task in TASKS}
    for name, case in figures.get("cases", {}).items():
        same_data = [other for other, data in of_data.items() if data == of_data.get(name)]
        others = evidence.without(same_data)
        if name in evidence.errors and others.errors:
            of_it = Facts(**case["result"])
            errors = evidence.errors[name]
            found = []
            for known in (evidence, others):
                best = rank(of_it, known).best
                found += [best.model, errors[best.name] / min(errors.values())]
            yield Judged(name, *found)


def share_near(which: str) -> Callable[[Figures], float | None]:
    """Return what reads the share of data sets on which the first choice is near the lowest error."""

    def read(figures: Figures) -> float | None:
        found = [getattr(one, which) <= NEAR for one in judged(figures)]
        return sum(found) / len(found) if found else None

    return read


def summary(figures: Figures) -> str:
    """Lay out a row a data set."""
    rows = [
        [one.benchmark, one.model, number(one.excess), one.held_out_model, number(one.held_out_excess)]
        for one in judged(figures)
    ]
    head = ["data set", "first choice", "times the lowest error", "without its own figures", "times the lowest error"]
    return table(head, rows)


BENCHMARKS = [
    Trials(
        name="recommend",
        title="The model that is recommended, and the best",
        cases={task.name: partial(facts, task) for task in TASKS},
        goals=[
            Goal("First choice within 5 % of the lowest error, share of the data sets", share_near("excess"),
                 at_least=2 / 3),
            Goal("The same without a data set's own figures", share_near("held_out_excess"), at_least=2 / 3),
        ],
        summary=summary,
        note="The lowest error is that of all models measured, DLinear, NLinear and naive forecasts among them. The "
        "right half says how good the advice is where the data are new.",
    )
]  # fmt: skip
