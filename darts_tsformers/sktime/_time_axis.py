"""Time stamps of any kind as integer steps, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

Frequency: TypeAlias = Any  # an offset of pandas, or an integer
Stamp: TypeAlias = Any  # a Period, a Timestamp or an integer


def frequency(index: pd.Index) -> Frequency:
    """Return what lies between two steps: an offset, or the distance of two integers.

    Integers may leave out steps, and so may periods and time stamps that carry their frequency.

    Raises
    ------
    ValueError
        If time stamps have no frequency and are not regular, which would tell it.
    TypeError
        If the index has neither periods nor time stamps nor integers.
    """
    if isinstance(index, pd.PeriodIndex):
        return index.freq
    if isinstance(index, pd.DatetimeIndex):
        known = index.freq or (pd.infer_freq(index) if len(index) > 2 else None)
        if known is None:
            raise ValueError(
                f"the time stamps from {index[0]} to {index[-1]} have no frequency and are not regular; give them one, "
                "as in y.asfreq('D'): steps without a row become NaN, which counts as not observed"
            )
        return to_offset(known)
    if pd.api.types.is_integer_dtype(index):
        return int(np.gcd.reduce(np.diff(index.to_numpy()))) or 1
    raise TypeError(f"an index of type {type(index).__name__} must hold periods, time stamps or integers")


def with_frequency(cutoff: pd.Index, freq: Frequency) -> pd.Index:
    """Return a single time stamp with its frequency, by which sktime tells how far ahead another one lies."""
    if not isinstance(cutoff, pd.DatetimeIndex) or not freq.is_on_offset(cutoff[0]):
        return cutoff
    return pd.DatetimeIndex(cutoff, freq=freq)


@dataclass(frozen=True)
class TimeAxis:
    """Steps from an origin, which is step 0.

    Attributes
    ----------
    origin
        A period, a time stamp or an integer.
    freq
        What lies between two steps.
    """

    origin: Stamp
    freq: Frequency

    def steps(self, index: pd.Index) -> np.ndarray:
        """Return the step of each entry; those before the origin are negative.

        Raises
        ------
        ValueError
            If an entry lies between two steps.
        """
        if isinstance(self.origin, pd.Timestamp):
            return self._steps_of_stamps(pd.DatetimeIndex(index))
        if isinstance(self.origin, pd.Period):
            distance, between = pd.PeriodIndex(index).asi8 - self.origin.ordinal, self.freq.n
        else:
            distance, between = index.to_numpy() - self.origin, self.freq
        self._refuse(index[distance % between != 0])
        return distance // between

    def labels(self, steps: np.ndarray) -> pd.Index:
        """Return the entries of the index that belong to steps, none of them negative."""
        if isinstance(self.origin, pd.Timestamp):
            return pd.date_range(self.origin, periods=int(steps.max()) + 1, freq=self.freq)[steps]
        between = 1 if isinstance(self.origin, pd.Period) else self.freq
        return pd.Index([self.origin + int(step) * between for step in steps])

    def _steps_of_stamps(self, index: pd.DatetimeIndex) -> np.ndarray:
        before = index < self.origin
        grid = pd.date_range(self.origin, max(index.max(), self.origin), freq=self.freq)
        steps = grid.get_indexer(index)
        self._refuse(index[(steps < 0) & ~before])
        return np.where(before, -1, steps)

    def _refuse(self, between: pd.Index) -> None:
        if len(between):
            step = self.freq if isinstance(self.freq, int) else self.freq.freqstr
            raise ValueError(f"{between[0]} lies between the steps of {step} that start at {self.origin}")
