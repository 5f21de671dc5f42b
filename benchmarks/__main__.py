"""Run benchmarks and report on them.

    python -m benchmarks list
    python -m benchmarks run --only informer 'auto_*'
    python -m benchmarks run --only 'accuracy_*' --cases '*seed 1'
    python -m benchmarks report

A run goes on where the last one stopped: what the files in benchmarks/results hold already is not measured again. The
tests hold the figures of slice, slice_references and slice_definitions: to move one, delete its file and run it anew.
"""

import argparse
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.core import race, trial
from benchmarks.core.figures import of_case
from benchmarks.core.process import MissingError
from benchmarks.core.speed import Speed
from benchmarks.core.store import RESULTS, load, save
from benchmarks.core.trial import Trials
from benchmarks.registry import BENCHMARKS

REPORT = Path(__file__).parent / "report"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="measure what is not measured yet")
    run.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help="names, with * for any part")
    run.add_argument("--cases", default="*", metavar="NAME", help="of what is run once a case, such as '*seed 1'")
    run.add_argument("--device", default="cpu")
    run.add_argument("--repeats", type=int, help="turns of each case; by default the benchmark's own")
    run.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    run.set_defaults(command=run_all)
    report = commands.add_parser("report", help="write the report from the results, and what the README says")
    report.add_argument("--device", default="cpu")
    report.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    report.add_argument("--out", type=Path, default=REPORT, metavar="FOLDER")
    report.set_defaults(command=write_report)
    commands.add_parser("list", help="name the benchmarks").set_defaults(command=list_all)
    arguments = parser.parse_args()
    arguments.command(arguments)


def list_all(_: argparse.Namespace) -> None:
    for benchmark in BENCHMARKS.values():
        print(f"{benchmark.name:32s}{benchmark.title}")


def write_report(arguments: argparse.Namespace) -> None:
    """Write the report, and into the package's own files what they have of it."""
    from benchmarks import evidence, headline
    from benchmarks.core.report import write

    results, out = arguments.results / arguments.device, arguments.out / arguments.device
    is_ours = results.resolve() == RESULTS / "cpu"
    if is_ours:
        save(evidence.SHIPPED, evidence.collect(results))
    write(BENCHMARKS.values(), results, out, headline=headline.headline, goals=headline.GOALS)
    if is_ours:
        found = {name: load(results / f"{name}.json") for name in BENCHMARKS}
        headline.README.write_text(headline.filled(headline.README.read_text(), found))


def run_all(arguments: argparse.Namespace) -> None:
    chosen = [one for one in BENCHMARKS.values() if any(fnmatch(one.name, pattern) for pattern in arguments.only)]
    if not chosen:
        raise SystemExit(f"--only {' '.join(arguments.only)} must match one of {', '.join(BENCHMARKS)}")
    for benchmark in chosen:
        try:
            _run_one(benchmark, arguments)
        except MissingError as error:
            raise SystemExit(f"{benchmark.name}: {error}") from None


def _run_one(benchmark: Speed | Trials, arguments: argparse.Namespace) -> None:
    path = arguments.results / arguments.device / f"{benchmark.name}.json"
    if isinstance(benchmark, Speed):
        for point in race.run(benchmark, path, device=arguments.device, repeats=arguments.repeats):
            print(benchmark.name, *(f"{name} {value}" for name, value in point["size"].items()), flush=True)
            for name in point["cases"]:
                print(f"    {name:40s}", _in_words(point, name), flush=True)
    else:
        for name, outcome in trial.run(benchmark, path, only=arguments.cases, device=arguments.device):
            print(benchmark.name, name, outcome, flush=True)


def _in_words(point: dict[str, Any], case: str) -> str:
    outcome = point["cases"][case]
    for what in ("over", "broken"):
        if what in outcome:
            return f"{what}: {outcome[what]}"
    time, memory = (of_case(point, what, case) for what in ("time", "memory"))
    return f"{time:12.2f} ms" + ("" if memory is None else f"{memory:12.1f} MB")


if __name__ == "__main__":
    main()
