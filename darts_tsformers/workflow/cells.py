"""A CSV file as text cells, and cells as numbers: every complaint names a column and a line of the file."""

import difflib
import lzma
import tarfile
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.io.common import get_handle  # type: ignore[import-not-found]

from darts_tsformers.workflow.errors import DataError

FIRST_LINE = 2
"""Line of the file on which the first row of cells stands: the header is line 1."""

_DATE = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
_LARGEST = 1e100
"""Squares of larger numbers, which scores and scales need, would overflow."""

_MOST_LISTED = 20

_TRUTH = {"true": "1", "false": "0"}

_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    ImportError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
)
"""What pandas raises for files that are not what their name says, or compressed in a way that is not installed."""


def read_cells(path: Path) -> pd.DataFrame:
    """Read a CSV file as text, row ``i`` being line ``i + 2`` of the file.

    Parameters
    ----------
    path
        A comma-separated file in UTF-8 with a header; compressed if its name says so (``.csv.gz``).

    Returns
    -------
    pandas.DataFrame
        Strings, missing where a cell is empty or reads ``NA``, ``NaN`` or ``null``. Rows without any cell at the end of
        the file are left out.

    Raises
    ------
    DataError
        If there is no such file, it cannot be read, is not a CSV file, has a NUL byte, a date for a name, two columns
        of one name, or no rows.
    """
    _require_file(path)
    if path.is_file():
        _check_header(path)
        _refuse_nul(path)
    cells = _read(path, skip_blank_lines=False, index_col=False)
    cells.columns = cells.columns.str.strip()
    if not all(name.isprintable() for name in cells.columns):
        raise DataError(f"{path} is not a CSV file: its header is not text")
    _refuse_dates_as_names(path, cells.columns)
    filled = np.flatnonzero(cells.notna().any(axis=1).to_numpy())
    if not len(filled):
        raise DataError(f"{path} has a header but no rows")
    return cells.iloc[: filled[-1] + 1]


def _refuse_dates_as_names(path: Path, names: pd.Index) -> None:
    dates = names[names.str.match(_DATE)]
    if len(dates):
        raise DataError(f"{path} must begin with the names of its columns: '{dates[0]}' in the first line is a date")


def _require_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise DataError(f"{path} is a directory: name a CSV file")
        if not path.exists():
            raise DataError(f"{path}: no such file")
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None


def _refuse_nul(path: Path) -> None:
    """Raise a DataError for a NUL byte, after which pandas leaves out what stands in the cell."""
    try:
        with get_handle(path, "rb", compression="infer", is_text=False) as opened:
            found = next((number for number, text in enumerate(opened.handle, 1) if b"\0" in text), None)
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {_one_line(error)}") from None
    if found is not None:
        raise DataError(f"{path} is not a CSV file: it has a NUL byte in line {found}; save it as UTF-8 text")


def _check_header(path: Path) -> None:
    """Raise a DataError if the first line has other separators than commas, or two columns of one name."""
    header = _read(path, header=None, nrows=1, keep_default_na=False)
    names = [str(name).strip() for name in header.iloc[0]]
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise DataError(f"{path} separates its cells by semicolons, tabs or bars: save it with commas")
    repeated = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if repeated:
        raise DataError(f"{path} has two columns named '{repeated[0]}': rename one")


def _read(path: Path, **options: Any) -> pd.DataFrame:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(path, dtype=str, skipinitialspace=True, encoding="utf-8-sig", **options)
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty, or its first line is: it needs a header and rows") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a CSV file: its bytes are not UTF-8 text; save it as UTF-8") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path} is not a CSV file with as many cells in each line: {_one_line(error)}") from None
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {_one_line(error)}") from None


def require_columns(cells: pd.DataFrame, names: Iterable[str]) -> None:
    """Raise a DataError for the first name that is no column, with the columns it may have meant."""
    for name in names:
        if name not in cells.columns:
            close = difflib.get_close_matches(name, cells.columns, n=3, cutoff=0.5)
            hint = f"did you mean {listed(close)}?" if close else f"the columns are {listed(cells.columns)}"
            raise DataError(f"no column '{name}': {hint}")


def is_numeric(column: pd.Series) -> bool:
    """Whether every cell that is filled, and at least one is, reads as a number."""
    filled = column.dropna()
    return len(filled) > 0 and bool(pd.to_numeric(filled, errors="coerce").notna().all())


def numbers(cells: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float64]:
    """Return columns as numbers, NaN where a cell is empty, 1 and 0 where it says true and false in any case.

    Returns
    -------
    numpy.ndarray
        Shape ``(rows, columns)``.

    Raises
    ------
    DataError
        If a filled cell is no finite number of at most 1e100; the first one is named.
    """
    columns = np.empty((len(cells), len(names)), dtype=np.float64)
    for position, name in enumerate(names):
        said = cells[name].str.strip().str.lower().replace(_TRUTH)
        values = pd.to_numeric(said, errors="coerce").to_numpy(dtype=np.float64)
        bad = np.flatnonzero(cells[name].notna().to_numpy() & ~np.isfinite(values))
        if len(bad):
            raise DataError(f"column '{name}' is not numeric: {_quoted(cells, name, bad[0])}")
        large = np.flatnonzero(np.abs(values) > _LARGEST)
        if len(large):
            raise DataError(f"column '{name}' has a number too large to compute with: {_quoted(cells, name, large[0])}")
        columns[:, position] = values
    return columns


def first_text(cells: pd.DataFrame, name: str) -> str:
    """Quote the first cell of a column that is no number, with its line; say ``no values`` if all are empty."""
    column = cells[name]
    bad = np.flatnonzero(column.notna().to_numpy() & pd.to_numeric(column, errors="coerce").isna().to_numpy())
    return _quoted(cells, name, bad[0]) if len(bad) else "no values"


def _quoted(cells: pd.DataFrame, name: str, row: int) -> str:
    return f"'{cells[name].iloc[row]}' at line {line(cells, row)}"


def line(cells: pd.DataFrame, row: int) -> int:
    """Line of the file on which a row stands."""
    return int(cells.index[row]) + FIRST_LINE


def listed(names: Sequence[str] | pd.Index) -> str:
    """Quote names and join them by commas; of many, say how many there are more."""
    shown = ", ".join(f"'{name}'" for name in names[:_MOST_LISTED])
    more = len(names) - _MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
