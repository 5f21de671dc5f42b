"""Weeks, quarters and months that are written by their number."""

import re
from datetime import date

_WEEK = re.compile(r"\d{4}-?W\d{2}(?:-?[1-7])?")
_QUARTER = re.compile(r"(\d{4})[-/ ]?Q([1-4])")
_QUARTER_FIRST = re.compile(r"Q([1-4])[-/ ]?(\d{4})")
_MONTH = re.compile(r"(\d{4})-?M(\d{1,2})")


def first_day(text: str) -> str:
    """Write a period as the day that it begins with, and leave all else as it is.

    Weeks are those of ISO 8601, which begin on Mondays.

    >>> from darts_tsformers.workflow.reading.periods import first_day
    >>> [first_day(text) for text in ("2024-W05", "2024Q2", "Q2 2024", "2024M12", "2024-02-31")]
    ['2024-01-29', '2024-04-01', '2024-04-01', '2024-12-01', '2024-02-31']
    """
    period = text.strip().upper()
    try:
        if _WEEK.fullmatch(period):
            return date.fromisoformat(period).isoformat()
        if found := _QUARTER.fullmatch(period):
            return _month(found[1], 3 * int(found[2]) - 2)
        if found := _QUARTER_FIRST.fullmatch(period):
            return _month(found[2], 3 * int(found[1]) - 2)
        if found := _MONTH.fullmatch(period):
            return _month(found[1], int(found[2]))
    except ValueError:  # a week or month that the year does not have
        return text
    return text


def _month(year: str, month: int) -> str:
    return date(int(year), month, 1).isoformat()
