"""The public holidays of a country as a future covariate: they are known before anything else is."""

from dataclasses import replace
from typing import overload

import pandas as pd
from darts import TimeSeries, concatenate
from darts.utils.timeseries_generation import generate_index, holidays_timeseries

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.table import Table, Tables, naming

STEPS_AHEAD = 1000
"""How far holidays are known after the last target, unless other covariates or a longer target say how far."""


def holiday_column(country: str) -> str:
    """Name the covariate."""
    return f"holidays_{country}"


@overload
def with_holidays(table: Table, country: str) -> Table: ...
@overload
def with_holidays(table: Tables, country: str) -> Tables: ...
@overload
def with_holidays(table: Table | Tables, country: str) -> Table | Tables: ...
def with_holidays(table: Table | Tables, country: str) -> Table | Tables:
    """Add a future covariate that is 1 on the public holidays of a country, and 0 on other days.

    Parameters
    ----------
    table
        Of one series or of several, on a time axis of dates with steps of a day or less.
    country
        Its ISO code, such as ``"DE"``.

    Returns
    -------
    Table or Tables
        With the covariate ``holidays_DE``. It is known as long as the other future covariates; without others, for
        1,000 steps after the last target, or for as many as the target has if that is more.

    Raises
    ------
    DataError
        If the country is not known, the time axis has no dates or longer steps, or there is such a covariate already.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, with_holidays
    >>> days = pd.date_range("2024-12-01", periods=30, freq="D")
    >>> table = with_holidays(Table(TimeSeries.from_times_and_values(days, np.arange(30.0))), "DE")
    >>> found = table.future_covariates["holidays_DE"].to_series()
    >>> [str(day.date()) for day in found.index[found == 1][:3]]
    ['2024-12-25', '2024-12-26', '2025-01-01']
    """
    if isinstance(table, Table):
        return _with_holidays(table, country)
    tables = {}
    for key, one in table.items():
        with naming(key):
            tables[key] = _with_holidays(one, country)
    return replace(table, tables=tables)


def _with_holidays(table: Table, country: str) -> Table:
    _require_days(table.target)
    known, name = table.future_covariates, holiday_column(country)
    if known is not None and name in known.components:
        raise DataError(f"column '{name}' is there already: rename it, or leave out the holidays")
    times = _times(table.target) if known is None else known.time_index
    try:
        found = holidays_timeseries(times, country, column_name=name)
    except NotImplementedError:
        raise DataError(
            f"no holidays are known of country '{country}': give its ISO code, such as DE, FR or US"
        ) from None
    future = found if known is None else concatenate([known, found], axis="component")
    return replace(table, future_covariates=future, country_holidays=country)


def _times(target: TimeSeries) -> pd.DatetimeIndex:
    length = len(target) + max(len(target), STEPS_AHEAD)
    return generate_index(start=target.start_time(), length=length, freq=target.freq)


def _require_days(target: TimeSeries) -> None:
    times = target.time_index
    if not isinstance(times, pd.DatetimeIndex):
        raise DataError(
            "holidays need dates, but the steps are numbered: name the time column, or leave out the holidays"
        )
    if times.diff().min() > pd.Timedelta(days=1):
        raise DataError(f"holidays need steps of a day or less, not {target.freq_str}: leave them out")
