"""The seasonal period that a frequency suggests."""

from typing import cast

import pandas as pd

_PERIODS = {"B": 5, "C": 5, "D": 7, "W": 52, "SM": 24, "M": 12, "BM": 12, "CBM": 12, "Q": 4, "BQ": 4}


def seasonal_period(freq: pd.DateOffset | int) -> int:
    """Return the steps in the period most series of a frequency have: a day, a week for days, a year for longer steps.

    Steps below a minute get an hour; a frequency without a usual period, and a RangeIndex, 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from darts_tsformers.seasonality import seasonal_period
    >>> [seasonal_period(pd.tseries.frequencies.to_offset(freq)) for freq in ("h", "D", "W-SUN", "MS", "YS")]
    [24, 7, 52, 12, 1]
    """
    if isinstance(freq, int):
        return 1
    if isinstance(freq, pd.offsets.Tick) and not freq.rule_code.startswith("D"):
        step = pd.Timedelta(freq)
        cycle = pd.Timedelta("1D") if step >= pd.Timedelta("1min") else pd.Timedelta("1h")
        return max(cycle // step, 1)
    code = freq.rule_code.split("-")[0]
    base = code if code in _PERIODS else code[:-1]
    period = _PERIODS.get(base, 1)
    return period // freq.n if period % freq.n == 0 else 1


_DAYS = (*range(1, 8), 14, 21, 28)
_MONTHS = tuple(range(1, 13))
_DAYS_OF_A_MONTH = 30


def lags_of(freq: str | pd.DateOffset) -> list[int]:
    """Return the steps after which series of a frequency come back to where they were, in increasing order.

    Of steps below a day those of one to seven days, of two, three and four weeks. Of days those of one to twelve months
    of 30 days, business days alike, as TSDiff has them. Of all others one, two and three periods of
    :func:`seasonal_period`, and one to three steps where there is no period.

    Raises
    ------
    ValueError
        If pandas does not know the frequency.

    Examples
    --------
    >>> from darts_tsformers.seasonality import lags_of
    >>> lags_of("h")
    [24, 48, 72, 96, 120, 144, 168, 336, 504, 672]
    >>> lags_of("D")[:3], lags_of("QS"), lags_of("YE")
    ([30, 60, 90], [4, 8, 12], [1, 2, 3])
    """
    try:
        offset = cast(pd.DateOffset, pd.tseries.frequencies.to_offset(freq))
    except ValueError as error:
        raise ValueError(f"freq={freq!r} must be a frequency that pandas knows") from error
    period = seasonal_period(offset)
    if isinstance(offset, pd.offsets.Tick) and pd.Timedelta(offset) < pd.Timedelta("1D"):
        return [period * n for n in _DAYS]
    if offset.rule_code in ("D", "B", "C"):
        return [_DAYS_OF_A_MONTH * n for n in _MONTHS]
    return [period * n for n in (1, 2, 3)]
