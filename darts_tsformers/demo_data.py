"""A file to try the command line on: three years of a shop that never was."""

import csv
import io
import math
import os
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from darts_tsformers.adapter.files.whole_files import whole_file

__all__ = ["write_demo_data"]

COLUMNS = ("day", "units", "price", "promo", "holiday")
N_DAYS, N_KNOWN = 1096, 28
"""Days with sales, and days after them of which price, promotions and holidays are planned."""

_FIRST = date(2022, 1, 1)
_WEEK = (0.82, 0.84, 0.90, 0.97, 1.20, 1.38, 0.89)  # Monday to Sunday
_HOLIDAYS = {(1, 1), (5, 1), (10, 3), (12, 25), (12, 26)}
_LIFT_OF_PROMOTION, _SHARE_ON_HOLIDAY = 1.35, 0.45
_DEVIATION = 0.06


def write_demo_data(path: str | os.PathLike[str]) -> Path:
    """Write daily sales of a shop as a CSV file, the same each time.

    Made up by a formula: a trend, the week, the year, promotions that lift sales, holidays on which the shop closes
    early, and noise. The last four weeks have no ``units``: what is planned for them is known, as in practice.

    Parameters
    ----------
    path
        The file, with the columns ``day``, ``units`` (to forecast), ``price``, ``promo`` and ``holiday``.

    Returns
    -------
    pathlib.Path
        The same.

    Raises
    ------
    FileExistsError
        If there is such a file.
    OSError
        If it cannot be written.

    Examples
    --------
    >>> from darts_tsformers.demo_data import write_demo_data
    >>> print(write_demo_data("sales.csv").read_text().splitlines()[0])
    day,units,price,promo,holiday
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(f"{path} exists: choose another name, or delete it")
    with whole_file(path) as part:
        part.write_text(_content(), encoding="utf-8")
    return path


def _content() -> str:
    generator = np.random.default_rng(2022)
    starts = set(generator.choice((N_DAYS + N_KNOWN) // 7, size=30, replace=False).tolist())
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for k in range(N_DAYS + N_KNOWN):
        day = _FIRST + timedelta(days=k)
        promo, holiday = k // 7 in starts, (day.month, day.day) in _HOLIDAYS
        units = _expected(k, day, promo, holiday) * math.exp(_DEVIATION * generator.standard_normal())
        price = (4.49 if promo else 5.49) + 0.5 * (k >= N_DAYS // 2)
        rows.writerow([day, round(units) if k < N_DAYS else "", f"{price:.2f}", int(promo), int(holiday)])
    return text.getvalue()


def _expected(k: int, day: date, promo: bool, holiday: bool) -> float:
    year = 1 + 0.18 * math.cos(2 * math.pi * (day.timetuple().tm_yday - 170) / 365.25)
    level = 240 * (1 + 0.25 * k / N_DAYS) * _WEEK[day.weekday()] * year
    return level * (_LIFT_OF_PROMOTION if promo else 1) * (_SHARE_ON_HOLIDAY if holiday else 1)
