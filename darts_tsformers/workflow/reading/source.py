"""A file of any format as columns, read by pandas."""

import tarfile
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_datetime64_dtype, is_numeric_dtype

from darts_tsformers.workflow.errors import DataError

_EXTRA = "pip install 'darts-tsformers[files]'"

_DATE = r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}"
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    ImportError,
    KeyError,
    zlib.error,
    LZMAError,
    BadZipFile,
    tarfile.TarError,
)
"""What pandas raises for files that are not what their name says, or compressed in a way that is not installed."""


@dataclass(frozen=True)
class Source:
    """What a file holds.

    Attributes
    ----------
    cells
        Columns of text, numbers or dates; NaN where a cell is empty. The index says where in the file a row stands, and
        its name what is counted: ``"line"`` or ``"row"``.
    freq
        The frequency that the file itself gives.
    ids
        The columns that tell the series of the file apart, where its format says so.
    """

    cells: pd.DataFrame
    freq: str | None = None
    ids: tuple[str, ...] = ()


@contextmanager
def refusing_unreadable(path: Path, needs: str = "") -> Iterator[None]:
    """Turn what pandas raises into a DataError of one line; ``needs`` is a package that it may lack."""
    try:
        yield
    except DataError:
        raise
    except ImportError as error:
        why = f" without {needs}: {_EXTRA}" if needs else f": {one_line(error)}"
        raise DataError(f"{path} cannot be read{why}") from None
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None


def require_file(path: Path) -> None:
    """Raise a DataError if there is no such file."""
    try:
        if path.is_dir():
            raise DataError(f"{path} is a directory: name a file")
        if not path.exists():
            raise DataError(f"{path}: no such file")
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from None


def of_excel(path: Path) -> Source:
    """Read the first sheet; row 1 has the names of the columns."""
    with refusing_unreadable(path, "openpyxl"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # openpyxl: styles and extensions that it leaves out
        sheet = pd.read_excel(path, header=None, dtype=str, engine="openpyxl")
    if sheet.empty or sheet.iloc[0].isna().all():
        raise DataError(f"{path} must begin with the names of its columns: row 1 of its first sheet is empty")
    names = sheet.iloc[0].fillna("")
    sheet = sheet.set_axis(names, axis=1).set_axis(pd.RangeIndex(1, len(sheet) + 1, name="row"))
    return Source(checked(str(path), sheet.iloc[1:].loc[:, (names != "").to_numpy()]))


def of_arrow(path: Path) -> Source:
    """Read a Parquet or Feather file; an index that pandas wrote is a column."""
    read: Callable[[Path], pd.DataFrame] = pd.read_feather if path.suffix.lower() == ".feather" else pd.read_parquet
    with refusing_unreadable(path, "pyarrow"):
        frame = read(path)
    return of_frame(frame, str(path))


def of_frame(frame: pd.DataFrame, label: str = "the table") -> Source:
    """Take a frame as it is, a named index or one of dates as a column; rows are counted from 0."""
    index = frame.index
    unnamed = all(name is None for name in index.names) and not isinstance(index, pd.DatetimeIndex | pd.PeriodIndex)
    frame = frame.reset_index(drop=unnamed).rename_axis(index="row")
    cells = pd.DataFrame({k: _simple(column) for k, (_, column) in enumerate(frame.items())}, index=frame.index)
    return Source(checked(label, cells.set_axis([str(name) for name in frame.columns], axis=1)))


def _simple(column: pd.Series) -> pd.Series:
    """Keep numbers and dates of no time zone; all else is text, as it would stand in a CSV file."""
    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.start_time
    if is_datetime64_dtype(column) or (is_numeric_dtype(column) and not is_bool_dtype(column)):
        return column
    return column.astype(object).map(str, na_action="ignore")


def checked(label: str, cells: pd.DataFrame) -> pd.DataFrame:
    """Return what is filled, without white space around the names of columns.

    Raises
    ------
    DataError
        If names are not text, are dates, or stand for two columns; or no row is filled.
    """
    if cells.empty:
        raise DataError(f"{label} has no rows")
    cells = cells.set_axis(cells.columns.str.strip(), axis=1)
    refuse_repeated(label, cells.columns.tolist())
    if not all(name.isprintable() for name in cells.columns):
        raise DataError(f"{label} has names of columns that are not text: is it what its ending says?")
    dates = cells.columns[cells.columns.str.match(_DATE)]
    if len(dates):
        raise DataError(f"{label} must begin with the names of its columns: '{dates[0]}' in the first line is a date")
    filled = np.flatnonzero(cells.notna().any(axis=1).to_numpy())
    if not len(filled):
        raise DataError(f"{label} has no rows")
    return cells.iloc[: filled[-1] + 1]


def refuse_repeated(label: str, names: list[str]) -> None:
    """Raise a DataError if two columns have one name."""
    repeated = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if repeated:
        raise DataError(f"{label} has two columns named '{repeated[0]}': rename one")


def one_line(error: BaseException) -> str:
    """Return what an error says, as one line."""
    return " ".join(str(error).split()) or type(error).__name__
