"""The time axis of a table: which column it is, what its cells mean, and how far apart they are."""

import warnings
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.frequencies import to_offset

from darts_tsformers.workflow.cells import is_numeric, line, listed, require_columns
from darts_tsformers.workflow.errors import DataError

_SAMPLE = 50
_SEGMENT = 10
_MAX_SEGMENTS = 200


def find_time_column(cells: pd.DataFrame) -> str:
    """Return the only column whose cells are dates rather than numbers.

    Raises
    ------
    DataError
        If there is none, or more than one.
    """
    dates = [name for name in cells.columns if not is_numeric(cells[name]) and _looks_like_dates(cells[name])]
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
    """

    times: pd.DatetimeIndex | pd.RangeIndex
    steps: NDArray[np.int64]

    @property
    def n_missing(self) -> int:
        """Steps without a row."""
        return len(self.times) - len(self.steps)

    def place(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Put the rows, shape ``(rows, columns)``, on the axis; a step without a row is NaN."""
        placed = np.full((len(self.times), values.shape[1]), np.nan, dtype=np.float32)
        placed[self.steps] = values
        return placed


def read_time_axis(cells: pd.DataFrame, name: str, freq: str | None = None) -> TimeAxis:
    """Read a column as a regular time axis. Single rows may be missing, but fewer than are there.

    Whole numbers are steps (a RangeIndex), unless they are dates such as ``20240131``; all else is read as dates, month
    first where ``1/2/2024`` leaves a choice. One UTC offset in all cells is dropped; several are turned into UTC.

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
    times = _parse(cells, name)
    _require_order(cells, name, times)
    if isinstance(times, pd.DatetimeIndex):
        grid: pd.DatetimeIndex | pd.RangeIndex = _regular_dates(cells, name, times, freq)
    else:
        grid = _regular_steps(times, freq)
    steps = grid.get_indexer(times)
    off = np.flatnonzero(steps < 0) if len(grid) < 2 * len(times) else np.flatnonzero(steps != np.arange(len(times)))
    if len(off):
        row = off[0]
        before = f" after {times[row - 1]}" if row else ""
        due = grid[min(steps[row - 1] + 1, len(grid) - 1)] if row else grid[0]
        raise DataError(
            f"irregular time stamps: '{column.iloc[row]}' at line {line(cells, row)} comes{before} where "
            f"{due} is due at frequency {_frequency_name(grid)}; complete the rows or give another "
            "frequency (--freq)"
        )
    return TimeAxis(grid, steps)


def _looks_like_dates(column: pd.Series) -> bool:
    """Whether most of the first cells are dates: a bad one is to be named later, not to hide the column."""
    sample = column.dropna().iloc[:_SAMPLE]
    sample = sample[sample.str.contains(r"\d")]
    return len(sample) > 0 and (_dates(sample) is not None or _readable(sample).mean() > 0.5)


def _dates(column: pd.Series) -> pd.DatetimeIndex | None:
    """Read all cells as dates, or return None."""
    for dayfirst, utc in ((False, False), (True, False), (False, True)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                return pd.DatetimeIndex(pd.to_datetime(column, dayfirst=dayfirst, utc=utc)).tz_localize(None)
        except (ValueError, OverflowError):
            continue
    return None


def _parse(cells: pd.DataFrame, name: str) -> pd.DatetimeIndex | pd.Index:
    column = cells[name]
    if column.str.fullmatch(r"[12]\d{7}").all():
        compact = pd.to_datetime(column, format="%Y%m%d", errors="coerce")
        if compact.notna().all():
            return pd.DatetimeIndex(compact)
    if is_numeric(column):
        steps = pd.to_numeric(column).to_numpy(dtype=np.float64)
        broken = np.flatnonzero(steps != np.round(steps))
        if len(broken):
            raise DataError(
                f"time column '{name}' holds neither dates nor whole numbers: '{column.iloc[broken[0]]}' at line "
                f"{line(cells, broken[0])}"
            )
        return pd.Index(steps.astype(np.int64))
    dates = _dates(column)
    if dates is None:
        row = int(np.argmin(_readable(column)))
        raise DataError(
            f"time column '{name}' has a cell that is no date like the others: '{column.iloc[row]}' at line "
            f"{line(cells, row)}"
        )
    return dates


def _readable(column: pd.Series) -> NDArray[np.bool_]:
    """Tell which cells read as dates in the format of the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return pd.to_datetime(column, errors="coerce", utc=True).notna().to_numpy()


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
        freq = _infer_frequency(times)
    if freq is None:
        steps = pd.Series(times[1:] - times[:-1])
        row = int(np.flatnonzero((steps != steps.mode()[0]).to_numpy())[0]) + 1
        raise DataError(
            f"irregular time stamps: no frequency fits; the first odd step is at line {line(cells, row)}, from "
            f"'{cells[name].iloc[row - 1]}' to '{cells[name].iloc[row]}'; resample the rows or give --freq"
        )
    try:
        offset = to_offset(freq)
        grid = pd.date_range(times[0], times[-1], freq=offset)
        return grid if len(grid) > 1 else pd.date_range(times[0], periods=len(times), freq=offset)
    except ValueError:
        raise DataError(f"unknown frequency '{freq}': give one such as h, 30min, D, B, W-SUN, MS, QS or YS") from None


def _infer_frequency(times: pd.DatetimeIndex) -> str | None:
    """Frequency of the whole axis, else the one most short stretches of it have, else None."""
    whole = pd.infer_freq(times)
    if whole is not None:
        return whole
    starts = range(0, max(len(times) - _SEGMENT, 0) + 1, _SEGMENT)[:_MAX_SEGMENTS]
    stretches = (pd.infer_freq(times[start : start + _SEGMENT]) for start in starts)
    votes = Counter(found for found in stretches if found is not None)
    return votes.most_common(1)[0][0] if votes else None


def _regular_steps(times: pd.Index, freq: str | None) -> pd.RangeIndex:
    first = int(times[0])
    if freq is not None and (not freq.isdecimal() or int(freq) == 0):
        raise DataError(f"frequency '{freq}' does not fit a time column of whole numbers: give a step such as 1")
    steps = Counter((times[1:] - times[:-1]).tolist())
    step = int(freq) if freq is not None else int(steps.most_common(1)[0][0])
    return pd.RangeIndex(first, int(times[-1]) + 1, step)


def _frequency_name(index: pd.DatetimeIndex | pd.RangeIndex) -> str:
    return str(index.step) if isinstance(index, pd.RangeIndex) else str(index.freqstr)
