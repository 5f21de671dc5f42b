"""From a table in long format to a panel on disk."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from darts_tsformers.panels.blocks import Blocks, Locate, run_starts
from darts_tsformers.panels.canonical import Kinds, canonical, kinds_of
from darts_tsformers.panels.looking import Look, look
from darts_tsformers.panels.schema import Columns, Schema
from darts_tsformers.panels.sorting import sorted_tables
from darts_tsformers.panels.source import ArrowSource, ParquetSource, Source, as_reader, require_columns, spooled
from darts_tsformers.panels.times import Axis, inferred_freq
from darts_tsformers.panels.writing import write_panel


def build(
    data: Any, columns: Columns, folder: Path, *, freq: str | int | None, fill_gaps: bool, rows_per_shard: int
) -> Schema:
    """Write the panel of a table into a folder.

    Parameters
    ----------
    data
        Paths of Parquet files, a frame of pandas, or anything that Arrow can read.
    columns
        What its columns are for.
    folder
        Where the panel goes; what is needed on the way lies in a folder inside.
    freq
        Frequency of the stamps; None to infer it from the series with the most rows among the first.
    fill_gaps, rows_per_shard
        See :class:`~darts_tsformers.panels.blocks.Blocks` and :func:`~darts_tsformers.panels.writing.write_panel`.
    """
    with tempfile.TemporaryDirectory(prefix="sorting-", dir=folder) as inside:
        source = source_of(data, columns, Path(inside))
        kinds = kinds_of(source.schema, columns)
        seen = look(source, kinds)
        tables = sorted_tables(source, kinds, seen, Path(inside))
        first = next(tables)
        axis = _axis(freq, seen, kinds, first)
        blocks = Blocks(kinds, axis, seen.categories, fill_gaps=fill_gaps, locate=_locate(source, kinds))
        schema = Schema(columns, axis, kinds.text_ids, seen.categories)
        return write_panel(folder, schema, blocks.of(chain([first], tables)), rows_per_shard)


def source_of(data: Any, columns: Columns, folder: Path) -> Source:
    """Return a source that can be read more than once; what can be read once is first written to the folder."""
    names = columns.all
    if isinstance(data, str | os.PathLike) or (isinstance(data, Sequence) and not hasattr(data, "__arrow_c_stream__")):
        return ParquetSource(data, names)
    if isinstance(data, pd.DataFrame):
        require_columns(pa.schema([(str(name), pa.null()) for name in data.columns]), names, "the frame")
        return ArrowSource(pa.Table.from_pandas(data[names], preserve_index=False), names)
    if isinstance(data, pa.Table):
        return ArrowSource(data, names)
    return ArrowSource(spooled(as_reader(data), folder), names)


def _axis(freq: str | int | None, seen: Look, kinds: Kinds, table: pa.Table) -> Axis:
    if freq is None:
        freq = _inferred(kinds, table)
    if kinds.has_dates != isinstance(freq, str):
        rule = "a frequency of pandas such as 'D'" if kinds.has_dates else "a whole number"
        raise ValueError(
            f"freq={freq!r} must be {rule}, as stamps are {'dates' if kinds.has_dates else 'whole numbers'}"
        )
    try:
        axis = Axis(freq, seen.first)
        starts_on_axis = bool(axis.raw(np.array([0]))[0] == seen.first)
    except ValueError as error:
        raise ValueError(f"freq={freq!r} must be a frequency of pandas such as 'D': {error}") from error
    if not starts_on_axis:
        raise ValueError(f"the first stamp, {axis.shown(seen.first)}, is not on the axis of freq={freq!r}")
    return axis


def _inferred(kinds: Kinds, table: pa.Table) -> str | int:
    first = np.append(run_starts(table.column(kinds.columns.id)), table.num_rows)
    longest = int(np.diff(first).argmax())
    stamps = table.column(kinds.columns.time).to_numpy()[first[longest] : first[longest + 1]]
    freq = inferred_freq(stamps, are_dates=kinds.has_dates)
    if freq is None:
        raise ValueError("freq=None cannot be inferred: the series has gaps or too few rows; name it, such as freq='D'")
    return freq


def _locate(source: Source, kinds: Kinds) -> Locate:
    """Return a search for the files that have a row: they are read again, as errors are rare."""
    id, time = kinds.columns.id, kinds.columns.time

    def found(wanted: Any, stamps: list[int]) -> Iterator[str]:
        for where, batch in canonical(source, kinds, [id, time]):
            is_it = pc.and_(
                pc.equal(batch.column(id), wanted), pc.is_in(batch.column(time), value_set=pa.array(stamps, pa.int64()))
            )
            if pc.any(is_it).as_py():
                yield where

    def locate(wanted: Any, stamps: list[int]) -> str:
        return " and ".join(_each_once(found(wanted, stamps)))

    return locate


def _each_once(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
