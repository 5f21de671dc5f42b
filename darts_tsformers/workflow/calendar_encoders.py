"""Where a step stands in the day, the week and the year, as Darts' encoders of future covariates."""

from typing import Any

import pandas as pd

from darts_tsformers.workflow.errors import DataError

_DAY, _YEAR = pd.Timedelta(days=1), pd.Timedelta(days=365)


def calendar_encoders(times: pd.Index) -> dict[str, Any]:
    """Return what ``add_encoders`` of a model takes: a sine and a cosine of each cycle.

    Parameters
    ----------
    times
        Of the rows to train on. They decide which cycles there are: the day if a step is shorter; the week if it is no
        longer than a day; the year if it is shorter and there are two.

    Raises
    ------
    DataError
        If there is none.

    Examples
    --------
    >>> import pandas as pd
    >>> from darts_tsformers.workflow.calendar_encoders import calendar_encoders
    >>> calendar_encoders(pd.date_range("2024-01-01", periods=100, freq="h"))
    {'cyclic': {'future': ['hour', 'dayofweek']}}
    >>> calendar_encoders(pd.date_range("2020-01-01", periods=50, freq="MS"))
    {'cyclic': {'future': ['dayofyear']}}
    """
    attributes = []
    if isinstance(times, pd.DatetimeIndex):
        step = times.to_series().diff().min()
        lasts_years = times[-1] - times[0] >= 2 * _YEAR
        cycles = {"hour": step < _DAY, "dayofweek": step <= _DAY, "dayofyear": step < _YEAR and lasts_years}
        attributes = [name for name, is_there in cycles.items() if is_there]
    if not attributes:
        raise DataError(
            "the calendar says nothing of these steps: they are numbered, years, or longer than a day over less than "
            "two years; leave it out"
        )
    return {"cyclic": {"future": attributes}}
