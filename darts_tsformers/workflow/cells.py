"""A CSV file as text cells, and cells as numbers: every complaint names a column and a line of the file."""

import difflib
import warnings
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darts_tsformers.workflow.errors import DataError

FIRST_LINE = 2
"""Line of the file on which the first row of cells stands: the header is line 1."""


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
        If there is no such file, it cannot be read, is not a CSV file, or has no rows.
    """
    if path.is_dir():
        raise DataError(f"{path} is a directory: name a CSV file")
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            cells = pd.read_csv(
                path, dtype=str, skipinitialspace=True, skip_blank_lines=False, index_col=False, encoding="utf-8-sig"
            )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty: it needs a header and rows") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not a CSV file: its bytes are not UTF-8 text") from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise DataError(f"{path} is not a CSV file with as many cells in each line: {_one_line(error)}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {_one_line(error)}") from None
    cells.columns = cells.columns.str.strip()
    if not all(name.isprintable() for name in cells.columns):
        raise DataError(f"{path} is not a CSV file: its header is not text")
    if len(cells.columns) == 1 and any(mark in cells.columns[0] for mark in ";\t"):
        raise DataError(f"{path} separates its cells by semicolons or tabs: save it with commas")
    filled = np.flatnonzero(cells.notna().any(axis=1).to_numpy())
    if not len(filled):
        raise DataError(f"{path} has a header but no rows")
    return cells.iloc[: filled[-1] + 1]


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


def numbers(cells: pd.DataFrame, names: Sequence[str]) -> NDArray[np.float32]:
    """Return columns as numbers, NaN where a cell is empty.

    Returns
    -------
    numpy.ndarray
        Shape ``(rows, columns)``.

    Raises
    ------
    DataError
        If a filled cell is no finite number; the first one is named.
    """
    columns = np.empty((len(cells), len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        with np.errstate(over="ignore"):
            values = pd.to_numeric(cells[name], errors="coerce").to_numpy(dtype=np.float64).astype(np.float32)
        bad = np.flatnonzero(cells[name].notna().to_numpy() & ~np.isfinite(values))
        if len(bad):
            cell = cells[name].iloc[bad[0]]
            raise DataError(f"column '{name}' is not numeric: '{cell}' at line {line(cells, bad[0])}")
        columns[:, position] = values
    return columns


def line(cells: pd.DataFrame, row: int) -> int:
    """Line of the file on which a row stands."""
    return int(cells.index[row]) + FIRST_LINE


def listed(names: Iterable[str]) -> str:
    """Quote names and join them by commas."""
    return ", ".join(f"'{name}'" for name in names)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
