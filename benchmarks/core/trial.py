"""Benchmarks that are run once a case and come back with a result: accuracy, and what needs a process to itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.core.environment import circumstances
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.process import BrokenCaseError, Ceilings, OverCeilingError, once
from benchmarks.core.store import load, update

Result = dict[str, Any]


@dataclass(frozen=True)
class Trials:
    """Cases each of which is run to its end in a process of its own, and returns figures."""

    name: str
    title: str
    cases: Mapping[str, Callable[[], Result]] = field(hash=False)
    """By name; functions of a module, or partials of them."""
    goals: Sequence[Goal] = ()
    threads: int = 1
    seconds: float = 3600.0
    gigabytes: float = 8.0
    columns: Sequence[str] = ()
    """What the report shows of the results; all numbers unless given."""
    note: str = ""
    processor_only: bool = False
    """Whether it is left out on other devices: what it measures is a processor's."""
    summary: Callable[[Figures], str] | None = field(default=None, hash=False)
    """Lays the results out for the report; by default every case is a row."""
    picture: Callable[[Figures, Path], None] | None = field(default=None, hash=False)
    """Draws the results into a file for the report, if there is something to see."""


def run(trials: Trials, path: Path, *, only: str = "*", device: str = "cpu") -> Iterator[tuple[str, Result]]:
    """Run the cases named so that the file does not hold yet, and keep each there; yield name and outcome.

    What broke a ceiling is not tried again, what raised is.
    """
    for name, case in trials.cases.items():
        if not fnmatch(name, only) or load(path).get("cases", {}).get(name, {}).keys() & {"result", "over"}:
            continue
        began = circumstances(device)
        try:
            ceilings = Ceilings(trials.seconds, trials.gigabytes)
            outcome: Result = {"result": once(case, threads=trials.threads, device=device, ceilings=ceilings)}
        except OverCeilingError as error:
            outcome = {"over": str(error)}
        except BrokenCaseError as error:
            outcome = {"broken": str(error)}
        yield name, _keep(path, trials, name, began | outcome)


def _keep(path: Path, trials: Trials, name: str, outcome: Result) -> Result:
    """Put an outcome into the file, unless another run put a result there meanwhile; return the one that is there."""

    def change(results: dict[str, Any]) -> dict[str, Any]:
        known = dict(results.get("cases", {}))
        if "result" not in known.get(name, {}):
            known[name] = outcome
        ordered = {one: known[one] for one in [*trials.cases, *known] if one in known}
        return results | {"title": trials.title, "cases": ordered}

    return update(path, change)["cases"][name]
