"""Run a command: what is wrong becomes one line on stderr and an exit status."""

import re
import signal
import sys
from collections.abc import Sequence
from typing import Any

import typer

from darts_tsformers.cli.app import PROGRAM, app
from darts_tsformers.cli.terminal import Interrupted, Signals, forgiving_streams

UsageError: Any = typer.BadParameter.__base__
"""What the parser raises for arguments that do not fit a command; no version of typer names it in public."""

_LONGEST_QUOTE = 60
_LONGEST_LINE = 600


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

    Examples
    --------
    >>> from darts_tsformers.cli import main
    >>> main(["demo-data", "sales.csv"])
    sales.csv
    0
    """
    with forgiving_streams() as out:
        status = _status(list(sys.argv[1:] if argv is None else argv))
        out.flush()
        if status == 0 and out.error is not None:
            return _fail(f"what is to be printed cannot be, and all else is done: {out.error.strerror}")
        return status


def _status(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with Signals() as signals, command.make_context(PROGRAM, arguments, obj=signals) as context:
            command.invoke(context)
    except UsageError as error:
        return _fail(_usage(error))
    except typer.Exit as done:  # of --help and --version
        return done.exit_code
    except ValueError as error:
        return _fail(_refusal(error))
    except Interrupted as interruption:
        return _interrupted(interruption.signum)
    except KeyboardInterrupt:
        return _interrupted(signal.SIGINT)
    return 0


def _usage(error: Any) -> str:
    message = error.format_message().rstrip(".")
    path = PROGRAM if error.ctx is None else error.ctx.command_path
    return f"{message[:1].lower()}{message[1:]}; try '{path} --help'"


def _refusal(error: ValueError) -> str:
    """Return what a DataError says; any other error is a defect, and is raised."""
    from darts_tsformers.workflow.errors import DataError

    if not isinstance(error, DataError):
        raise error
    return str(error)


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
