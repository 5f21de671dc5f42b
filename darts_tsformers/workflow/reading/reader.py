"""From a file to the series a forecaster needs."""

from collections.abc import Sequence
from os import PathLike
from typing import overload

import pandas as pd

from darts_tsformers.workflow.reading.cells import numbers
from darts_tsformers.workflow.reading.files import read_source
from darts_tsformers.workflow.reading.groups import rows_by_id, static_covariates
from darts_tsformers.workflow.reading.numerals import plain_numbers
from darts_tsformers.workflow.reading.roles import Roles, find_roles
from darts_tsformers.workflow.reading.series import table_of
from darts_tsformers.workflow.reading.time_axis import common_frequency, oldest_first, regular_axis
from darts_tsformers.workflow.reading.time_column import read_times
from darts_tsformers.workflow.table import Id, Table, Tables, naming

IN_UTC = "found several UTC offsets: times are taken in UTC, and those of the forecast are too"
NEWEST_FIRST = "rows were newest first: sorted, oldest first"


@overload
def read_table(
    data: str | PathLike[str] | pd.DataFrame,
    *,
    target: str | Sequence[str] | None = ...,
    time: str | None = ...,
    freq: str | None = ...,
    past_covariates: str | Sequence[str] = ...,
    future_covariates: str | Sequence[str] = ...,
    separator: str | None = ...,
    decimal: str | None = ...,
    thousands: str | None = ...,
    country_holidays: str | None = ...,
) -> Table: ...
@overload
def read_table(
    data: str | PathLike[str] | pd.DataFrame,
    *,
    target: str | Sequence[str] | None = ...,
    time: str | None = ...,
    freq: str | None = ...,
    past_covariates: str | Sequence[str] = ...,
    future_covariates: str | Sequence[str] = ...,
    separator: str | None = ...,
    decimal: str | None = ...,
    thousands: str | None = ...,
    id: str | Sequence[str],
    static: str | Sequence[str] = ...,
    country_holidays: str | None = ...,
) -> Table | Tables: ...
def read_table(
    data: str | PathLike[str] | pd.DataFrame,
    *,
    target: str | Sequence[str] | None = None,
    time: str | None = None,
    freq: str | None = None,
    past_covariates: str | Sequence[str] = (),
    future_covariates: str | Sequence[str] = (),
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    id: str | Sequence[str] = (),
    static: str | Sequence[str] = (),
    country_holidays: str | None = None,
) -> Table | Tables:
    """Read a file, of one series or of several.

    Rows at the end whose targets are all empty are the known future if ``future_covariates`` are named. Empty cells and
    missing rows before are gaps: values that were not observed.

    Parameters
    ----------
    data
        A text file with a header, compressed or not (``.csv``, ``.csv.gz``); an Excel file (``.xlsx``, its first
        sheet), Parquet or Feather (these need ``pip install 'darts-tsformers[files]'``); a ``.tsf`` file of the Monash
        archive; or a pandas DataFrame.
    target
        The columns to forecast. By default the only numeric column that has no other role.
    time
        The time column: dates, weeks (``2024-W05``), quarters (``2024Q1``), months (``2024M05``), seconds or
        milliseconds since 1970, or whole numbers. By default the only column that holds dates.
    freq
        A pandas frequency such as ``"h"``, ``"W-MON"`` or ``"MS"``. Inferred by default.
    past_covariates, future_covariates
        Columns known up to the last target, and columns also known over the horizon.
    separator
        What stands between two cells of a text file; ``"tab"`` for a tab. By default whichever of ``, ; tab |`` makes
        most names of the first line.
    decimal, thousands
        What stands before decimals, ``"."`` or ``","``, and what between thousands: ``","``, ``"."``, ``" "`` or
        ``"'"``. Found by default, where the numbers of the file leave no doubt.
    id
        The columns that tell several series apart, in a long table. By default there is one series, or those of the
        ``.tsf`` file.
    static
        Columns with one value for each series: static covariates of the target.
    country_holidays
        ISO code of a country, such as ``"DE"``, whose public holidays become a future covariate: see
        :func:`~darts_tsformers.workflow.with_holidays`.

    Returns
    -------
    Table or Tables
        Series of dtype float64 on a regular time axis; a table for each series if there are several.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, or needs a package that is not installed; a column is unknown or not
        numeric; a target is empty or not clear; a future covariate is empty after the last target; a static column
        changes within a series; the time axis is unclear, unsorted or irregular; or there are no holidays for it.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers.workflow import read_table
    >>> days = pd.date_range("2024-01-01", periods=30, freq="D", name="day")
    >>> frame = pd.DataFrame({"units": np.arange(30.0), "promo": np.arange(30) % 2}, index=days)
    >>> frame.loc[days[-7:], "units"] = np.nan  # a week of which the promotions are known
    >>> frame.drop(days[4]).to_csv("sales.csv")
    >>> table = read_table("sales.csv", future_covariates="promo")
    >>> len(table.target), len(table.future_covariates), table.gaps
    (23, 30, 'found 1 missing row: taken as not observed')

    A long table, here a frame, has one series after the other:

    >>> shops = pd.concat([frame.assign(shop="north", region=1), frame.assign(shop="south", region=2)])
    >>> tables = read_table(shops, target="units", future_covariates="promo", id="shop", static="region")
    >>> list(tables), tables["south"].target.static_covariates["region"].tolist()
    (['north', 'south'], [2.0])
    """
    source = read_source(data, separator)
    freq = freq if freq is not None else source.freq
    ids = _names(id) or list(source.ids)
    kept = [*ids, *([] if time is None else [time])]
    cells, numerals = plain_numbers(source.cells, decimal, thousands, kept=kept)
    targets, past, future = _names(target or ()), _names(past_covariates), _names(future_covariates)
    roles = find_roles(cells, time, targets, past, future, ids, _names(static))

    is_found = numerals is not None and decimal is None and thousands is None
    tables = _tables(cells, roles, freq, [f"numbers are read as in {numerals}"] if is_found else [])
    found = Tables(tables, tuple(ids)) if ids else tables[""]
    if country_holidays is None:
        return found
    from darts_tsformers.workflow.public_holidays import with_holidays  # late: it imports Darts

    return with_holidays(found, country_holidays)


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _tables(cells: pd.DataFrame, roles: Roles, freq: str | None, remarks: Sequence[str]) -> dict[Id, Table]:
    column = cells[roles.time]
    times, is_utc = read_times(column, freq)
    values = numbers(cells, [*roles.targets, *roles.past, *roles.future])
    groups = rows_by_id(cells, roles.ids)
    statics = static_covariates(cells, roles.static, groups)
    series = {}
    for key, rows in groups.items():
        with naming(key):
            series[key] = oldest_first(column, times, rows)
    step = common_frequency(list(series.values()), freq)
    tables = {}
    for key, one in series.items():
        said = (*remarks, *([IN_UTC] if is_utc else []), *([NEWEST_FIRST] if one.was_newest_first else []))
        with naming(key):
            axis = regular_axis(one, step, " UTC" if is_utc else "")
            tables[key] = table_of(axis, values[one.rows], roles, statics[key], is_utc=is_utc, remarks=said)
    return tables
