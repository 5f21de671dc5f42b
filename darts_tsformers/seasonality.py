"""The seasonal period that a frequency suggests."""

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
