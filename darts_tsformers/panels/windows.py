"""Which windows a panel has, found by arithmetic, and their values."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from darts_tsformers.panels.shard import Shard
from darts_tsformers.panels.store import Panel


@dataclass(frozen=True)
class WindowSizes:
    """Steps of a window.

    Attributes
    ----------
    lookback, shortest_lookback
        Steps that a model sees, and the fewest that a series must have of them; what is missing is NaN.
    horizon, shift
        Steps that it forecasts, and how many it leaves out before them.

    Examples
    --------
    >>> from darts_tsformers.panels import WindowSizes
    >>> WindowSizes(lookback=28, shortest_lookback=14, horizon=7).needed
    21
    """

    lookback: int
    shortest_lookback: int
    horizon: int
    shift: int = 0

    @property
    def needed(self) -> int:
        """Fewest steps of a series that a window to train on can be cut from."""
        return self.shortest_lookback + self.shift + self.horizon


@dataclass(frozen=True)
class Place:
    """Where some windows are: all of them in one shard.

    Attributes
    ----------
    shard
        That they are in.
    rows
        Which of the windows asked for these are, ``(b,)``.
    series
        Number of the series of each within the shard, ``(b,)``.
    ends
        Steps of its series after which its look-back ends, ``(b,)``.
    """

    shard: Shard
    rows: np.ndarray
    series: np.ndarray
    ends: np.ndarray

    @property
    def offsets(self) -> np.ndarray:
        """Row of the shard at which the series of each window begins."""
        return self.shard.offsets[self.series]


class TrainingWindows:
    """All windows of a panel that end in a forecast which is known.

    Windows of a series are numbered from its end, as in Darts; series come one after the other.

    Parameters
    ----------
    panel, sizes
        What is cut, and into what.
    stride
        Steps between two windows of a series.
    leave_out
        Steps at the end of each series that no window reaches into.
    last
        Steps before those that whole forecasts have to lie in; None for no such rule.
    """

    def __init__(
        self, panel: Panel, sizes: WindowSizes, *, stride: int = 1, leave_out: int = 0, last: int | None = None
    ) -> None:
        self._panel = panel
        self._sizes = sizes
        self._stride = stride
        self._leave_out = leave_out
        counts = [_counts(shard.ends - leave_out, sizes, stride, last) for shard in panel.shards]
        self._until = [np.cumsum(count) for count in counts]
        self._first = np.cumsum([0, *(int(count.sum()) for count in counts)])

    def __len__(self) -> int:
        return int(self._first[-1])

    def find(self, windows: np.ndarray) -> Iterator[Place]:
        """Yield where windows of given numbers are, shard by shard."""
        for i, rows in _by_shard(self._first, windows):
            shard = self._panel.shards[i]
            within = windows[rows] - self._first[i]
            series = np.searchsorted(self._until[i], within, side="right")
            begin = np.where(series > 0, self._until[i][series - 1], 0)
            ends = shard.ends[series] - self._leave_out - (within - begin) * self._stride
            yield Place(shard, rows, series, ends - self._sizes.horizon - self._sizes.shift)


class LastWindows:
    """The last window of each series, from which its future is forecast.

    Parameters
    ----------
    panel
        What is cut.
    series
        Numbers of the series in the order of the panel, ``(S,)``.
    cut
        Steps at the end of each series that count as future.
    """

    def __init__(self, panel: Panel, series: np.ndarray, cut: int = 0) -> None:
        self._panel = panel
        self._cut = cut
        self.series = series

    def __len__(self) -> int:
        return len(self.series)

    def find(self, windows: np.ndarray) -> Iterator[Place]:
        """Yield where the windows of some of the series are, shard by shard."""
        wanted = self.series[windows]
        for i, rows in _by_shard(self._panel.first_series, wanted):
            shard = self._panel.shards[i]
            series = wanted[rows] - self._panel.first_series[i]
            yield Place(shard, rows, series, shard.ends[series] - self._cut)


def cut(values: np.ndarray, first: np.ndarray, length: int, floor: np.ndarray) -> np.ndarray:
    """Return ``length`` rows from each of some rows on.

    Parameters
    ----------
    values
        All rows, ``(T, C)``.
    first
        Where each window begins, ``(B,)``.
    length
        Rows of a window.
    floor
        The first row of the series of each, ``(B,)``; what is before it is NaN.

    Returns
    -------
    numpy.ndarray
        ``(B, length, C)``.

    Examples
    --------
    >>> import numpy as np
    >>> from darts_tsformers.panels.windows import cut
    >>> cut(np.arange(5.0)[:, None], np.array([2, 1]), 3, floor=np.array([0, 2]))[..., 0]
    array([[ 2.,  3.,  4.],
           [nan,  2.,  3.]])
    """
    whole = first >= floor
    if whole.all():
        rows, width = values.strides
        shape = (len(values) - length + 1, length, values.shape[1])
        return np.lib.stride_tricks.as_strided(values, shape, (rows, rows, width), writeable=False)[first]
    found = np.full((len(first), length, values.shape[1]), np.nan, values.dtype)
    if whole.any():
        found[whole] = cut(values, first[whole], length, floor[whole])
    steps = first[~whole, None] + np.arange(length)
    is_there = steps >= floor[~whole, None]
    found[~whole] = np.where(is_there[..., None], values[np.where(is_there, steps, 0)], np.nan)
    return found


def _counts(ends: np.ndarray, sizes: WindowSizes, stride: int, last: int | None) -> np.ndarray:
    """Return how many windows each series has."""
    earliest = np.full(len(ends), sizes.needed)
    if last is not None:
        earliest = np.maximum(earliest, ends - last + sizes.horizon)
    return np.maximum((ends - earliest) // stride + 1, 0)


def _by_shard(first: np.ndarray, numbers: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each shard that some numbers are in, and the places of these numbers."""
    of = np.searchsorted(first, numbers, side="right") - 1
    for i in np.unique(of):
        yield int(i), np.flatnonzero(of == i)
