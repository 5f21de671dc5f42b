"""The columns that a forecaster was trained on, and new tables held to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.public_holidays import holiday_column, with_holidays
from darts_tsformers.workflow.reading import read_table
from darts_tsformers.workflow.table import Table


@dataclass(frozen=True)
class Columns:
    """Names and time step of a table.

    Attributes
    ----------
    time
        Name of the time column.
    targets, past_covariates, future_covariates
        Names of columns, in the order of training.
    frequency
        Step of the time axis: pandas' name for it, or a number for whole numbers.
    static_covariates
        Values of the static covariates of the targets by their name: one, or one for each target.
    country_holidays
        ISO code of the country whose holidays are one of the future covariates: they are found anew for new data.
    """

    time: str
    targets: tuple[str, ...]
    past_covariates: tuple[str, ...]
    future_covariates: tuple[str, ...]
    frequency: str | int
    static_covariates: Mapping[str, Sequence[Any]]
    country_holidays: str | None = None

    @classmethod
    def of(cls, table: Table) -> Self:
        """Read off a table."""
        static = table.target.static_covariates
        return cls(
            time=table.time_name,
            targets=_names(table.target),
            past_covariates=_names(table.past_covariates),
            future_covariates=_names(table.future_covariates),
            frequency=_frequency(table.target),
            static_covariates={} if static is None else static.to_dict("list"),
            country_holidays=table.country_holidays,
        )

    def table(self, data: Table | TimeSeries | str | PathLike[str], **reading: Any) -> Table:
        """Return data as a table with these columns in this order.

        Parameters
        ----------
        data
            A table, the target alone, or a file.
        **reading
            Arguments of :func:`~darts_tsformers.workflow.read_table` for a file, in place of what is known from
            training.

        Raises
        ------
        DataError
            If the file cannot be read, a column is missing, or the time step is another.
        """
        if isinstance(data, TimeSeries):
            table = Table(data, time_name=self.time)
        elif isinstance(data, Table):
            table = data
        elif isinstance(data, str | PathLike):
            table = read_table(Path(fspath(data)), **self._reading() | reading)
        else:
            raise DataError(f"data must be a Table, a TimeSeries or the path of a file, not {type(data).__name__}")
        if self.country_holidays is not None and table.country_holidays is None:
            table = with_holidays(table, self.country_holidays)
        if _frequency(table.target) != self.frequency:
            raise DataError(
                f"the rows have the frequency {_frequency(table.target)}, but those of training had {self.frequency}: "
                "resample them, or train a forecaster for them"
            )
        return replace(
            table,
            target=self._with_statics(_in_order("target", table.target, self.targets)),
            past_covariates=_in_order("past covariate", table.past_covariates, self.past_covariates),
            future_covariates=_in_order("future covariate", table.future_covariates, self.future_covariates),
        )

    def blank(self, n_rows: int) -> Table:
        """Return a table with these columns whose values mean nothing."""
        index = (
            pd.RangeIndex(0, n_rows * self.frequency, self.frequency)
            if isinstance(self.frequency, int)
            else pd.date_range("2001-01-01", periods=n_rows, freq=self.frequency)
        )

        def series(names: Sequence[str]) -> TimeSeries:
            values = np.arange(n_rows * len(names), dtype=np.float32).reshape(n_rows, len(names))
            return TimeSeries.from_times_and_values(index, values, columns=list(names))

        return Table(
            self._with_statics(series(self.targets)),
            series(self.past_covariates) if self.past_covariates else None,
            series(self.future_covariates) if self.future_covariates else None,
        )

    def _with_statics(self, target: TimeSeries) -> TimeSeries:
        if not self.static_covariates or target.static_covariates is not None:
            return target
        return target.with_static_covariates(pd.DataFrame(dict(self.static_covariates)))

    def _reading(self) -> dict[str, Any]:
        found_anew = [] if self.country_holidays is None else [holiday_column(self.country_holidays)]
        return {
            "time": self.time,
            "freq": str(self.frequency),
            "target": self.targets,
            "past_covariates": self.past_covariates,
            "future_covariates": [name for name in self.future_covariates if name not in found_anew],
        }


def _names(series: TimeSeries | None) -> tuple[str, ...]:
    return () if series is None else tuple(map(str, series.components))


def _frequency(series: TimeSeries) -> str | int:
    return series.freq if isinstance(series.freq, int) else str(series.freq_str)


def _in_order(kind: str, series: TimeSeries | None, names: Sequence[str]) -> TimeSeries | None:
    missing = [name for name in names if series is None or name not in series.components]
    if missing:
        raise DataError(f"{kind} '{missing[0]}' is missing: the forecaster was trained with it")
    return series[list(names)] if series is not None and names else None
