"""The regular time axis of a series, and where on it the rows of a file stand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.cells import place, quoted
from darts_tsformers.workflow.reading.frequency import FEWEST_TIMES, axis, infer_frequency, n_missing

_LARGEST_STEP = 2**62
_COMPARED = 20


@dataclass(frozen=True)
class Stamps:
    """The time stamps of one series, oldest first.

    Attributes
    ----------
    column
        The time column of the whole file.
    rows
        The rows of the series.
    times
        What their cells mean.
    was_newest_first
        Whether the file has the rows the other way round.
    """

    column: pd.Series
    rows: NDArray[np.intp]
    times: pd.DatetimeIndex | pd.Index
    was_newest_first: bool = False

    def quoted(self, number: int) -> str:
        """Quote a time stamp of the series, and say where in the file it stands."""
        return quoted(self.column, int(self.rows[number]))

    def cell(self, number: int) -> str:
        """Quote a time stamp of the series."""
        return f"'{self.column.iloc[self.rows[number]]}'"


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

    def place(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Put the rows, shape ``(rows, columns)``, on the axis; a step without a row is NaN."""
        placed = np.full((len(self.times), values.shape[1]), np.nan, dtype=np.float64)
        placed[self.steps] = values
        return placed


def oldest_first(column: pd.Series, times: pd.Index, rows: NDArray[np.intp]) -> Stamps:
    """Take the rows of one series, and turn them round if the newest comes first.

    Raises
    ------
    DataError
        If a time comes twice, or the rows are in no order: the first offending cell is named.
    """
    stamps = Stamps(column, rows, times.take(rows))
    times = stamps.times
    if not times.is_unique:
        raise DataError(
            f"duplicate time stamp {stamps.quoted(int(times.duplicated().argmax()))}: keep one row for each time, or "
            "name the columns that tell several series apart (--id)"
        )
    if times.is_monotonic_increasing:
        return stamps
    if times.is_monotonic_decreasing:
        return Stamps(column, rows[::-1], times[::-1], was_newest_first=True)
    row = int(np.argmax(times[1:] < times[:-1])) + 1
    raise DataError(
        f"unsorted time stamps: {stamps.quoted(row)} comes after {stamps.cell(row - 1)}; sort the rows, oldest first"
    )


def common_frequency(series: Sequence[Stamps], freq: str | None = None) -> str | int:
    """Return the frequency that is given, else that of all times together or of the longest series.

    Of these two, the one with which the fewest rows are missing in the longest series; a whole number is the step of
    whole numbers.

    Raises
    ------
    DataError
        If what is given is no step for whole numbers; or nothing is given and no frequency fits: the first odd step of
        the longest series is named.
    """
    longest = max(series, key=lambda stamps: len(stamps.times))
    if freq is not None:
        return freq if isinstance(longest.times, pd.DatetimeIndex) else _given_step(freq)
    times = longest.times.append([stamps.times for stamps in series if stamps is not longest]).unique().sort_values()
    if len(times) < FEWEST_TIMES:
        raise DataError(f"{len(times)} rows are too few to tell a frequency: at least {FEWEST_TIMES} are needed")
    if not isinstance(longest.times, pd.DatetimeIndex):
        return int(Counter((times[1:] - times[:-1]).tolist()).most_common(1)[0][0])
    found = [infer_frequency(pd.DatetimeIndex(some)) for some in (times, longest.times) if len(some) >= FEWEST_TIMES]
    fitting = [one for one in found if one is not None]
    if not fitting:
        raise _no_frequency(longest)
    return min(dict.fromkeys(fitting[::-1]), key=lambda one: _n_missing(series, one))


def _n_missing(series: Sequence[Stamps], freq: str) -> float:
    """Count the missing rows of the longest few series; infinite if any is off the axis."""
    longest = sorted(series, key=lambda stamps: -len(stamps.times))[:_COMPARED]
    return sum(n_missing(pd.DatetimeIndex(one.times), freq) for one in longest if len(one.times) >= FEWEST_TIMES)


def _given_step(freq: str) -> int:
    if not freq.isdecimal() or not 0 < int(freq) < _LARGEST_STEP:
        raise DataError(f"frequency '{freq}' does not fit a time column of whole numbers: give a step such as 1")
    return int(freq)


def _no_frequency(series: Stamps) -> DataError:
    times = series.times
    steps = pd.Series(times[1:] - times[:-1])
    row = int(np.flatnonzero((steps != steps.mode()[0]).to_numpy())[0]) + 1
    return DataError(
        f"irregular time stamps: no frequency fits; the first odd step is at {place(series.column, series.rows[row])}, "
        f"from {series.cell(row - 1)} to {series.cell(row)}; resample the rows or give --freq"
    )


def regular_axis(series: Stamps, freq: str | int, zone: str = "") -> TimeAxis:
    """Put time stamps on a regular axis. Single rows may be missing, but fewer than are there.

    Parameters
    ----------
    series
        The time stamps.
    freq
        A pandas frequency such as ``"h"``, ``"W-MON"`` or ``"MS"``, or a step for whole numbers.
    zone
        Of the times, for messages.

    Raises
    ------
    DataError
        If a time is not on the axis: the first offending cell is named.
    """
    times = series.times
    if isinstance(freq, str):
        grid: pd.DatetimeIndex | pd.RangeIndex = axis(pd.DatetimeIndex(times), freq)
    else:
        grid = pd.RangeIndex(int(times[0]), int(times[-1]) + 1, freq)
    steps = grid.get_indexer(times)
    off = np.flatnonzero(steps < 0) if len(grid) < 2 * len(times) else np.flatnonzero(steps != np.arange(len(times)))
    if len(off):
        row = int(off[0])
        before = f" after {series.cell(row - 1)}" if row else ""
        due = grid[min(steps[row - 1] + 1, len(grid) - 1)] if row else grid[0]
        raise DataError(
            f"irregular time stamps: {series.quoted(row)} comes{before} where {due}{zone} is due at frequency "
            f"{_frequency_name(grid)}; complete the rows or give another frequency (--freq)"
        )
    return TimeAxis(grid, steps)


def _frequency_name(index: pd.DatetimeIndex | pd.RangeIndex) -> str:
    return str(index.step) if isinstance(index, pd.RangeIndex) else str(index.freqstr)
