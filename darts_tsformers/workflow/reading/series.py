"""The rows of one series as a table of series on its time axis."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.reading.roles import Roles
from darts_tsformers.workflow.reading.time_axis import TimeAxis
from darts_tsformers.workflow.table import Table


def table_of(
    axis: TimeAxis,
    values: NDArray[np.float64],
    roles: Roles,
    static: pd.DataFrame | None = None,
    *,
    is_utc: bool = False,
    remarks: tuple[str, ...] = (),
) -> Table:
    """Make a table of the rows of one series.

    Rows at the end whose targets are all empty are the known future if there are future covariates. Empty cells and
    missing rows before are gaps.

    Parameters
    ----------
    axis
        Where the rows stand.
    values
        Shape ``(rows, columns)``: targets, past covariates and future covariates, in this order.
    roles
        Names of the columns.
    static
        Static covariates of the target, one row.
    is_utc, remarks
        Of the table.

    Raises
    ------
    DataError
        If a target is empty, rows at the end have no use, or a future covariate is empty after the last target.
    """
    past, future = roles.past, roles.future
    placed = axis.place(values)
    target_values, past_values, future_values = np.split(
        placed, np.cumsum([len(roles.targets), len(past)]).tolist(), axis=1
    )
    _refuse_empty_target(target_values, roles.targets)
    n_filled = _n_filled(target_values)
    n_known = n_filled if future else len(axis.times)
    _refuse_unused_future(n_filled, n_known)
    n_rows = {name: max(_n_filled(column), n_known) for name, column in zip(future, future_values.T, strict=True)}
    _refuse_future_gaps(axis, future_values, n_rows, n_known)
    n_missing_rows = n_known - int((axis.steps < n_known).sum())
    n_empty = int(np.isnan(placed[:n_known]).sum()) - n_missing_rows * placed.shape[1]

    from darts import TimeSeries  # late: a table that is refused needs no Darts, which takes seconds to import
    from darts.utils.missing_values import fill_missing_values

    def series(times: pd.Index, cells: NDArray[np.float64], names: list[str], **options: object) -> TimeSeries:
        return TimeSeries.from_times_and_values(times, cells[: len(times)], columns=names, **options)

    known = axis.times[: min(n_rows.values(), default=0)]
    return Table(
        target=series(axis.times[:n_known], target_values, roles.targets, static_covariates=static),
        past_covariates=series(axis.times[:n_known], past_values, past) if past else None,
        future_covariates=fill_missing_values(series(known, future_values, future)) if future else None,
        time_name=roles.time,
        known_until={name: axis.times[n - 1] for name, n in n_rows.items()},
        n_empty_cells=n_empty,
        n_missing_rows=n_missing_rows,
        is_utc=is_utc,
        remarks=remarks,
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


def _n_filled(values: NDArray[np.float64]) -> int:
    """Count the rows up to the last one that has a number."""
    filled = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
    return int(np.flatnonzero(filled)[-1]) + 1 if filled.any() else 0
