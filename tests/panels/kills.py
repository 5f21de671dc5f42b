"""Make and forecast panels, be killed at a random moment, and go on, many times: ``python -m tests.panels.kills``.

Counts what is there after each kill: nothing of what was being made, a part of the files where each is for itself, or
all. Whatever is there must be whole, and the same call must then finish, with the result of one that was never killed.
"""

import argparse
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from darts_tsformers.panels import Panel, fit_panel, forecast_panel
from tests.panels.tables import NAMED, untidy
from tests.panels.test_forecasting import future, patchtst

SERIES_PER_FILE = 4


@dataclass(frozen=True)
class Job:
    """Something to be killed in."""

    name: str
    run: Callable[[Path], object]
    """Makes what is asked for at a path."""
    found: Callable[[Path], str]
    """Returns ``nothing``, ``part`` or ``all``, and raises where anything is not whole."""


def jobs(folder: Path) -> list[Job]:
    """Return the jobs; what they have in common is made in the folder."""
    table = untidy(23, seed=2, least=17).fillna({"units": 0.0, "price": 0.0, "visits": 0.0}).pipe(future)
    late = table.assign(shop=table["shop"] + " new")
    built = Panel.from_pandas(table, store=folder / "built", **NAMED)
    both = built.append(late, store=folder / "both")
    model = fit_panel(patchtst(), built)
    forecast_panel(model, built, 3, out=folder / "forecasts", series_per_file=SERIES_PER_FILE)
    forecasts = {path.name: pq.read_table(path) for path in (folder / "forecasts").glob("*.parquet")}

    def whole(expected: Panel) -> Callable[[Path], str]:
        def found(path: Path) -> str:
            built.verify()
            if not path.exists():
                return "nothing"
            panel = Panel(path)
            panel.verify()
            assert panel.schema.checksum == expected.schema.checksum
            return "all"

        return found

    def forecast(path: Path) -> str:
        there = {one.name: pq.read_table(one) for one in path.glob("*.parquet")}
        assert all(forecasts[name].equals(rows) for name, rows in there.items())
        return "all" if len(there) == len(forecasts) else "part" if there else "nothing"

    return [
        Job("build", lambda path: Panel.from_pandas(table, store=path, **NAMED), whole(built)),
        Job("append", lambda path: built.append(late, store=path), whole(both)),
        Job(
            "forecast",
            lambda path: forecast_panel(model, built, 3, out=path, series_per_file=SERIES_PER_FILE),
            forecast,
        ),
    ]


def kill_once(job: Job, path: Path, moment: float) -> str:
    """Let a process work, kill it after a time, look at what is there, and let another finish."""
    context = multiprocessing.get_context("fork")
    has_begun = context.Event()

    def work() -> None:
        has_begun.set()
        job.run(path)

    worker = context.Process(target=work)
    worker.start()
    has_begun.wait()
    time.sleep(moment)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.join()
    found = job.found(path)
    if found != "all":
        job.run(path)
    assert job.found(path) == "all"
    return found


def main() -> int:
    """Kill as often as asked for in each job, and say what was there afterwards."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=int, default=12, help="for each of the three jobs")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tempfile.tempdir = name
        for job in jobs(folder):
            begun = time.perf_counter()
            job.run(folder / job.name)
            longest = 5 * (time.perf_counter() - begun)
            found = Counter(
                kill_once(job, folder / f"{job.name} {i}", rng.uniform(0, longest)) for i in range(arguments.times)
            )
            print(f"{job.name}: {', '.join(f'{what}: {count}' for what, count in found.most_common())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
