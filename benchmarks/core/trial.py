"""Benchmarks that are run once a case and come back with a result: accuracy, and what needs a process to itself."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.core.environment import environment, moment
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.process import BrokenCaseError, Ceilings, OverCeilingError, once
from benchmarks.core.store import load, save

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
    summary: Callable[[Figures], str] | None = field(default=None, hash=False)
    """Lays the results out for the report; by default every case is a row."""


def run(trials: Trials, path: Path, *, only: str = "*", device: str = "cpu") -> Iterator[tuple[str, Result]]:
    """Run the cases named so that the file does not hold yet, and keep each there; yield name and outcome."""
    known = load(path).get("cases", {})
    for name, case in trials.cases.items():
        if "result" in known.get(name, {}) or not fnmatch(name, only):
            continue
        began = moment()
        try:
            ceilings = Ceilings(trials.seconds, trials.gigabytes)
            outcome: Result = {"result": once(case, threads=trials.threads, device=device, ceilings=ceilings)}
        except OverCeilingError as error:
            outcome = {"over": str(error)}
        except BrokenCaseError as error:
            outcome = {"broken": str(error)}
        known[name] = began | outcome
        ordered = {one: known[one] for one in [*trials.cases, *known] if one in known}
        save(path, {"title": trials.title, "environment": environment(device), "cases": ordered})
        yield name, known[name]
