"""The one exception of the workflow."""

from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """What was asked cannot be done with this data, these settings or this folder.

    The message is one line that says what is wrong and what to do about it.

    Examples
    --------
    >>> from darts_tsformers.workflow import DataError, read_table
    >>> try:
    ...     read_table("absent.csv")
    ... except DataError as error:
    ...     print(error)
    absent.csv: no such file
    """


@contextmanager
def as_data_errors() -> Iterator[None]:
    """Raise what a function of the package refuses as a :class:`DataError`."""
    try:
        yield
    except DataError:
        raise
    except ValueError as error:
        raise DataError(str(error)) from error
