"""A first look at a table: how large it is, whether it is sorted, which categories it has."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darts_tsformers.panels.canonical import Kinds, canonical, text_order
from darts_tsformers.panels.source import Source

SAMPLED = 64
"""Ids that are noted of each batch."""


@dataclass(frozen=True)
class Look:
    """What is known of a table after the first look.

    Attributes
    ----------
    n_rows
        Rows in it.
    first
        Its earliest stamp, as a whole number.
    is_sorted
        Whether rows are in the order of ids, and of stamps within each series.
    sample
        Some ids in ascending order, as often as they have rows.
    categories
        Of each static column of text its values, in ascending order.
    """

    n_rows: int
    first: int
    is_sorted: bool
    sample: np.ndarray
    categories: dict[str, list[str]]


def look(source: Source, kinds: Kinds) -> Look:
    """Read ids, stamps and categories of a table once.

    Raises
    ------
    ValueError
        If the table is empty, or an id, a stamp or a category is missing.
    """
    id, time = kinds.columns.id, kinds.columns.time
    n_rows, firsts, is_sorted = 0, [], True
    sampled: list[np.ndarray] = []
    seen: dict[str, set[str]] = {name: set() for name in kinds.categorical}
    last: pa.RecordBatch | None = None
    for _, batch in canonical(source, kinds, [id, time, *kinds.categorical]):
        if batch.num_rows == 0:
            continue
        n_rows += batch.num_rows
        firsts.append(pc.min(batch.column(time)).as_py())
        is_sorted = (
            is_sorted and _in_order(batch, id, time) and (last is None or _in_order(_pair(last, batch), id, time))
        )
        last = batch.slice(batch.num_rows - 1)
        step = -(-batch.num_rows // SAMPLED)
        some = batch.column(id).take(pa.array(np.arange(0, batch.num_rows, step)))
        sampled.append(text_order(some) if kinds.text_ids else some.to_numpy())
        for name, values in seen.items():
            values.update(pc.unique(batch.column(name)).to_pylist())
    if n_rows == 0:
        raise ValueError("the table has no rows; a panel needs at least one series")
    categories = {name: sorted(values) for name, values in seen.items()}
    return Look(n_rows, min(firsts), is_sorted, np.sort(np.concatenate(sampled)), categories)


def _pair(last: pa.RecordBatch, batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.concat_batches([last, batch.slice(0, 1)])


def _in_order(batch: pa.RecordBatch, id: str, time: str) -> bool:
    """Whether each row has a greater id than the one before, or the same id and no earlier stamp."""
    ids, times = batch.column(id), batch.column(time).to_numpy()
    before, after = ids[:-1], ids[1:]
    if pc.any(pc.greater(before, after)).as_py():
        return False
    is_same = pc.equal(before, after).to_numpy(zero_copy_only=False)
    return not (is_same & (times[:-1] > times[1:])).any()
