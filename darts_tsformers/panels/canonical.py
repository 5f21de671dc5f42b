"""Batches in the few types that a panel knows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darts_tsformers.panels.schema import VALUES, Columns
from darts_tsformers.panels.source import Source


@dataclass(frozen=True)
class Kinds:
    """What the types of a table mean.

    Attributes
    ----------
    columns
        By role.
    text_ids
        Whether ids are text; otherwise they are integers.
    has_dates
        Whether stamps are dates; otherwise they are integers.
    categorical
        Static columns of text.
    """

    columns: Columns
    text_ids: bool
    has_dates: bool
    categorical: tuple[str, ...]

    @property
    def types(self) -> dict[str, pa.DataType]:
        """The type that each column is brought to."""
        columns = self.columns
        values = [name for role in (*VALUES, "static") for name in columns.of(role)]
        return {
            columns.id: pa.string() if self.text_ids else pa.int64(),
            columns.time: pa.timestamp("ns") if self.has_dates else pa.int64(),
            **{name: pa.string() if name in self.categorical else pa.float32() for name in values},
        }

    @property
    def row_bytes(self) -> int:
        """About what one row takes in memory."""
        return sum(16 if pa.types.is_string(kind) else kind.bit_width // 8 for kind in self.types.values())


def kinds_of(schema: pa.Schema, columns: Columns) -> Kinds:
    """Say what the types of a table mean.

    Raises
    ------
    ValueError
        If a column has a type that its role cannot have.
    """

    def kind(name: str, role: str, rule: str, *fits: Callable[[pa.DataType], bool]) -> pa.DataType:
        found = _decoded(schema.field(name).type)
        if not any(fit(found) for fit in fits):
            raise ValueError(f"{role} column {name!r} is of type {found} and must hold {rule}")
        return found

    id_type = kind(columns.id, "id", "text or integers", _is_text, pa.types.is_integer)
    time_type = kind(columns.time, "time", "dates or integers", pa.types.is_integer, pa.types.is_temporal)
    if getattr(time_type, "tz", None) is not None:
        raise ValueError(
            f"time column {columns.time!r} has the time zone {time_type.tz!r}; convert it to UTC and drop the zone"
        )
    number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean)
    for role in VALUES:
        for name in columns.of(role):
            kind(name, role, "numbers", *number)
    static = {name: kind(name, "static", "numbers or text", _is_text, *number) for name in columns.static}
    categorical = tuple(name for name, found in static.items() if _is_text(found))
    return Kinds(columns, _is_text(id_type), pa.types.is_temporal(time_type), categorical)


def canonical(source: Source, kinds: Kinds, names: list[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Read some columns of a source in the types of ``kinds``; stamps are whole numbers, missing values NaN.

    Raises
    ------
    ValueError
        If an id, a stamp or a static covariate is missing.
    """
    types = kinds.types
    known = {kinds.columns.id, kinds.columns.time, *kinds.columns.static}
    for where, batch in source.batches(names):
        arrays = []
        for name in names:
            array = batch.column(name)
            if name in known and array.null_count > 0:
                raise ValueError(f"{where}: column {name!r} must have no missing value")
            arrays.append(_cast(array, types[name]))
        yield where, pa.RecordBatch.from_arrays(arrays, names)


def text_order(values: pa.Array) -> np.ndarray:
    """Return text as an array that sorts and searches as Arrow does: by code points."""
    return np.array(values.to_pylist(), dtype=str)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pc.cast(array, kind).view(pa.int64())
    cast = pc.cast(array, kind, safe=not pa.types.is_floating(kind))
    return pc.fill_null(cast, float("nan")) if pa.types.is_floating(kind) else cast


def _decoded(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
