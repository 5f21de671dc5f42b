"""Between a panel and the time series of Darts."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from darts import TimeSeries
from darts.utils.utils import n_steps_between

from darts_tsformers.panels.blocks import Block
from darts_tsformers.panels.schema import Columns
from darts_tsformers.panels.times import Axis


class PanelSeries(NamedTuple):
    """One series of a panel as Darts has it.

    Attributes
    ----------
    target
        Up to the last observation, with static covariates; categories are their codes.
    past, future
        Covariates over all steps that are stored; None if there are none.
    """

    target: TimeSeries
    past: TimeSeries | None
    future: TimeSeries | None


def as_series(
    columns: Columns, axis: Axis, start: int, values: dict[str, np.ndarray], static: np.ndarray
) -> TimeSeries:
    """Return rows of one role, with their static covariates."""
    ((role, rows),) = values.items()
    stamps = axis.stamps(start + np.arange(len(rows)))
    step: Any = axis.freq
    index = pd.DatetimeIndex(stamps, freq=step) if axis.has_dates else pd.RangeIndex(stamps[0], stamps[-1] + 1, step)
    table = pd.DataFrame([static], columns=list(columns.static)) if len(static) > 0 else None
    return TimeSeries.from_times_and_values(
        index, np.array(rows), columns=list(columns.of(role)), static_covariates=table, freq=step
    )


def columns_of(
    series: Sequence[TimeSeries], past: Sequence[TimeSeries] | None, future: Sequence[TimeSeries] | None
) -> Columns:
    """Return the columns that the first series and its covariates have.

    Raises
    ------
    ValueError
        If there is no series, or not one covariate series for each.
    """
    if not series:
        raise ValueError("series=[] must have at least one series")
    for name, given in {"past_covariates": past, "future_covariates": future}.items():
        if given is not None and len(given) != len(series):
            raise ValueError(f"{name} has {len(given)} series and must have {len(series)}, one for each target")
    static = series[0].static_covariates
    return Columns.named(
        id="id",
        time="time",
        target=list(series[0].components),
        past=[] if past is None else list(past[0].components),
        future=[] if future is None else list(future[0].components),
        static=[] if static is None else list(static.columns),
    )


def blocks_of(
    series: Sequence[TimeSeries],
    past: Sequence[TimeSeries] | None,
    future: Sequence[TimeSeries] | None,
    ids: pa.Array,
    columns: Columns,
    axis: Axis,
) -> Iterator[Block]:
    """Yield a block of each series, which is made of it alone.

    Raises
    ------
    ValueError
        If a series has other components, another frequency or other static covariates than the first, or samples.
    """
    for i, target in enumerate(series):
        name = f"series {ids[i].as_py()!r}"
        given = {"target": target}
        given |= {role: of[i] for role, of in {"past": past, "future": future}.items() if of is not None}
        for role, one in given.items():
            _check(one, name, role, columns, series[0])
        beyond = [n_steps_between(one.end_time(), target.end_time(), target.freq) for one in given.values()]
        length = len(target) + max(beyond)
        values = {role: _over(one, target, length) for role, one in given.items()}
        start = axis.positions(_raw(target.start_time()))
        static = np.zeros((1, 0), np.float32) if not columns.static else _static(target, name, columns)
        ends = np.array([len(target)])
        yield Block(ids[i : i + 1], start, np.array([length]), ends, values, static)


def axis_of(series: TimeSeries) -> Axis:
    """Return the axis that begins with the first step of a series."""
    freq = series.freq_str if series.has_datetime_index else int(series.freq)
    return Axis(freq, int(_raw(series.start_time())[0]))


def _check(one: TimeSeries, name: str, role: str, columns: Columns, first: TimeSeries) -> None:
    if one.n_samples > 1:
        raise ValueError(f"{name}: its {role} has {one.n_samples} samples and must have one")
    if tuple(one.components) != columns.of(role):
        raise ValueError(f"{name}: its {role} has components {list(one.components)} and must have {columns.of(role)}")
    if one.freq != first.freq:
        raise ValueError(f"{name}: its {role} has the frequency {one.freq_str} and must have {first.freq_str}")


def _static(target: TimeSeries, name: str, columns: Columns) -> np.ndarray:
    table = target.static_covariates
    if table is None or len(table) != 1 or set(table.columns) != set(columns.static):
        raise ValueError(f"{name} must have one row of the static covariates {list(columns.static)}")
    try:
        return table[list(columns.static)].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: static covariates must be numbers; encode text first: {error}") from None


def _over(one: TimeSeries, target: TimeSeries, length: int) -> np.ndarray:
    """Return the values over ``length`` steps from the start of the target; NaN where there are none."""
    given = one.values(copy=False).astype(np.float32, copy=False)
    late = n_steps_between(one.start_time(), target.start_time(), target.freq)
    over = np.full((length, given.shape[1]), np.nan, np.float32)
    first = max(late, 0)
    stop = min(late + len(given), length)
    if stop > first:
        over[first:stop] = given[first - late : stop - late]
    return over


def _raw(time: pd.Timestamp | int) -> np.ndarray:
    return np.array([time.as_unit("ns").value if isinstance(time, pd.Timestamp) else int(time)])
