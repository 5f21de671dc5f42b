"""Text files whose cells stand between commas, semicolons, tabs or bars."""

import warnings
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.common import get_handle  # type: ignore[import-not-found]

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.source import (
    Source,
    checked,
    one_line,
    refuse_repeated,
    refusing_unreadable,
)

_SEPARATORS = ",;\t|"
_TAB = ("tab", r"\t")
"""How a tab is written where it cannot be typed."""

_FIRST_LINE = 2
"""Line of the file on which the first row of cells stands: the header is line 1."""


def of_text(path: Path, separator: str | None = None) -> Source:
    """Read cells as text.

    Parameters
    ----------
    path
        A file in UTF-8 with a header; compressed if its name says so (``.csv.gz``).
    separator
        What stands between two cells. By default whichever of ``, ; tab |`` makes most names of the first line.

    Returns
    -------
    Source
        Strings, missing where a cell is empty or reads ``NA``, ``NaN`` or ``null``. Rows without any cell at the end of
        the file are left out.

    Raises
    ------
    DataError
        If the file cannot be read, is not a CSV file, has a NUL byte, a date for a name, two columns of one name, or no
        rows.
    """
    mark = _given(separator) if separator is not None else _found(path)
    refuse_repeated(str(path), _header(path, mark))
    _refuse_nul(path)
    cells = _read(path, sep=mark, skip_blank_lines=False, index_col=False)
    cells.index = pd.RangeIndex(_FIRST_LINE, _FIRST_LINE + len(cells), name="line")
    return Source(checked(str(path), cells))


def _given(separator: str) -> str:
    mark = "\t" if separator in _TAB else separator
    if len(mark) != 1 or mark.isalnum() or mark in "\"'\r\n":
        raise DataError(f"separator '{separator}' must be one character, such as , ; | or tab")
    return mark


def _found(path: Path) -> str:
    return max(_SEPARATORS, key=lambda mark: len(_header(path, mark)))


def _header(path: Path, mark: str) -> list[str]:
    header = _read(path, sep=mark, header=None, nrows=1, keep_default_na=False)
    return [str(name).strip() for name in header.iloc[0]]


def _refuse_nul(path: Path) -> None:
    """Raise a DataError for a NUL byte, after which pandas leaves out what stands in the cell."""
    with refusing_unreadable(path), get_handle(path, "rb", compression="infer", is_text=False) as opened:
        found = next((number for number, text in enumerate(opened.handle, 1) if b"\0" in text), None)
    if found is not None:
        raise DataError(f"{path} is not a CSV file: it has a NUL byte in line {found}; save it as UTF-8 text")


def _read(path: Path, **options: Any) -> pd.DataFrame:
    with refusing_unreadable(path), warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, dtype=str, skipinitialspace=True, encoding="utf-8-sig", **options)
        except pd.errors.EmptyDataError:
            raise DataError(f"{path} is empty, or its first line is: it needs a header and rows") from None
        except UnicodeDecodeError:
            raise DataError(f"{path} is not a CSV file: its bytes are not UTF-8 text; save it as UTF-8") from None
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise DataError(f"{path} is not a CSV file with as many cells in each line: {one_line(error)}") from None
