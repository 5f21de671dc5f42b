"""Stamps as whole numbers of steps, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Axis:
    """A regular time axis, shared by all series of a panel.

    Attributes
    ----------
    freq
        A frequency of pandas for dates; the distance between two steps for whole numbers.
    origin
        Step 0: a date in nanoseconds since 1970, or a whole number.

    Examples
    --------
    >>> import numpy as np
    >>> from darts_tsformers.panels.times import Axis
    >>> axis = Axis("MS", np.datetime64("2024-01-01", "ns").astype(int).item())
    >>> axis.stamps(np.array([0, 2]))
    array(['2024-01-01T00:00:00.000000000', '2024-03-01T00:00:00.000000000'],
          dtype='datetime64[ns]')
    >>> axis.positions(axis.stamps(np.array([5])).astype("int64"))
    array([5])
    """

    freq: str | int
    origin: int

    @property
    def has_dates(self) -> bool:
        """Whether stamps are dates."""
        return isinstance(self.freq, str)

    def positions(self, stamps: np.ndarray) -> np.ndarray:
        """Return how many steps each stamp is after the origin; a stamp between two steps gets the step before it.

        :meth:`stamps` of the result differs from what was given exactly where a stamp is not on the axis.
        """
        if stamps.size == 0:
            return np.zeros(0, np.int64)
        if not isinstance(self.freq, str):
            return (stamps - self.origin) // self.freq
        first, grid = self._grid(int(stamps.min()), int(stamps.max()))
        return np.searchsorted(grid, stamps, side="right") - 1 + first

    def stamps(self, positions: np.ndarray) -> np.ndarray:
        """Return the stamp of each step: dates, or whole numbers."""
        return self.raw(positions).view("datetime64[ns]") if self.has_dates else self.raw(positions)

    def raw(self, positions: np.ndarray) -> np.ndarray:
        """Return the stamp of each step as a whole number: of nanoseconds since 1970 for dates."""
        positions = np.asarray(positions, np.int64)
        if positions.size == 0:
            return positions
        if not isinstance(self.freq, str):
            return self.origin + positions * self.freq
        low, high = min(int(positions.min()), 0), max(int(positions.max()), 0)
        before = self._dates(end=self._start, periods=1 - low)
        after = self._dates(start=self._start, periods=high + 1)
        return np.concatenate([before[:-1], after])[positions - low]

    def stamp(self, position: int) -> pd.Timestamp | int:
        """Return the stamp of one step."""
        raw = self.raw(np.array([position])).item()
        return pd.Timestamp(raw) if self.has_dates else raw

    def shown(self, raw: int) -> str:
        """Return a stamp given as a whole number as text."""
        return str(pd.Timestamp(raw)) if self.has_dates else str(raw)

    @property
    def _start(self) -> pd.Timestamp:
        return pd.Timestamp(self.origin)

    def _grid(self, low: int, high: int) -> tuple[int, np.ndarray]:
        """Return the position of the first of the axis' stamps that reach from ``low`` to ``high``, and the stamps."""
        after = self._dates(start=self._start, end=max(pd.Timestamp(high), self._start))
        if low >= self.origin:
            return 0, after
        n = 64
        while (before := self._dates(end=self._start, periods=n))[0] > low:
            n *= 2
        return 1 - n, np.concatenate([before[:-1], after])

    def _dates(self, **bounds: Any) -> np.ndarray:
        return pd.date_range(**bounds, freq=str(self.freq)).as_unit("ns").asi8


def inferred_freq(stamps: np.ndarray, *, are_dates: bool) -> str | int | None:
    """Return the frequency of ascending stamps of one series; None if there is none to be seen."""
    if len(stamps) < 3:
        return None
    if are_dates:
        return pd.infer_freq(pd.DatetimeIndex(stamps.view("datetime64[ns]")))
    steps = np.unique(np.diff(stamps))
    return int(steps[0]) if len(steps) == 1 and steps[0] > 0 else None
