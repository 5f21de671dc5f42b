"""Sorted rows as whole series, checked: no stamp twice, none between two steps, none left out."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darts_tsformers.panels.canonical import Kinds
from darts_tsformers.panels.schema import widths
from darts_tsformers.panels.times import Axis

Locate: TypeAlias = Callable[[Any, list[int]], str]
"""Says in which files a series has some stamps."""


@dataclass(frozen=True)
class Block:
    """Whole series, one after the other.

    Attributes
    ----------
    ids
        One of each series (``S``), as an array of Arrow.
    starts
        Position of the first step of each, ``(S,)``.
    lengths, ends
        Steps of each, and those of them up to the last for which there is a target, ``(S,)``.
    values
        By role, ``(T, C)``, float32; NaN where nothing was observed.
    static
        ``(S, n_static)``, float32; categories are codes.
    """

    ids: pa.Array
    starts: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray
    values: dict[str, np.ndarray]
    static: np.ndarray

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, series: slice) -> "Block":
        """Return some of the series."""
        first, stop, _ = series.indices(len(self))
        edges = np.concatenate([[0], np.cumsum(self.lengths)])
        return Block(
            self.ids[first:stop],
            self.starts[first:stop],
            self.lengths[first:stop],
            self.ends[first:stop],
            {role: values[edges[first] : edges[stop]] for role, values in self.values.items()},
            self.static[first:stop],
        )


class Blocks:
    """Turns sorted tables into blocks.

    Parameters
    ----------
    kinds
        What the types of the tables mean.
    axis
        The time axis of all series.
    categories
        Of each static column of text its values.
    fill_gaps
        Whether steps without a row become steps without observation; otherwise they are an error.
    locate
        Names the files of a row for errors.
    """

    def __init__(
        self, kinds: Kinds, axis: Axis, categories: dict[str, list[str]], *, fill_gaps: bool, locate: Locate
    ) -> None:
        self._kinds = kinds
        self._columns = kinds.columns
        self._axis = axis
        self._categories = categories
        self._fill_gaps = fill_gaps
        self._locate = locate

    def of(self, tables: Iterable[pa.Table]) -> Iterator[Block]:
        """Yield blocks of whole series, whatever the bounds of the tables are.

        Raises
        ------
        ValueError
            If a series has a stamp twice, between two steps, or none for a step, or if its static covariates change.
        """
        begun: pa.Table | None = None
        for given in tables:
            table = (given if begun is None else pa.concat_tables([begun, given])).combine_chunks()
            last = int(run_starts(table.column(self._columns.id))[-1])
            if last > 0:
                yield self._block(table.slice(0, last))
            begun = table.slice(last)
        if begun is not None:
            yield self._block(begun.combine_chunks())

    def _block(self, table: pa.Table) -> Block:
        ids = table.column(self._columns.id)
        first = run_starts(ids)
        counts = np.diff(np.append(first, len(ids)))
        raw = table.column(self._columns.time).to_numpy()
        positions = self._axis.positions(raw)
        self._check_times(ids, raw, positions, first)
        lengths = positions[first + counts - 1] - positions[first] + 1
        spread = None
        if lengths.sum() != len(ids):
            offsets = np.cumsum(lengths) - lengths
            spread = positions - np.repeat(positions[first] - offsets, counts)
        values = {
            role: self._values(table, self._columns.of(role), int(lengths.sum()), spread)
            for role in widths(self._columns)
        }
        static = self._static(table, ids, first, counts)
        return Block(
            ids.combine_chunks().take(pa.array(first)),
            positions[first],
            lengths,
            self._ends(values["target"], lengths),
            values,
            static,
        )

    def _check_times(self, ids: pa.ChunkedArray, raw: np.ndarray, positions: np.ndarray, first: np.ndarray) -> None:
        off = self._axis.raw(positions) != raw
        if off.any():
            row = int(off.argmax())
            self._refuse(ids[row], [int(raw[row])], f"which is not on the axis of freq={self._axis.freq!r}")
        steps = np.diff(positions)
        steps[first[1:] - 1] = 1
        if (steps == 0).any():
            row = int((steps == 0).argmax())
            self._refuse(ids[row], [int(raw[row])], "twice")
        if not self._fill_gaps and (steps > 1).any():
            row = int((steps > 1).argmax())
            missing = int(self._axis.raw(positions[row : row + 1] + 1)[0])
            rule = (
                f"but no row for {self._axis.shown(missing)}, the step after; fill_gaps=True takes it as not observed"
            )
            self._refuse(ids[row], [int(raw[row])], rule)

    def _refuse(self, id: pa.Scalar, raw: list[int], rule: str) -> None:
        where = self._locate(id.as_py(), raw)
        raise ValueError(f"{where}: series {id.as_py()!r} has the stamp {self._axis.shown(raw[0])} {rule}")

    def _values(self, table: pa.Table, names: tuple[str, ...], n: int, spread: np.ndarray | None) -> np.ndarray:
        given = np.stack([table.column(name).to_numpy() for name in names], axis=1)
        if spread is None:
            return given
        values = np.full((n, len(names)), np.nan, np.float32)
        values[spread] = given
        return values

    def _ends(self, target: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the steps up to the last target; rows after it are the future if there are future covariates."""
        if not self._columns.future:
            return lengths
        observed = ~np.isnan(target).all(axis=1)
        step = np.arange(len(target)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        return np.maximum.reduceat(np.where(observed, step + 1, 0), np.cumsum(lengths) - lengths)

    def _static(self, table: pa.Table, ids: pa.ChunkedArray, first: np.ndarray, counts: np.ndarray) -> np.ndarray:
        static = np.empty((len(first), len(self._columns.static)), np.float32)
        for column, name in enumerate(self._columns.static):
            values = table.column(name)
            if name in self._categories:
                values = pc.index_in(values, value_set=pa.array(self._categories[name], pa.string())).cast(pa.float32())
            numbers = values.to_numpy()
            static[:, column] = numbers[first]
            changes = np.repeat(static[:, column], counts) != numbers
            if changes.any():
                row = int(changes.argmax())
                raw = table.column(self._columns.time)[row].as_py()
                was, now = (table.column(name)[int(i)].as_py() for i in (row - 1, row))
                rule = f"where its static covariate {name!r} changes from {was!r} to {now!r}"
                if row in first:
                    rule = f"where its static covariate {name!r} is {now!r}; it must be known"
                self._refuse(ids[row], [raw], rule)
        return static


def run_starts(ids: pa.ChunkedArray) -> np.ndarray:
    """Return the row at which each series begins, of rows that are sorted by series."""
    changes = pc.not_equal(ids[1:], ids[:-1]).to_numpy()
    return np.concatenate([[0], np.flatnonzero(changes) + 1]).astype(np.int64)
