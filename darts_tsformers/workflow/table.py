"""From a CSV file to the series a forecaster needs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.missing_values import fill_missing_values
from numpy.typing import NDArray

from darts_tsformers.workflow.cells import first_text, is_numeric, listed, numbers, read_cells, require_columns
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.time_axis import TimeAxis, find_time_column, read_time_axis

Time: TypeAlias = pd.Timestamp | int

_SHOWN = 3


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

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Table
    >>> table = Table(TimeSeries.from_values(np.array([1.0, np.nan, 3.0])), n_empty_cells=1)
    >>> table.gaps
    'found 1 empty cell: taken as not observed'
    """

    target: TimeSeries
    past_covariates: TimeSeries | None = None
    future_covariates: TimeSeries | None = None
    time_name: str = "time"
    known_until: Mapping[str, Time] = field(default_factory=dict)
    n_empty_cells: int = 0
    n_missing_rows: int = 0
    is_utc: bool = False

    @property
    def gaps(self) -> str:
        """One line that says how many gaps there are; empty if there are none."""
        counts = [
            f"{n} {one if n == 1 else many}"
            for n, one, many in (
                (self.n_empty_cells, "empty cell", "empty cells"),
                (self.n_missing_rows, "missing row", "missing rows"),
            )
            if n
        ]
        return f"found {' and '.join(counts)}: taken as not observed" if counts else ""


def read_table(
    path: str | PathLike[str],
    *,
    target: str | Sequence[str] | None = None,
    time: str | None = None,
    freq: str | None = None,
    past_covariates: str | Sequence[str] = (),
    future_covariates: str | Sequence[str] = (),
) -> Table:
    """Read a CSV file.

    Rows at the end whose targets are all empty are the known future if ``future_covariates`` are named. Empty cells and
    missing rows before are gaps: values that were not observed.

    Parameters
    ----------
    path
        A comma-separated file with a header, compressed or not (``.csv``, ``.csv.gz``).
    target
        The columns to forecast. By default the only numeric column that has no other role.
    time
        The time column, of dates or whole numbers. By default the only column that holds dates.
    freq
        A pandas frequency such as ``"h"``, ``"W-MON"`` or ``"MS"``. Inferred by default.
    past_covariates, future_covariates
        Columns known up to the last target, and columns also known over the horizon.

    Returns
    -------
    Table
        Series of dtype float64 on one regular time axis.

    Raises
    ------
    DataError
        If the file is missing or no CSV file; a column is unknown or not numeric; a target is empty or not clear; a
        future covariate is empty after the last target; or the time axis is unclear, unsorted or irregular.

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
    """
    cells = read_cells(Path(path))
    past, future = _names(past_covariates), _names(future_covariates)
    targets = None if target is None else _names(target)
    require_columns(cells, [*([time] if time is not None else []), *(targets or []), *past, *future])
    time_name = time if time is not None else find_time_column(cells, [*(targets or []), *past, *future])
    if targets is None:
        targets = [_only_target(cells, {time_name, *past, *future})]
    _require_one_role([time_name, *targets, *past, *future])

    axis = read_time_axis(cells, time_name, freq)
    target_values, past_values, future_values = (axis.place(numbers(cells, names)) for names in (targets, past, future))
    _refuse_empty_target(target_values, targets)
    n_filled = _n_filled(target_values)
    n_known = n_filled if future else len(axis.times)
    _refuse_unused_future(n_filled, n_known)
    n_rows = {name: max(_n_filled(column), n_known) for name, column in zip(future, future_values.T, strict=True)}
    _refuse_future_gaps(axis, future_values, n_rows, n_known)
    observed = np.concatenate([target_values, past_values, future_values], axis=1)[:n_known]
    n_missing_rows = n_known - int((axis.steps < n_known).sum())
    n_empty = int(np.isnan(observed).sum()) - n_missing_rows * observed.shape[1]

    return Table(
        target=_series(axis.times[:n_known], target_values, targets),
        past_covariates=_series(axis.times[:n_known], past_values, past) if past else None,
        future_covariates=_known(axis, future_values, future, n_rows) if future else None,
        time_name=time_name,
        known_until={name: axis.times[n - 1] for name, n in n_rows.items()},
        n_empty_cells=n_empty,
        n_missing_rows=n_missing_rows,
        is_utc=axis.is_utc,
    )


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _only_target(cells: pd.DataFrame, taken: set[str]) -> str:
    candidates = [name for name in cells.columns if name not in taken and is_numeric(cells[name])]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(f"several columns could be the target: choose from {listed(candidates)} (--target)")
    texts = [name for name in cells.columns if name not in taken][:_SHOWN]
    reasons = "; ".join(f"column '{name}' has {first_text(cells, name)}" for name in texts)
    raise DataError(f"no numeric column to forecast: {reasons or 'there are no columns left'}")


def _require_one_role(names: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"column '{repeated[0]}' is named twice: a column is time, target, past covariate or future covariate"
        )


def _refuse_empty_target(values: NDArray[np.float64], names: Sequence[str]) -> None:
    for name, column in zip(names, values.T, strict=True):
        if np.isnan(column).all():
            raise DataError(f"target '{name}' is empty: it needs values to learn from")


def _refuse_unused_future(n_filled: int, n_known: int) -> None:
    if n_filled < n_known:
        raise DataError(
            f"the last {n_known - n_filled} rows have no target: remove them, or name the columns known there "
            "(--future-covariates)"
        )


def _refuse_future_gaps(axis: TimeAxis, values: NDArray[np.float64], n_rows: Mapping[str, int], n_known: int) -> None:
    """Raise a DataError if a future covariate has a gap after the last target."""
    for (name, n), column in zip(n_rows.items(), values.T, strict=True):
        gaps = np.flatnonzero(np.isnan(column[n_known:n])) + n_known
        if len(gaps):
            raise DataError(
                f"future covariate '{name}' is empty at {axis.times[gaps[0]]}, after the last target: fill it in, it "
                "must be known there"
            )


def _known(axis: TimeAxis, values: NDArray[np.float64], names: Sequence[str], n_rows: Mapping[str, int]) -> TimeSeries:
    return fill_missing_values(_series(axis.times[: min(n_rows.values())], values, names))


def _n_filled(values: NDArray[np.float64]) -> int:
    """Count the rows up to the last one that has a number."""
    filled = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
    return int(np.flatnonzero(filled)[-1]) + 1 if filled.any() else 0


def _series(times: pd.Index, values: NDArray[np.float64], names: Sequence[str]) -> TimeSeries:
    return TimeSeries.from_times_and_values(times, values[: len(times)], columns=list(names))
