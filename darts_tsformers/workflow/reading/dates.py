"""Cells as dates: which cells are some, and in which order they name day, month and year."""

import re
import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darts_tsformers.workflow.reading.frequency import n_missing
from darts_tsformers.workflow.reading.periods import first_day

_SAMPLE = 50

_OFFSET = r"\s*(?:[+-]\d{2}:?\d{2}|Z)$"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s*[+-]\d{2}:?\d{2})?"
_MONTH = r"[^\W\d]{3,}"
_YEAR = rf"\d{{4}}|\d{{1,2}}[-/. ]+(?:\d{{1,2}}|{_MONTH})[-/., ]+\d{{2}}|{_MONTH}[-/. ]+\d{{1,2}}[-/., ]+\d{{2}}"
_DAY_OR_MONTH = re.compile(r"\s*\d{1,2}[-/.]")
_SHORT_YEAR_FIRST = r"\s*\d{2}([-/.])\d{1,2}\1\d{1,2}(?!\d).*"
_FIRST_SHORT_YEAR = 69
"""Two digits from here on are of the last century, as POSIX has it."""

_COMPACT_DATE = r"[12]\d{7}"
_NUMBER = r"[+-]?(?:[\d.]*,[\d.,]*|\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)\s*[+-]?"
_CODE = r"\d{3,}\s*-\s*\d{3,}|[^\W\d]\d+"
"""From one number to another, and a letter with a number."""


def kind(column: pd.Series) -> Literal["dates", "times", "text"]:
    """Tell whether most of the first cells are "dates", "times" of no day, or "text".

    A bad cell is to be named later, not to hide the column. Numbers and codes, of which pandas takes some for dates,
    are text.
    """
    sample = column.dropna().iloc[:_SAMPLE].str.strip()
    sample = sample[sample.str.contains(r"\d")].map(first_day)
    number = sample.str.fullmatch(f"{_NUMBER}|{_CODE}", case=False) & ~sample.str.fullmatch(_COMPACT_DATE)
    if not len(sample) or number.mean() > 0.5:
        return "text"
    sample = sample[~number]
    if read_dates(sample) is None and readable(sample).mean() <= 0.5:
        return "text"
    if has_year(sample).mean() > 0.5:
        return "dates"
    return "times" if sample.str.contains(_CLOCK).mean() > 0.5 else "text"


def has_year(column: pd.Series) -> NDArray[np.bool_]:
    """Tell which cells name a year, as pandas puts today's date where there is none."""
    days = column.str.replace(_CLOCK, " ", regex=True)
    return days.str.contains(_YEAR, regex=True).to_numpy(dtype=bool)


def readable(column: pd.Series) -> NDArray[np.bool_]:
    """Tell which cells read as dates in the format of the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return pd.to_datetime(column, errors="coerce", utc=True).notna().to_numpy()


def read_dates(column: pd.Series, freq: str | None = None) -> pd.DatetimeIndex | None:
    """Read all cells as dates, or return None.

    Of the orders of day, month and year in which they read, sorted times go before others, oldest or newest first. Of
    several, that one is taken which leaves the fewest steps without a row: months as ``01/05/2019`` are no days of a
    January only because one of them is missing. Where several leave as few, the month goes first.
    """
    readings = [times for times in _readings(column) if times is not None]
    if len(readings) < 2:
        return readings[0] if readings else None
    return min(readings, key=lambda times: (not _is_sorted(times), n_missing(times.tz_localize(None), freq)))


def _is_sorted(times: pd.DatetimeIndex) -> bool:
    return times.is_monotonic_increasing or times.is_monotonic_decreasing


def _readings(column: pd.Series) -> Iterator[pd.DatetimeIndex | None]:
    """Read month first, day first, and with two digits of the year first, where the cells leave a choice."""
    yield _read_any(column, dayfirst=False)
    if _DAY_OR_MONTH.match(column.iloc[0]):
        yield _read_any(column, dayfirst=True)
    if column.str.fullmatch(_SHORT_YEAR_FIRST).all():
        yield _read_any(column.str.strip().map(_with_century), dayfirst=False)


def _with_century(cell: str) -> str:
    return ("19" if int(cell[:2]) >= _FIRST_SHORT_YEAR else "20") + cell


def _read_any(column: pd.Series, *, dayfirst: bool) -> pd.DatetimeIndex | None:
    """Read dates of one UTC offset, or of several.

    Of several, the local times are taken where all are of one time of day, else all times in UTC, and as such.
    """
    times = _read(column, dayfirst=dayfirst)
    if times is not None:
        return times
    local = _read(column.str.replace(_OFFSET, "", regex=True), dayfirst=dayfirst)
    if local is not None and (local - local.normalize()).nunique() == 1:
        return local
    return _read(column, dayfirst=dayfirst, in_utc=True)


def _read(column: pd.Series, *, dayfirst: bool, in_utc: bool = False) -> pd.DatetimeIndex | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            times = pd.DatetimeIndex(pd.to_datetime(column, dayfirst=dayfirst, utc=in_utc))
            return times if in_utc else times.tz_localize(None)
    except (ValueError, OverflowError):
        return None
