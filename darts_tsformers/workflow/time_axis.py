"""The time axis of a table: which column it is, what its cells mean, and how far apart they are."""

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darts_tsformers.workflow.cells import is_numeric, line, listed, require_columns
from darts_tsformers.workflow.dates import has_year, kind, read_dates, readable
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.frequency import axis, infer_frequency

_LARGEST_STEP = 2**62
_LARGEST_EXACT_FLOAT = 2**53


def find_time_column(cells: pd.DataFrame, taken: Container[str] = ()) -> str:
    """Return the only column whose cells are dates rather than numbers; of several, the only one that is not taken.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    texts = [name for name in cells.columns if not is_numeric(cells[name])]
    found = {name: kind(cells[name]) for name in texts}
    dates = [name for name in texts if found[name] == "dates"] or [name for name in texts if found[name] == "times"]
    dates = [name for name in dates if name not in taken] or dates
    if len(dates) == 1:
        return dates[0]
    if dates:
        raise DataError(f"ambiguous time column: {listed(dates)} all hold dates; choose one (--time)")
    raise DataError(f"no time column: none of {listed(cells.columns)} holds dates; name one (--time)")


@dataclass(frozen=True)
class TimeAxis:
    """A regular time axis, and where on it the rows of a file stand.

    Attributes
    ----------
    times
        One entry a step, with a frequency.
    steps
        For each row of the file its step, increasing; steps without a row were left out of the file.
    is_utc
        Whether times were turned into UTC.
    """

    times: pd.DatetimeIndex | pd.RangeIndex
    steps: NDArray[np.int64]
    is_utc: bool = False

    @property
    def n_missing(self) -> int:
        """Steps without a row."""
        return len(self.times) - len(self.steps)

    def place(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put the rows, shape ``(rows, columns)``, on the axis; a step without a row is NaN."""
        placed = np.full((len(self.times), values.shape[1]), np.nan, dtype=np.float64)
        placed[self.steps] = values
        return placed


def read_time_axis(cells: pd.DataFrame, name: str, freq: str | None = None) -> TimeAxis:
    """Read a column as a regular time axis. Single rows may be missing, but fewer than are there.

    Whole numbers are steps (a RangeIndex), unless they are dates such as ``20240131``; all else is read as dates. Where
    ``1/2/2024`` or ``24-01-31`` leaves a choice, that order of day, month and year is taken which leaves the fewest
    steps without a row, and of several the month first. One UTC offset in all cells is dropped, and so are several
    where all times are of one time of day; else several are turned into UTC.

    Parameters
    ----------
    cells
        The file's cells.
    name
        The time column.
    freq
        A pandas frequency such as ``"h"``, ``"W-MON"`` or ``"MS"``, or a step for whole numbers. Inferred by default.

    Returns
    -------
    TimeAxis
        The steps from the first row to the last.

    Raises
    ------
    DataError
        If a cell is missing or no date, or the axis has duplicates, is unsorted or irregular: the first offending cell
        is named.
    """
    require_columns(cells, [name])
    column = cells[name]
    empty = np.flatnonzero(column.isna().to_numpy())
    if len(empty):
        raise DataError(f"time column '{name}' has no time stamp at line {line(cells, empty[0])}")
    if len(cells) < 3:
        raise DataError(f"{len(cells)} rows are too few to tell a frequency: at least 3 are needed")
    times = _parse(cells, name, freq)
    _require_order(cells, name, times)
    is_utc = False
    if isinstance(times, pd.DatetimeIndex):
        is_utc = times.tz is not None
        times = times.tz_localize(None)
        grid: pd.DatetimeIndex | pd.RangeIndex = _regular_dates(cells, name, times, freq)
    else:
        grid = _regular_steps(times, freq)
    steps = grid.get_indexer(times)
    off = np.flatnonzero(steps < 0) if len(grid) < 2 * len(times) else np.flatnonzero(steps != np.arange(len(times)))
    if len(off):
        row = off[0]
        before = f" after '{column.iloc[row - 1]}'" if row else ""
        due = grid[min(steps[row - 1] + 1, len(grid) - 1)] if row else grid[0]
        raise DataError(
            f"irregular time stamps: '{column.iloc[row]}' at line {line(cells, row)} comes{before} where "
            f"{due}{' UTC' if is_utc else ''} is due at frequency {_frequency_name(grid)}; complete the rows or "
            "give another frequency (--freq)"
        )
    return TimeAxis(grid, steps, is_utc)


