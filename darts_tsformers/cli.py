"""The command line: three calls of :mod:`darts_tsformers.workflow`."""

import argparse
import re
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from darts_tsformers import __version__
from darts_tsformers.catalogue import forecasters
from darts_tsformers.terminal import Interrupted, Signals, forgiving_streams

PROGRAM = "darts-tsformers"

IN_UTC = "found several UTC offsets: times are taken in UTC, and those of the forecast are too"

_LONGEST_QUOTE = 60
_LONGEST_LINE = 600


class UsageError(Exception):
    """The arguments do not fit the command."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; try '{self.prog} --help'")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv
        Arguments without the program's name; those of the process by default.

    Returns
    -------
    int
        0; 2 after one line on stderr that says what is wrong; 128 and the number of the signal that interrupted it.
    """
    with forgiving_streams() as out:
        try:
            status = _command(argv)
        except SystemExit:  # of --help and --version
            out.flush()
            if out.error is None:
                raise
            status = 0
        out.flush()
        if status == 0 and out.error is not None:
            return _fail(f"what is to be printed cannot be, and all else is done: {out.error.strerror}")
        return status


def _command(argv: Sequence[str] | None) -> int:
    try:
        arguments = _parse(argv)
    except UsageError as error:
        return _fail(str(error))
    try:
        with Signals() as signals:
            return _run(arguments, signals)
    except Interrupted as interruption:
        return _interrupted(interruption.signum)
    except KeyboardInterrupt:
        return _interrupted(signal.SIGINT)


def _run(arguments: argparse.Namespace, signals: Signals) -> int:
    from darts_tsformers.workflow import DataError

    try:
        _forecast(arguments, signals)
    except DataError as error:
        return _fail(str(error))
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    arguments, unknown = _parser().parse_known_args(argv)
    if unknown:
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}; try '{PROGRAM} {arguments.command} --help'")
    return arguments


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="Forecast time series with efficient transformers.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    forecast = commands.add_parser(
        "forecast",
        help="forecast the columns of a CSV file",
        description="Train a forecaster on a CSV file, compare it with classical ones on the end of the series, and "
        "write the forecast, the comparison, a picture and the model.",
        allow_abbrev=False,
    )
    add = forecast.add_argument
    add("data", metavar="DATA.csv", help="comma-separated, with a header; may be compressed (.csv.gz)")
    add("--horizon", type=int, required=True, metavar="N", help="steps to forecast")
    add("--target", nargs="+", metavar="COL", help="columns to forecast (default: the only numeric column left)")
    add("--time", metavar="COL", help="the time column (default: the only column of dates)")
    add("--freq", metavar="F", help="pandas frequency such as h, 30min, D, W-SUN, MS (default: inferred)")
    add("--past-covariates", nargs="+", default=[], metavar="COL", help="columns known up to the last target")
    add("--future-covariates", nargs="+", default=[], metavar="COL", help="columns known over the horizon too")
    models = ["auto", *forecasters()]
    add("--model", choices=models, default="auto", help="default: the best in benchmarks on such series")
    add("--lookback", type=int, metavar="N", help="steps the model sees (default: chosen to fit the series)")
    add("--epochs", type=int, metavar="N", help="most epochs to train (default: chosen to fit the series)")
    add("--quantiles", type=float, nargs="+", metavar="Q", help="quantiles to forecast, such as 0.1 0.5 0.9")
    add("--out", default="forecast", metavar="DIR", help="folder for the results (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="the same seed gives the same result (default: %(default)s)")
    add("--quiet", action="store_true", help="print nothing but errors")
    return parser


def _forecast(arguments: argparse.Namespace, signals: Signals) -> None:
    from darts_tsformers.workflow import check_output_folder, compare, read_table, write_report

    check_output_folder(arguments.out, data=arguments.data)
    table = read_table(
        arguments.data,
        target=arguments.target,
        time=arguments.time,
        freq=arguments.freq,
        past_covariates=arguments.past_covariates,
        future_covariates=arguments.future_covariates,
    )
    if not arguments.quiet:
        for said in filter(None, [table.gaps, IN_UTC if table.is_utc else ""]):
            print(said, file=sys.stderr)
    comparison = compare(
        table,
        arguments.horizon,
        arguments.model,
        lookback=arguments.lookback,
        epochs=arguments.epochs,
        quantiles=arguments.quantiles,
        seed=arguments.seed,
        verbose=not arguments.quiet,
    )
    with signals.waiting():
        paths = write_report(comparison, arguments.out)
    if not arguments.quiet:
        print(comparison.summary())
        print("\n".join(["", *map(str, paths)]))


def _fail(message: str) -> int:
    print(f"{PROGRAM}: error: {_one_line(message)}", file=sys.stderr)
    return 2


def _interrupted(signum: int) -> int:
    print(f"{PROGRAM}: interrupted, nothing written", file=sys.stderr)
    return 128 + signum


def _one_line(message: str) -> str:
    """Collapse white space, write out what does not print, and shorten what is quoted, and what is left."""
    line = "".join(_printable(character) for character in " ".join(message.split()))
    line = re.sub(r"(?<!\w)'(.*?)'(?!\w)", lambda match: f"'{_shortened(match[1])}'", line)
    half = _LONGEST_LINE // 2
    return line if len(line) <= _LONGEST_LINE else f"{line[:half]} ... {line[-half:]}"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _shortened(quote: str) -> str:
    return quote if len(quote) <= _LONGEST_QUOTE else f"{quote[:_LONGEST_QUOTE]}..."


if __name__ == "__main__":
    sys.exit(main())
