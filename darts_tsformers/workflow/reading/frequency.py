"""How far apart times are, and the regular axis they stand on."""

import warnings
from collections import Counter

import pandas as pd
from pandas.tseries.frequencies import to_offset

from darts_tsformers.workflow.errors import DataError

FEWEST_TIMES = 3
"""Fewer tell no frequency."""

_SEGMENT = 10
_MAX_SEGMENTS = 200
_PARTS = tuple(4**k for k in range(6, -1, -1))
"""In which fractions an axis is built, so that one with far too many steps is never built as a whole."""


def infer_frequency(times: pd.DatetimeIndex) -> str | None:
    """Frequency of the whole axis, else the one most short stretches of it have, else None."""
    whole = pd.infer_freq(times)
    if whole is not None:
        return whole
    starts = range(0, max(len(times) - _SEGMENT, 0) + 1, _SEGMENT)[:_MAX_SEGMENTS]
    stretches = (pd.infer_freq(times[start : start + _SEGMENT]) for start in starts)
    votes = Counter(found for found in stretches if found is not None)
    return votes.most_common(1)[0][0] if votes else None


def axis(times: pd.DatetimeIndex, freq: str) -> pd.DatetimeIndex:
    """Return the steps from first to last, of which those beyond twice the rows are of no use to anyone.

    Raises
    ------
    DataError
        If pandas has no such frequency, or it leads nowhere.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            offset = to_offset(freq)
            if offset.n < 1:
                raise ValueError
            return _steps(times, offset)
    except (ValueError, OverflowError, ZeroDivisionError, AttributeError):
        raise DataError(f"unknown frequency '{freq}': give one such as h, 30min, D, B, W-SUN, MS, QS or YS") from None


def n_missing(times: pd.DatetimeIndex, freq: str | None) -> float:
    """Count the steps without a row; infinite where times are off the axis, or fewer than half of it."""
    times = times.unique().sort_values()
    if len(times) < FEWEST_TIMES:
        return float("inf")
    freq = infer_frequency(times) if freq is None else freq
    if freq is None:
        return float("inf")
    steps = axis(times, freq)
    fits = len(steps) < 2 * len(times) and (steps.get_indexer(times) >= 0).all()
    return len(steps) - len(times) if fits else float("inf")


def _steps(times: pd.DatetimeIndex, offset: pd.tseries.offsets.BaseOffset) -> pd.DatetimeIndex:
    first, last, most = times[0], times[-1], 2 * len(times)
    step = pd.Timedelta(days=offset.n) if isinstance(offset, pd.offsets.Day) else None
    if isinstance(offset, pd.offsets.Tick):
        step = pd.Timedelta(offset)
    if step is not None:
        return pd.date_range(first, periods=min((last - first) // step + 1, most), freq=offset)
    for part in _PARTS:
        steps = pd.date_range(first, first + (last - first) / part, freq=offset)
        if len(steps) >= most:
            return steps[:most]
    return steps if len(steps) > 1 else pd.date_range(first, periods=len(times), freq=offset)