def _parse(cells: pd.DataFrame, name: str, freq: str | None) -> pd.DatetimeIndex | pd.Index:
    column = cells[name]
    if column.str.fullmatch(r"[12]\d{7}").all():
        compact = pd.to_datetime(column, format="%Y%m%d", errors="coerce")
        if compact.notna().all():
            return pd.DatetimeIndex(compact)
    if is_numeric(column):
        return _whole_numbers(cells, name)
    undated = np.flatnonzero(~has_year(column))
    if len(undated) and readable(column)[undated[0]]:
        row = undated[0]
        raise DataError(
            f"time column '{name}' has no year in '{column.iloc[row]}' at line {line(cells, row)}: write whole dates, "
            "such as 2024-01-31 or 2024-01-31 12:00"
        )
    dates = read_dates(column, freq)
    if dates is None:
        row = int(np.argmin(readable(column)))
        raise DataError(
            f"time column '{name}' has a cell that is no date like the others: '{column.iloc[row]}' at line "
            f"{line(cells, row)}"
        )
    return dates


def _whole_numbers(cells: pd.DataFrame, name: str) -> pd.Index:
    steps = pd.to_numeric(cells[name]).to_numpy()
    if steps.dtype.kind in "iu":
        large, broken = (steps >= _LARGEST_STEP) | (steps <= -_LARGEST_STEP), np.zeros(len(steps), dtype=bool)
    else:
        steps = steps.astype(np.float64)
        large, broken = np.abs(steps) > _LARGEST_EXACT_FLOAT, steps != np.round(steps)
    for bad, complaint in ((large, "a number too large for a step"), (broken, "neither dates nor whole numbers")):
        if bad.any():
            row = int(np.argmax(bad))
            cell = f"'{cells[name].iloc[row]}' at line {line(cells, row)}"
            raise DataError(f"time column '{name}' holds {complaint}: {cell}")
    return pd.Index(steps.astype(np.int64))


def _require_order(cells: pd.DataFrame, name: str, times: pd.Index) -> None:
    repeated = np.flatnonzero(times.duplicated())
    if len(repeated):
        row = repeated[0]
        raise DataError(
            f"duplicate time stamp '{cells[name].iloc[row]}' at line {line(cells, row)}: keep one row for each time"
        )
    backwards = np.flatnonzero(times[1:] < times[:-1])
    if len(backwards):
        row = backwards[0] + 1
        raise DataError(
            f"unsorted time stamps: '{cells[name].iloc[row]}' at line {line(cells, row)} comes after "
            f"'{cells[name].iloc[row - 1]}'; sort the rows, oldest first"
        )


def _regular_dates(cells: pd.DataFrame, name: str, times: pd.DatetimeIndex, freq: str | None) -> pd.DatetimeIndex:
    if freq is None:
        freq = infer_frequency(times)
    if freq is None:
        steps = pd.Series(times[1:] - times[:-1])
        row = int(np.flatnonzero((steps != steps.mode()[0]).to_numpy())[0]) + 1
        raise DataError(
            f"irregular time stamps: no frequency fits; the first odd step is at line {line(cells, row)}, from "
            f"'{cells[name].iloc[row - 1]}' to '{cells[name].iloc[row]}'; resample the rows or give --freq"
        )
    return axis(times, freq)


def _regular_steps(times: pd.Index, freq: str | None) -> pd.RangeIndex:
    first, last = int(times[0]), int(times[-1])
    if freq is not None and (not freq.isdecimal() or not 0 < int(freq) < _LARGEST_STEP):
        raise DataError(f"frequency '{freq}' does not fit a time column of whole numbers: give a step such as 1")
    steps = Counter((times[1:] - times[:-1]).tolist())
    step = int(freq) if freq is not None else int(steps.most_common(1)[0][0])
    return pd.RangeIndex(first, last + 1, step)


def _frequency_name(index: pd.DatetimeIndex | pd.RangeIndex) -> str:
    return str(index.step) if isinstance(index, pd.RangeIndex) else str(index.freqstr)
