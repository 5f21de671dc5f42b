"""What is to be forecast, and what else is known: of one series, or of several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import pandas as pd

from darts_tsformers.workflow.errors import DataError

if TYPE_CHECKING:
    from darts import TimeSeries

Time: TypeAlias = pd.Timestamp | int
Id: TypeAlias = str | tuple[str, ...]
"""What tells a series from others: the cell of one column, or those of several."""


@dataclass(frozen=True)
class Table:
    """What is to be forecast, and what else is known.

    Attributes
    ----------
    target
        Shape ``(time, C)``, float64; NaN where a value was not observed.
    past_covariates
        Known up to the last target, shape ``(time, P)``; NaN where a value was not observed.
    future_covariates
        Known beyond the last target, shape ``(time, F)``; as long as all its columns are known. Gaps up to the last
        target are filled by linear interpolation: these are values that were known.
    time_name
        Name of the time column, used in written files.
    known_until
        Last time at which each future covariate is known, where that is later than the series above says.
    n_empty_cells, n_missing_rows
        Gaps found up to the last target: cells without a value, and steps without a row.
    is_utc
        Whether the times of the file, whose UTC offsets differ, were turned into UTC.
    remarks
        What was done to the file to read it, one sentence each.
    country_holidays
        ISO code of the country whose holidays are a future covariate; None for none.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table
    >>> table = Table(TimeSeries.from_values(np.array([1.0, np.nan, 3.0])), n_empty_cells=1)
    >>> table.notes
    ('found 1 empty cell: taken as not observed',)
    """

    target: TimeSeries
    past_covariates: TimeSeries | None = None
    future_covariates: TimeSeries | None = None
    time_name: str = "time"
    known_until: Mapping[str, Time] = field(default_factory=dict)
    n_empty_cells: int = 0
    n_missing_rows: int = 0
    is_utc: bool = False
    remarks: tuple[str, ...] = ()
    country_holidays: str | None = None

    @property
    def gaps(self) -> str:
        """One line that says how many gaps there are; empty if there are none."""
        return _gaps(self.n_empty_cells, self.n_missing_rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a forecast should know of its data, one sentence each."""
        return tuple(filter(None, (*self.remarks, self.gaps)))


@dataclass(frozen=True, eq=False)
class Tables(Mapping[Id, Table]):
    """One table for each of several series, all with the same columns and frequency.

    Attributes
    ----------
    tables
        By what tells the series apart: the cell of the id column, or a tuple of cells if there are several.
    id_names
        Names of the id columns, used in written files.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table, Tables
    >>> shops = {"north": np.arange(3.0), "south": np.arange(5.0)}
    >>> tables = Tables({name: Table(TimeSeries.from_values(units)) for name, units in shops.items()}, ("shop",))
    >>> list(tables), len(tables["south"].target), [len(series) for series in tables.targets]
    (['north', 'south'], 5, [3, 5])
    """

    tables: Mapping[Id, Table]
    id_names: tuple[str, ...]

    def __getitem__(self, key: Id) -> Table:
        return self.tables[key]

    def __iter__(self) -> Iterator[Id]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    @property
    def targets(self) -> list[TimeSeries]:
        """The target of each series, for ``fit`` of a global model."""
        return [table.target for table in self.values()]

    @property
    def past_covariates(self) -> list[TimeSeries] | None:
        """The past covariates of each series, or None."""
        return _all_or_none([table.past_covariates for table in self.values()])

    @property
    def future_covariates(self) -> list[TimeSeries] | None:
        """The future covariates of each series, or None."""
        return _all_or_none([table.future_covariates for table in self.values()])

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader of a forecast should know of its data, one sentence each."""
        remarks = dict.fromkeys(remark for table in self.values() for remark in table.remarks)
        n_empty = sum(table.n_empty_cells for table in self.values())
        n_missing = sum(table.n_missing_rows for table in self.values())
        return tuple(filter(None, (*remarks, _gaps(n_empty, n_missing))))


def id_text(key: Id) -> str:
    """Write what tells a series apart, for messages and labels."""
    return key if isinstance(key, str) else ", ".join(key)


@contextmanager
def naming(key: Id) -> Iterator[None]:
    """Say in an error which series of several it is about."""
    try:
        yield
    except DataError as error:
        raise (DataError(f"series '{id_text(key)}': {error}") if key else error) from None


def _gaps(n_empty_cells: int, n_missing_rows: int) -> str:
    counts = [
        f"{n} {one if n == 1 else many}"
        for n, one, many in (
            (n_empty_cells, "empty cell", "empty cells"),
            (n_missing_rows, "missing row", "missing rows"),
        )
        if n
    ]
    return f"found {' and '.join(counts)}: taken as not observed" if counts else ""


def _all_or_none(series: Sequence[TimeSeries | None]) -> list[TimeSeries] | None:
    found = [one for one in series if one is not None]
    return found or None
