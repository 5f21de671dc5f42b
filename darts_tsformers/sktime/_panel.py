"""Tables of sktime as series of Darts: one for each instance of a panel or hierarchy."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.sktime._time_axis import Frequency, TimeAxis, frequency

LITTLE = 1e-3
"""By how much of its reach, from the least value to the greatest, rounding may move a series."""
Key: TypeAlias = tuple[Hashable, ...]


def split(table: pd.DataFrame) -> dict[Key, pd.DataFrame]:
    """Return the instances of a panel or hierarchy by key; the key of a single series is ``()``."""
    levels = list(range(table.index.nlevels - 1))
    if not levels:
        return {(): table}
    groups = table.groupby(level=levels, sort=False)
    return {key: part.set_axis(part.index.get_level_values(-1)) for key, part in groups}


def join(parts: Mapping[Key, pd.DataFrame], names: Sequence[Hashable]) -> pd.DataFrame:
    """Put the instances back together: the inverse of :func:`split`."""
    if set(parts) == {()}:
        return parts[()].set_axis(parts[()].index.rename(names[0]))
    keys: list[Hashable] = [key if len(key) > 1 else key[0] for key in parts]
    return pd.concat(list(parts.values()), keys=keys, names=list(names))


def common_frequency(table: pd.DataFrame) -> Frequency:
    """Return the frequency of the longest instance, which is that of all."""
    return frequency(max(split(table).values(), key=len).index)


@dataclass(frozen=True)
class Instance:
    """One series of a table, and its place in time.

    Attributes
    ----------
    key
        Its name in the panel; ``()`` for a single series.
    rows
        Its observations, one row a time stamp.
    axis
        Steps from the first of them.
    """

    key: Key
    rows: pd.DataFrame
    axis: TimeAxis

    @property
    def length(self) -> int:
        """Number of steps from the first to the last observation."""
        return int(self.axis.steps(self.rows.index[-1:])[0]) + 1

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"instance {'/'.join(map(str, self.key))!r} of y" if self.key else "y"

    def target(self) -> TimeSeries:
        """Return the observations as a series; a step without a row is NaN."""
        return as_series(self.on_grid(self.rows, self.length), self.rows.columns)

    def on_grid(self, table: pd.DataFrame, length: int) -> np.ndarray:
        """Return the rows of any table at the steps ``0, ..., length - 1``, NaN where it has none."""
        grid = np.full((length, table.shape[1]), np.nan)
        if len(table):
            steps = self.axis.steps(table.index)
            inside = (steps >= 0) & (steps < length)
            grid[steps[inside]] = table.to_numpy(np.float64, na_value=np.nan)[inside]
        return grid


def instances(table: pd.DataFrame, freq: Frequency) -> list[Instance]:
    """Return the series of a table."""
    return [Instance(key, rows, TimeAxis(rows.index[0], freq)) for key, rows in split(table).items()]


def in_enough_precision(
    targets: list[TimeSeries], covariates: list[TimeSeries] | None
) -> tuple[list[TimeSeries], list[TimeSeries] | None]:
    """Return series to train on in single precision, or in double where that would round away what varies.

    A single-precision number has seven digits: of a level of 1e8 it cannot tell the units.
    """
    survives = all(_survives_rounding(one.values(copy=False)) for one in [*targets, *(covariates or ())])
    dtype = np.float32 if survives else np.float64
    rounded = [one.astype(dtype) for one in targets]
    return rounded, None if covariates is None else [one.astype(dtype) for one in covariates]


def _survives_rounding(values: np.ndarray) -> bool:
    """Whether single precision moves values that vary, ``(n, C)``, by little of how much they do."""
    with np.errstate(over="ignore"):
        moved = np.abs(values.astype(np.float32) - values)
    reach = np.fmax.reduce(values, axis=0) - np.fmin.reduce(values, axis=0)
    return not ((moved > LITTLE * reach) & (reach > 0)).any()


def as_series(values: np.ndarray, names: Iterable[object]) -> TimeSeries:
    """Return values ``(n, C)`` as a series over the steps ``0, 1, ...``."""
    return TimeSeries(pd.RangeIndex(len(values)), values, components=[str(name) for name in names])
