"""A panel: many series in files, of which only what is needed is in memory."""

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeAlias, Unpack

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from darts import TimeSeries

from darts_tsformers.adapter.files.whole_files import whole_file
from darts_tsformers.panels.blocks import Block
from darts_tsformers.panels.building import build
from darts_tsformers.panels.joining import block_of, chosen_of, continued, joint_schema, pick, require_other_ids
from darts_tsformers.panels.long_format import long_table
from darts_tsformers.panels.reading import Names, Reading
from darts_tsformers.panels.schema import Columns, Schema
from darts_tsformers.panels.series import PanelSeries, as_series, axis_of, blocks_of, columns_of
from darts_tsformers.panels.shard import Shard
from darts_tsformers.panels.source import Paths
from darts_tsformers.panels.writing import ROWS_PER_SHARD, new_folder, write_panel

Path_: TypeAlias = str | os.PathLike[str]
SERIES_AT_ONCE = 2**14
"""Of those that are written as rows."""


class Panel:
    """Many series on disk, in one folder: values are mapped into memory where they are read.

    Series are in the order of their ids within each shard. Values are stored in single precision. A stored panel never
    changes: what adds to it writes another one. Pickling a panel keeps its path, not its values.

    Parameters
    ----------
    path
        Of a folder that :meth:`from_parquet` or another of these methods has written.

    Raises
    ------
    ValueError
        If there is no panel, or another version's.

    Attributes
    ----------
    path
        Of the folder.
    schema
        Its columns, time axis, categories and shards.

    Examples
    --------
    >>> import pandas as pd
    >>> from darts_tsformers.panels import Panel
    >>> days = pd.date_range("2024-01-01", periods=3)
    >>> sales = pd.DataFrame({"shop": ["b"] * 3 + ["a"] * 3, "day": [*days, *days], "units": [1, 2, 3, 4, 5, 6]})
    >>> panel = Panel.from_pandas(sales, id="shop", time="day", target="units")
    >>> panel
    Panel(2 series, 6 rows; target=['units'], freq='D')
    >>> panel["a"].target.values().ravel()
    array([4., 5., 6.], dtype=float32)
    """

    def __init__(self, path: Path_) -> None:
        self.path = Path(path).absolute()
        self.schema = Schema.read(self.path)
        self.shards = [Shard(self.path / info.name, self.schema, info) for info in self.schema.shards]

    @classmethod
    def from_parquet(
        cls,
        paths: Paths,
        *,
        id: str,
        time: str,
        target: Names,
        past: Names = (),
        future: Names = (),
        static: Names = (),
        weight: str | None = None,
        freq: str | int | None = None,
        fill_gaps: bool = False,
        rows_per_shard: int = ROWS_PER_SHARD,
        store: Path_ | None = None,
    ) -> Self:
        """Read Parquet files in long format: one row for each series and step, in any order.

        A table that is not sorted by id and time is sorted on disk, in memory of a few hundred megabytes.

        Parameters
        ----------
        paths
            A file, a folder of ``.parquet`` files, a pattern such as ``"sales/*.parquet"``, or a list of them.
        id, time, target
            Columns that tell the series, the stamp, and what is forecast (one or several). Ids are text or integers,
            stamps are dates without a time zone or integers.
        past, future, static
            Columns of covariates, if any. Rows after the last target are the future if there are future covariates.
            Static covariates of text become codes, see ``panel.schema.categories``.
        weight
            Column that says how much each step counts in training, if any.
        freq
            Of the stamps, as in pandas, or a whole number; None to infer it from one series.
        fill_gaps
            Whether steps without a row count as not observed; otherwise they are an error.
        rows_per_shard
            Rows after which a new shard begins: a set of files.
        store
            Folder to write to, which must not be there; None for a temporary one that is deleted with the panel.

        Raises
        ------
        FileExistsError
            If there is something at ``store``.
        ValueError
            If a column is missing or of another type in some file, or a series has a stamp twice, between two steps or,
            without ``fill_gaps``, a step without a row; the message names the file, the series and the stamp. Nothing
            is written then.
        """
        roles: dict[str, Any] = {"target": target, "past": past, "future": future, "static": static, "weight": weight}
        how: dict[str, Any] = {"freq": freq, "fill_gaps": fill_gaps, "rows_per_shard": rows_per_shard}
        return cls._built(paths, store, id=id, time=time, **roles, **how)

    @classmethod
    def from_pandas(cls, frame: pd.DataFrame, *, store: Path_ | None = None, **how: Unpack[Reading]) -> Self:
        """Read a frame in long format. Arguments are those of :meth:`from_parquet`."""
        return cls._built(frame, store, **how)

    @classmethod
    def from_arrow(cls, data: Any, *, store: Path_ | None = None, **how: Unpack[Reading]) -> Self:
        """Read a table or a stream of Arrow, or a frame of Polars or another library that hands over Arrow data.

        Arguments are those of :meth:`from_parquet`.
        """
        return cls._built(data, store, **how)

    @classmethod
    def from_series(
        cls,
        series: Sequence[TimeSeries],
        past_covariates: Sequence[TimeSeries] | None = None,
        future_covariates: Sequence[TimeSeries] | None = None,
        *,
        ids: Sequence[Any] | None = None,
        store: Path_ | None = None,
        rows_per_shard: int = ROWS_PER_SHARD,
    ) -> Self:
        """Write series of Darts, which have to have the same components and frequency.

        Parameters
        ----------
        series, past_covariates, future_covariates
            As for ``fit``. Covariates before the start of their series are left out.
        ids
            One for each, text or integers; by default 0, 1, ...
        store, rows_per_shard
            As for :meth:`from_parquet`.

        Raises
        ------
        ValueError
            If series differ in components, frequency or names of static covariates, or an id comes twice.
        """
        columns = columns_of(series, past_covariates, future_covariates)
        names = pa.array(range(len(series)) if ids is None else ids)
        if len(names) != len(series) or pc.count_distinct(names).as_py() != len(names):
            raise ValueError(f"ids must be {len(series)} different ones, one for each series")
        order = pc.sort_indices(names)
        target, past, future = (
            given if given is None else [given[i] for i in order.to_pylist()]
            for given in (series, past_covariates, future_covariates)
        )
        axis = axis_of(series[0])
        schema = Schema(columns, axis, not pa.types.is_integer(names.type), {})
        blocks = blocks_of(target or [], past, future, names.take(order), columns, axis)
        return cls._stored(store, lambda folder: write_panel(folder, schema, blocks, rows_per_shard))

    @classmethod
    def concat(cls, panels: Sequence["Panel"], *, store: Path_ | None = None) -> Self:
        """Write the series of several panels, in their order, into one.

        Parameters
        ----------
        panels
            With the same columns and frequency, and no series in common.
        store
            As for :meth:`from_parquet`.

        Raises
        ------
        ValueError
            If columns or frequencies differ, or a series is in two panels.
        """
        if not panels:
            raise ValueError("panels=[] must have at least one panel")
        joint = joint_schema([panel.schema for panel in panels])
        for i, panel in enumerate(panels):
            require_other_ids([shard for one in panels[:i] for shard in one.shards], panel.shards)

        def write(folder: Path) -> None:
            schema = joint
            for panel in panels:
                schema = write_panel(folder, schema, panel._blocks(joint))

        return cls._stored(store, write)

    def append(self, data: Any, *, store: Path_ | None = None, fill_gaps: bool = False) -> Self:
        """Write a panel with newer observations: steps that follow the last target of their series, and new series.

        What was known of the steps before as future covariates is replaced by the new rows.

        Parameters
        ----------
        data
            A table with the columns of this panel: paths of Parquet files, a frame of pandas, or what
            :meth:`from_arrow` takes.
        store, fill_gaps
            As for :meth:`from_parquet`.

        Raises
        ------
        ValueError
            If the new steps of a series do not begin right after its last target, or its static covariates differ.
        """
        columns = self.schema.columns
        roles: dict[str, Any] = {role: columns.of(role) for role in ("target", "past", "future", "static")}
        weight = next(iter(columns.weight), None)
        how = {"weight": weight, "freq": self.schema.axis.freq, "fill_gaps": fill_gaps}
        newer = Panel._built(data, None, **{"id": columns.id, "time": columns.time} | roles | how)
        joint = joint_schema([self.schema, newer.schema])

        def write(folder: Path) -> None:
            schema = write_panel(folder, joint, self._continued(newer, joint))
            write_panel(folder, schema, newer._blocks_of_others(self, joint))

        return self._stored(store, write)

    def __len__(self) -> int:
        return sum(len(shard) for shard in self.shards)

    @property
    def n_rows(self) -> int:
        """Steps of all series together, known future included."""
        return sum(shard.info.n_rows for shard in self.shards)

    @cached_property
    def first_series(self) -> np.ndarray:
        """The number of the first series of each shard, and how many there are in all."""
        return np.cumsum([0, *(len(shard) for shard in self.shards)])

    @property
    def ids(self) -> pa.ChunkedArray:
        """Ids of all series in their order, mapped."""
        return pa.chunked_array([shard.ids for shard in self.shards])

    def __getitem__(self, id: Any) -> PanelSeries:
        """Return one series as Darts has it.

        Raises
        ------
        KeyError
            If there is no series of this id.
        """
        for shard in self.shards if isinstance(id, str) == self.schema.text_ids else ():
            place = shard.find(id)
            if place is not None:
                return self._series(shard, place)
        raise KeyError(f"there is no series {id!r} in {self.path}")

    def series(self, number: int) -> PanelSeries:
        """Return the series of a number in the order of the panel, as Darts has it."""
        shard = int(np.searchsorted(self.first_series, number, side="right")) - 1
        return self._series(self.shards[shard], number - int(self.first_series[shard]))

    def starts(self, series: np.ndarray) -> np.ndarray:
        """Return the position on the time axis of the first step of series of some numbers."""
        return self._of_shards(series, lambda shard: shard.starts)

    def ends(self, series: np.ndarray) -> np.ndarray:
        """Return how many steps up to the last target series of some numbers have."""
        return self._of_shards(series, lambda shard: shard.ends)

    def ids_of(self, series: np.ndarray) -> pa.Array:
        """Return the ids of series of some numbers."""
        return self.ids.take(pa.array(series)).combine_chunks()

    def head(self, n: int = 5) -> pd.DataFrame:
        """Return the first ``n`` rows in long format."""
        shard = self.shards[0]
        stop = min(int(np.searchsorted(shard.offsets, n)), len(shard))
        return long_table(shard, self.schema, 0, stop).slice(0, n).to_pandas()

    def __repr__(self) -> str:
        columns = self.schema.columns
        roles = {role: list(columns.of(role)) for role in ("target", "past", "future", "static", "weight")}
        shown = [f"{role}={names}" for role, names in roles.items() if names]
        return f"Panel({len(self)} series, {self.n_rows} rows; {', '.join(shown)}, freq={self.schema.axis.freq!r})"

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        return type(self), (self.path,)

    def to_parquet(self, path: Path_) -> None:
        """Write all rows in long format into one Parquet file, which is there as a whole or not at all."""
        with whole_file(Path(path)) as part:
            writer = None
            try:
                for shard in self.shards:
                    for first in range(0, len(shard), SERIES_AT_ONCE):
                        stop = min(first + SERIES_AT_ONCE, len(shard))
                        table = long_table(shard, self.schema, first, stop)
                        writer = writer or pq.ParquetWriter(part, table.schema)
                        writer.write_table(table)
            finally:
                if writer is not None:
                    writer.close()

    def verify(self) -> None:
        """Raise ``ValueError`` if a file is not as it was written; reads all of them."""
        damaged = next((name for shard in self.shards if (name := shard.damaged()) is not None), None)
        if damaged is not None:
            raise ValueError(f"{damaged} is damaged: its checksum is not the one of {self.path}")

    @classmethod
    def _built(
        cls,
        data: Any,
        store: Path_ | None,
        *,
        freq: str | int | None = None,
        fill_gaps: bool = False,
        rows_per_shard: int = ROWS_PER_SHARD,
        **roles: Any,
    ) -> Self:
        columns = Columns.named(**roles)
        how: dict[str, Any] = {"freq": freq, "fill_gaps": fill_gaps, "rows_per_shard": rows_per_shard}
        return cls._stored(store, lambda folder: build(data, columns, folder, **how))

    @classmethod
    def _stored(cls, store: Path_ | None, write: Callable[[Path], object]) -> Self:
        """Let a panel be written, at the path or at a temporary one, and open it."""
        if store is not None:
            with new_folder(Path(store)) as folder:
                write(folder)
            return cls(store)
        kept = tempfile.mkdtemp(prefix="panel-")
        try:
            write(Path(kept))
            panel = cls(kept)
        except BaseException:
            shutil.rmtree(kept, ignore_errors=True)
            raise
        weakref.finalize(panel, shutil.rmtree, kept, ignore_errors=True)
        return panel

    def _of_shards(self, series: np.ndarray, column: Callable[[Shard], np.ndarray]) -> np.ndarray:
        found = np.empty(len(series), np.int64)
        of = np.searchsorted(self.first_series, series, side="right") - 1
        for i in np.unique(of):
            found[of == i] = column(self.shards[i])[series[of == i] - self.first_series[i]]
        return found

    def _series(self, shard: Shard, place: int) -> PanelSeries:
        columns, axis = self.schema.columns, self.schema.axis
        first, stop, start = (int(row) for row in (*shard.offsets[place : place + 2], shard.starts[place]))

        def over(role: str, end: int, static: np.ndarray) -> TimeSeries | None:
            values = shard.values(role)
            return None if values is None else as_series(columns, axis, start, {role: values[first:end]}, static)

        nothing = shard.static[place, :0]
        target = over("target", first + int(shard.ends[place]), shard.static[place])
        assert target is not None
        return PanelSeries(target, over("past", stop, nothing), over("future", stop, nothing))

    def _blocks(self, joint: Schema) -> Iterator[Block]:
        for shard in self.shards:
            yield block_of(shard, self.schema, joint)

    def _continued(self, newer: "Panel", joint: Schema) -> Iterator[Block]:
        for block in self._blocks(joint):
            for more in pick(newer._blocks(joint), block.ids):
                block = continued(block, more, joint)
            yield block

    def _blocks_of_others(self, other: "Panel", joint: Schema) -> Iterator[Block]:
        """Yield the series that are not in another panel."""
        for block in self._blocks(joint):
            is_known = np.zeros(len(block), bool)
            for shard in other.shards:
                is_known |= pc.is_in(block.ids, value_set=shard.ids).to_numpy(zero_copy_only=False)
            if not is_known.all():
                yield chosen_of(block, np.flatnonzero(~is_known))
