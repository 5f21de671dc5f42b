"""Run benchmarks and report on them.

    python -m benchmarks list
    python -m benchmarks run --only informer 'auto_*'
    python -m benchmarks run --only 'accuracy_*' --cases '*seed 1'
    python -m benchmarks report
    python -m benchmarks prove

A run goes on where the last one stopped: what the files in benchmarks/results hold already is not measured again, nor
is a case that broke a ceiling; to have either anew, delete it there. Several runs may write at a time. A run in which
a case raised ends with status 1.

The boards are valid only if their seasonal naive comes out as published. `prove` checks all configurations; each case
checks its own before it trains.

The data sets are read from the folder that the environment variable DARTS_TSFORMERS_DATA names. The tests hold the
figures of slice, slice_references and slice_definitions: to move one, delete its file and run it anew.
"""

import argparse
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.core import race, trial
from benchmarks.core.figures import of_case
from benchmarks.core.process import MissingError
from benchmarks.core.registered import Benchmark, stored
from benchmarks.core.speed import Speed
from benchmarks.core.store import RESULTS, DamagedError, save
from benchmarks.core.trial import Trials
from benchmarks.registry import BENCHMARKS

REPORT = Path(__file__).parent / "report"


def main(given: Sequence[str] | None = None) -> None:
    arguments = _parser().parse_args(given)
    try:
        arguments.command(arguments)
    except DamagedError as error:
        raise SystemExit(str(error)) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, metavar="command")
    run = commands.add_parser("run", help="measure what is not measured yet")
    run.add_argument("--only", nargs="+", default=["*"], metavar="NAME", help="names, with * for any part")
    run.add_argument("--cases", default="*", metavar="NAME", help="of what is run once a case, such as '*seed 1'")
    run.add_argument("--device", default="cpu")
    run.add_argument("--repeats", type=int, help="turns of each case; by default the benchmark's own")
    run.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    run.set_defaults(command=run_all)
    report = commands.add_parser("report", help="write the report from the results, and what the page on speed says")
    report.add_argument("--device", default="cpu")
    report.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    report.add_argument("--out", type=Path, metavar="FOLDER", help="by default benchmarks/report, for our own results")
    report.set_defaults(command=write_report)
    commands.add_parser("list", help="name the benchmarks").set_defaults(command=list_all)
    prove = commands.add_parser("prove", help="check that the seasonal naive of every board is as published")
    prove.set_defaults(command=prove_all)
    return parser


def list_all(_: argparse.Namespace) -> None:
    for benchmark in BENCHMARKS.values():
        print(f"{benchmark.name:32s}{benchmark.title}")


def prove_all(_: argparse.Namespace) -> None:
    """Compare the seasonal naive with the published one in every configuration of the boards."""
    from benchmarks.boards.trial import faults
    from benchmarks.boards.trials import BOARDS

    wrong = 0
    try:
        for board in BOARDS:
            for name, fault in faults(board):
                print(f"{board.name}, {name}: {fault or 'as published'}", flush=True)
                wrong += bool(fault)
    except FileNotFoundError as error:
        raise SystemExit(str(error)) from None
    if wrong:
        raise SystemExit(f"{wrong} configurations are not as published")


def write_report(arguments: argparse.Namespace) -> None:
    """Write the report, and into the package's own files what they have of it."""
    from benchmarks import evidence, headline
    from benchmarks.core.report import write
    from benchmarks.longrange import evidence as mechanisms

    results, out = arguments.results / arguments.device, _out(arguments) / arguments.device
    found = stored(BENCHMARKS.values(), results)
    if not any(found.values()):
        raise SystemExit(f"{results} must hold results of benchmarks; `python -m benchmarks run` measures them")
    is_ours = results.resolve() == (RESULTS / "cpu").resolve()
    if is_ours:
        save(evidence.SHIPPED, evidence.collect(results))
        save(mechanisms.SHIPPED, mechanisms.collect(results))
    write(BENCHMARKS.values(), results, out, headline=headline.headline, goals=headline.GOALS)
    if is_ours:
        headline.PAGE.write_text(headline.filled(headline.PAGE.read_text(), found))


