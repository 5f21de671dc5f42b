"""Columns as numbers: every complaint names a column and a line of the file."""

import difflib
import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_dtype, is_numeric_dtype

from darts_tsformers.workflow.errors import DataError

_LARGEST = 1e100
"""Squares of larger numbers, which scores and scales need, would overflow."""

_MOST_LISTED = 20

_TRUTH = {"true": "1", "false": "0"}


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
    samples = (filled.iloc[:1], filled)  # most texts are told by their first cell
    return len(filled) > 0 and all(_as_numbers(some).notna().all() for some in samples)


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
        column = cells[name]
        said = column if is_numeric_dtype(column) else column.astype(str).str.strip().str.lower().replace(_TRUTH)
        values = _as_numbers(said).to_numpy(dtype=np.float64, na_value=np.nan)
        bad = np.flatnonzero(column.notna().to_numpy() & ~np.isfinite(values))
        if len(bad):
            raise DataError(f"column '{name}' is not numeric: {quoted(column, bad[0])}{_hint(column.iloc[bad[0]])}")
        large = np.flatnonzero(np.abs(values) > _LARGEST)
        if len(large):
            raise DataError(f"column '{name}' has a number too large to compute with: {quoted(column, large[0])}")
        columns[:, position] = values
    return columns


def _as_numbers(column: pd.Series) -> pd.Series:
    """Return numbers, missing where a cell is none."""
    return pd.to_numeric(column.astype(str) if is_datetime64_dtype(column) else column, errors="coerce")


def first_text(column: pd.Series) -> str:
    """Quote the first cell that is no number, with its line; say ``no values`` if all are empty."""
    bad = np.flatnonzero(column.notna().to_numpy() & _as_numbers(column).isna().to_numpy())
    return quoted(column, bad[0]) + _hint(column.iloc[bad[0]]) if len(bad) else "no values"


def _hint(cell: object) -> str:
    """Ask what a comma means in a cell that would be a number either way."""
    found = re.fullmatch(r"([+-]?[1-9]\d{0,2}),(\d{3})", str(cell).strip())
    if not found:
        return ""
    return f"; is it {found[1]}{found[2]} (--thousands ,) or {found[1]}.{found[2]} (--decimal ,)?"


def quoted(column: pd.Series, row: int) -> str:
    """Quote a cell and say where in the file it stands."""
    return f"'{column.iloc[row]}' at {place(column, row)}"


def place(column: pd.Series, row: int) -> str:
    """Return the line of a text file, or the row of a sheet, on which a row stands."""
    return f"{column.index.name} {column.index[row]}"


def listed(names: Sequence[str] | pd.Index) -> str:
    """Quote names and join them by commas; of many, say how many there are more."""
    shown = ", ".join(f"'{name}'" for name in names[:_MOST_LISTED])
    more = len(names) - _MOST_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
