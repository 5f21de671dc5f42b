"""One file that a command writes, whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darts_tsformers.cli.terminal import Signals


@contextmanager
def written(path: Path, signals: Signals) -> Iterator[Path]:
    """Give a path to write to, whose content goes to the file at the end; signals wait meanwhile.

    Raises
    ------
    DataError
        If it cannot be written.
    """
    from darts_tsformers.adapter.files.whole_files import whole_file
    from darts_tsformers.workflow import DataError

    try:
        with signals.waiting(), whole_file(path) as part:
            yield part
    except OSError as error:
        raise DataError(f"cannot write to {path}: {error.strerror or error}") from error
