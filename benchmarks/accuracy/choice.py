"""How good is the advice? ``recommend`` on the public data sets, with their own figures and as if they were new.

What is stored are the facts that the rules ask for; the ranking is made anew for every report, from the evidence that
the package comes with.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

from darts import TimeSeries

from benchmarks.accuracy.tasks import TASKS, Task
from benchmarks.core.figures import by_model
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.store import RESULTS, load
from benchmarks.core.tables import table
from benchmarks.core.trial import Trials
from darts_tsformers.recommendation.evidence import measured
from darts_tsformers.recommendation.facts import Facts, measure
from darts_tsformers.recommendation.ranking import CANDIDATES, SIMPLER, rank

NEAR = 1.05
"""As a multiple of the lowest error."""
SLIGHT = 0.0005
"""A gain of less is none."""


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
    series = TimeSeries.from_dataframe(task.observed(given).frame[: given.train])
    return asdict(measure([series], task.horizon, has_future=future is not None))


def judged(figures: Figures) -> Iterator[Judged]:
    """Ask for each data set that is evidence, with that evidence and without it."""
    evidence = measured()
    of_data = {task.name: task.data for task in TASKS}
    for name, case in figures.get("cases", {}).items():
        same_data = [other for other, data in of_data.items() if data == of_data.get(name)]
        others = evidence.without(same_data)
        if "result" in case and name in evidence.errors and others.errors:
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


def constant(benchmarks: Iterable[str]) -> tuple[str, list[float]]:
    """Return the model that does best if it is named for all these data sets, and its multiples of the lowest error."""
    excess = [measured().excess(name) for name in benchmarks]
    best = min(CANDIDATES, key=lambda name: statistics.geometric_mean(found[name] for found in excess))
    return CANDIDATES[best].model, [found[best] for found in excess]


def left_out(figures: Figures) -> Iterator[str]:
    """Name the data sets that nothing is judged on, each with the reason."""
    for task in TASKS:
        if task.name not in measured().errors:
            found = by_model(load(RESULTS / "cpu" / f"{task.file}.json"))
            lacking = [name for name in (*CANDIDATES, *SIMPLER) if name not in found]
            yield f"{task.name}: no figure of {'; '.join(lacking) if found else 'any model'}"
        elif "result" not in figures.get("cases", {}).get(task.name, {}):
            yield f"{task.name}: what the rules ask of it was not measured"


def summary(figures: Figures) -> str:
    """Lay out a row a data set, what all come to, and what is left out."""
    asked = list(judged(figures))
    others = "\n".join(f"- {one}" for one in left_out(figures))
    sections = [beside_constant(asked) if asked else "", f"Not judged yet:\n\n{others}" if others else ""]
    return "\n\n".join(section for section in sections if section)


def beside_constant(asked: Sequence[Judged]) -> str:
    """Tabulate the advice beside always naming the same model, and say what is between them."""
    model, always = constant(one.benchmark for one in asked)
    rows = [
        [one.benchmark, one.model, f"{one.excess:.3f}", one.held_out_model, f"{one.held_out_excess:.3f}", f"{same:.3f}"]
        for one, same in zip(asked, always, strict=True)
    ]
    columns = [[one.excess for one in asked], [one.held_out_excess for one in asked], always]
    for what, of in (("geometric mean", _mean), (f"at most {NEAR}", _near)):
        first, held_out, same = map(of, columns)
        rows.append([what, "", first, "", held_out, same])
    head = ["data set", "first choice", "times the lowest error", "without its own figures", "times the lowest error"]
    others = sum(one.held_out_model != model for one in asked)
    gain = 1 - statistics.geometric_mean(columns[1]) / statistics.geometric_mean(always)
    worth = f"makes errors {abs(gain):.1%} {'smaller' if gain > 0 else 'larger'} in the mean"
    said = (
        f"Without a data set's own figures the advice is another than {model} for {others} of {len(asked)}; beside "
        f"always naming it that {worth if abs(gain) >= SLIGHT else 'makes no difference'}."
    )
    return "\n\n".join([table([*head, f"always {model}"], rows), said])


def _mean(excess: Sequence[float]) -> str:
    return f"{statistics.geometric_mean(excess):.3f}"


def _near(excess: Sequence[float]) -> str:
    return f"{sum(one <= NEAR for one in excess)} of {len(excess)}"


NOTE = (
    "The lowest error is that of all models measured, DLinear, NLinear and naive forecasts among them. With its own "
    "figures the advice looks up what is then judged: the columns without them are the test, though the rules were "
    "written when all these were known, and some are alike (the two of ETTh, the three of prices). The last column "
    "takes no advice: it is the one model that comes off best if it is named for all, and what advice has to beat. "
    "Look-backs differ, as published: PatchTST, DLinear and NLinear look back on 336 steps of ETT and weather and on "
    "104 of illness, the others on 96 and 36; on exchange rates and prices all look back equally far. On ETTm1, "
    "weather and prices some models were trained on every window and others on one in three to eight, as their tables "
    "say. A data set is judged once it has figures of all that can be recommended and of what is simpler."
)
BENCHMARKS = [
    Trials(
        name="recommend",
        title="The model that is recommended, and the best",
        cases={task.name: partial(facts, task) for task in TASKS},
        goals=[
            Goal("First choice within 5 % of the lowest error, its figures known, share of the data sets",
                 share_near("excess"), at_least=2 / 3),
            Goal("The same without a data set's own figures", share_near("held_out_excess"), at_least=2 / 3),
        ],
        summary=summary,
        note=NOTE,
    )
]  # fmt: skip
