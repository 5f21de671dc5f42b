"""The time column of a table: which one it is, and the times that its cells mean."""

from collections.abc import Container
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_datetime64_dtype

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.cells import is_numeric, listed, place, quoted
from darts_tsformers.workflow.reading.dates import has_year, kind, read_dates, readable
from darts_tsformers.workflow.reading.frequency import n_missing
from darts_tsformers.workflow.reading.periods import first_day

_LARGEST_STEP = 2**62
_LARGEST_EXACT_FLOAT = 2**53

_COMPACT = {r"[12]\d{7}": "%Y%m%d", r"(?:18|19|20)\d{4}": "%Y%m"}

_SECONDS = (10**8, 10**10)
_MILLISECONDS = (10**11, 10**13)
"""Whole numbers that are times since 1970: from 1973 to 2286."""


def find_time_column(cells: pd.DataFrame, taken: Container[str] = ()) -> str:
    """Return the only column of dates; of several, the only one that is not taken.

    Where no column has dates, it is the only one whose numbers are dates such as ``20240131``, and regular.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    found = _columns_of_dates(cells) or [name for name in cells.columns if _has_regular_dates(cells[name])]
    found = [name for name in found if name not in taken] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"ambiguous time column: {listed(found)} all hold dates; choose one (--time)")
    raise DataError(f"no time column: none of {listed(cells.columns)} holds dates; name one (--time)")


def _columns_of_dates(cells: pd.DataFrame) -> list[str]:
    typed = [name for name in cells.columns if is_datetime64_dtype(cells[name])]
    texts = [name for name in cells.columns if name not in typed and not is_numeric(cells[name])]
    kinds = {name: kind(cells[name]) for name in texts} | dict.fromkeys(typed, "dates")
    return [name for name in cells.columns if kinds.get(name) == "dates"] or [
        name for name in texts if kinds[name] == "times"
    ]


def _has_regular_dates(column: pd.Series) -> bool:
    if not is_numeric(column) or not column.astype(str).str.fullmatch(r"\s*\d{6,13}\s*").all():
        return False
    times = _of_numbers(column.drop_duplicates(), None)
    return isinstance(times, pd.DatetimeIndex) and np.isfinite(n_missing(times, None))


def read_times(column: pd.Series, freq: str | None = None) -> tuple[pd.DatetimeIndex | pd.Index, bool]:
    """Read a column as times.

    Whole numbers are steps, unless they are days as ``20240131``, months as ``202401``, or by their size seconds or
    milliseconds since 1970, and no whole number is given as their frequency; all else is read as dates. Where
    ``1/2/2024`` or ``24-01-31`` leaves a choice, that order of day, month and year is taken which leaves the fewest
    steps without a row, and of several the month first. One UTC offset in all cells is dropped, and so are several
    where all times are of one time of day; else several are turned into UTC.

    Returns
    -------
    The time of each row, without a time zone, and whether times were turned into UTC.

    Raises
    ------
    DataError
        If a cell is empty or no date; the first one is named.
    """
    empty = np.flatnonzero(column.isna().to_numpy())
    if len(empty):
        raise DataError(f"time column '{column.name}' has no time stamp at {place(column, empty[0])}")
    if is_datetime64_dtype(column):
        return pd.DatetimeIndex(column, name=None), False
    different = column.drop_duplicates()
    times, is_utc = _parse(different, freq), False
    if isinstance(times, pd.DatetimeIndex):
        times, is_utc = times.tz_localize(None), times.tz is not None
    return times.take(pd.factorize(column)[0]), is_utc


def _parse(column: pd.Series, freq: str | None) -> pd.DatetimeIndex | pd.Index:
    if is_numeric(column):
        return _of_numbers(column, freq)
    days = column.map(first_day)
    undated = np.flatnonzero(~has_year(days))
    if len(undated) and readable(days)[undated[0]]:
        raise DataError(
            f"time column '{column.name}' has no year in {quoted(column, undated[0])}: write whole dates, such as "
            "2024-01-31 or 2024-01-31 12:00"
        )
    dates = read_dates(days, freq)
    if dates is None:
        raise DataError(
            f"time column '{column.name}' has a cell that is no date like the others: "
            f"{quoted(column, int(np.argmin(readable(days))))}"
        )
    return dates


def _of_numbers(column: pd.Series, freq: str | None) -> pd.DatetimeIndex | pd.Index:
    steps = _whole_numbers(column)
    if freq is not None and freq.isdecimal():
        return pd.Index(steps)
    text = column.astype(str).str.strip()
    for pattern, layout in _COMPACT.items():
        if text.str.fullmatch(pattern).all():
            compact = pd.to_datetime(text, format=layout, errors="coerce")
            if compact.notna().all():
                return pd.DatetimeIndex(compact, name=None)
    unit = _unit(steps)
    return pd.Index(steps) if unit is None else pd.DatetimeIndex(pd.to_datetime(steps, unit=unit))


def _unit(numbers: NDArray[np.int64]) -> Literal["s", "ms"] | None:
    """Return the unit in which numbers count from 1970, or None if they are too small or too large."""
    least, most = numbers.min(), numbers.max()
    if _SECONDS[0] <= least and most < _SECONDS[1]:
        return "s"
    return "ms" if _MILLISECONDS[0] <= least and most < _MILLISECONDS[1] else None


def _whole_numbers(column: pd.Series) -> NDArray[np.int64]:
    steps = pd.to_numeric(column).to_numpy()
    if steps.dtype.kind in "iu":
        large, broken = (steps >= _LARGEST_STEP) | (steps <= -_LARGEST_STEP), np.zeros(len(steps), dtype=bool)
    else:
        steps = steps.astype(np.float64)
        large, broken = np.abs(steps) > _LARGEST_EXACT_FLOAT, steps != np.round(steps)
    for bad, complaint in ((large, "a number too large for a step"), (broken, "neither dates nor whole numbers")):
        if bad.any():
            raise DataError(f"time column '{column.name}' holds {complaint}: {quoted(column, int(np.argmax(bad)))}")
    return steps.astype(np.int64)
