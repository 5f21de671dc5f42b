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
from numpy.typing import NDArray

from darts_tsformers.workflow.cells import is_numeric, listed, numbers, read_cells, refuse_missing, require_columns
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.time_axis import find_time_column, read_time_axis

Time: TypeAlias = pd.Timestamp | int


@dataclass(frozen=True)
class Table:
    """What is to be forecast, and what else is known.

    Attributes
    ----------
    target
        Shape ``(time, C)``, float32, without missing values.
    past_covariates
        Known up to the last target, shape ``(time, P)``.
    future_covariates
        Known beyond the last target, shape ``(time, F)``; as long as all its columns are known.
    time_name
        Name of the time column, used in written files.
    known_until
        Last time at which each future covariate is known, where that is later than the series above says.
    """

    target: TimeSeries
    past_covariates: TimeSeries | None = None
    future_covariates: TimeSeries | None = None
    time_name: str = "time"
    known_until: Mapping[str, Time] = field(default_factory=dict)


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

    Rows at the end whose targets are all empty are the known future if ``future_covariates`` are named.

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
        Series of dtype float32 on one regular time axis.

    Raises
    ------
    DataError
        If the file is missing or no CSV file; a column is unknown, not numeric or has missing cells; the target is not
        clear; or the time axis is unclear, unsorted or irregular.
    """
    cells = read_cells(Path(path))
    past, future = _names(past_covariates), _names(future_covariates)
    targets = None if target is None else _names(target)
    require_columns(cells, [*([time] if time is not None else []), *(targets or []), *past, *future])
    time_name = time if time is not None else find_time_column(cells)
    if targets is None:
        targets = [_only_target(cells, {time_name, *past, *future})]
    _require_one_role([time_name, *targets, *past, *future])

    axis = read_time_axis(cells, time_name, freq)
    target_values = numbers(cells, targets)
    n_known = _n_filled(target_values) if future else len(cells)
    _refuse_unused_future(_n_filled(target_values), n_known)
    refuse_missing(cells, [*targets, *past], n_known)
    past_values, future_values = numbers(cells, past), numbers(cells, future)
    n_rows = {name: max(_n_filled(column), n_known) for name, column in zip(future, future_values.T, strict=True)}
    for name, n in n_rows.items():
        refuse_missing(cells, [name], n)

    return Table(
        target=_series(axis[:n_known], target_values, targets),
        past_covariates=_series(axis[:n_known], past_values, past) if past else None,
        future_covariates=_series(axis[: min(n_rows.values())], future_values, future) if future else None,
        time_name=time_name,
        known_until={name: axis[n - 1] for name, n in n_rows.items()},
    )


def _names(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _only_target(cells: pd.DataFrame, taken: set[str]) -> str:
    candidates = [name for name in cells.columns if name not in taken and is_numeric(cells[name])]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise DataError(f"several columns could be the target: choose from {listed(candidates)} (--target)")
    raise DataError(f"no numeric column to forecast among {listed(cells.columns)}")


def _require_one_role(names: Sequence[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise DataError(
            f"column '{repeated[0]}' is named twice: a column is time, target, past covariate or future covariate"
        )


def _refuse_unused_future(n_filled: int, n_known: int) -> None:
    if n_filled < n_known:
        raise DataError(
            f"the last {n_known - n_filled} rows have no target: remove them, or name the columns known there "
            "(--future-covariates)"
        )


def _n_filled(values: NDArray[np.float32]) -> int:
    """Count the rows up to the last one that has a number."""
    filled = ~np.isnan(values.reshape(len(values), -1)).all(axis=1)
    return int(np.flatnonzero(filled)[-1]) + 1 if filled.any() else 0


def _series(times: pd.Index, values: NDArray[np.float32], names: Sequence[str]) -> TimeSeries:
    return TimeSeries.from_times_and_values(times, values[: len(times)], columns=list(names))