def _out(arguments: argparse.Namespace) -> Path:
    """Return where the report goes: that on other results not over ours."""
    out = arguments.out or REPORT
    if arguments.results.resolve() != RESULTS.resolve() and out.resolve() == REPORT.resolve():
        raise SystemExit(
            f"--results {arguments.results} needs another --out than {REPORT}, where the report on ours is"
        )
    return out


def run_all(arguments: argparse.Namespace) -> None:
    chosen = _chosen(arguments.only)
    _refuse_cases(arguments.cases, chosen)
    _refuse_device(arguments.device)
    if arguments.repeats is not None and arguments.repeats < 1:
        raise SystemExit(f"--repeats {arguments.repeats} must be at least 1")
    raised: list[str] = []
    try:
        for benchmark in chosen:
            raised += _run_one(benchmark, arguments)
    except KeyboardInterrupt:
        raise SystemExit(f"stopped; {arguments.results / arguments.device} keeps all that was printed") from None
    if raised:
        raise SystemExit(f"raised: {'; '.join(raised)}")


def _chosen(patterns: Sequence[str]) -> list[Benchmark]:
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in BENCHMARKS):
            raise SystemExit(f"--only {pattern} must match one of {', '.join(BENCHMARKS)}")
    return [one for one in BENCHMARKS.values() if any(fnmatch(one.name, pattern) for pattern in patterns)]


def _refuse_cases(pattern: str, chosen: Sequence[Benchmark]) -> None:
    """Stop where no case is chosen; benchmarks of speed are always run with all of theirs."""
    trials = [one for one in chosen if isinstance(one, Trials)]
    names = dict.fromkeys(name for one in trials for name in one.cases)
    if pattern != "*" and not trials:
        raise SystemExit(
            f"--cases {pattern} must go with what is run once a case: --only chooses only what takes turns"
        )
    if trials and not any(fnmatch(name, pattern) for name in names):
        raise SystemExit(f"--cases {pattern} must match one of {'; '.join(names)}")


def _refuse_device(device: str) -> None:
    import torch

    known = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    if device not in known:
        raise SystemExit(f"--device {device} must be one of {', '.join(known)}")


def _run_one(benchmark: Benchmark, arguments: argparse.Namespace) -> list[str]:
    """Run a benchmark and return the trials that raised."""
    raised = []
    path = arguments.results / arguments.device / f"{benchmark.name}.json"
    if benchmark.processor_only and arguments.device != "cpu":
        print(f"{benchmark.name}: of a processor alone, left out", flush=True)
        return raised
    try:
        if isinstance(benchmark, Speed):
            for point in race.run(benchmark, path, device=arguments.device, repeats=arguments.repeats):
                _print_point(benchmark.name, point)
        else:
            for name, outcome in trial.run(benchmark, path, only=arguments.cases, device=arguments.device):
                print(benchmark.name, name, _gave_up(outcome) or _single(outcome["result"]), flush=True)
                raised += [f"{benchmark.name}, {name}"] if "broken" in outcome else []
    except MissingError as error:
        raise SystemExit(f"{benchmark.name}: {error}") from None
    return raised


def _print_point(name: str, point: dict[str, Any]) -> None:
    print(name, *(f"{entry} {value}" for entry, value in point["size"].items()), flush=True)
    for case in point["cases"]:
        print(f"    {case:40s}", _in_words(point, case), flush=True)


def _in_words(point: dict[str, Any], case: str) -> str:
    if gave_up := _gave_up(point["cases"][case]):
        return gave_up
    time, memory = (of_case(point, what, case) for what in ("time", "memory"))
    return f"{time:12.2f} ms" + ("" if memory is None else f"{memory:12.1f} MB")


def _single(result: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is kept of each window or variable."""
    return {name: found for name, found in result.items() if not isinstance(found, dict | list)}


def _gave_up(outcome: dict[str, Any]) -> str:
    return next((f"{what}: {outcome[what]}" for what in ("over", "broken") if what in outcome), "")


if __name__ == "__main__":
    main()
