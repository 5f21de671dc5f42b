"""Series of a panel as a table in long format."""

from typing import Any

import numpy as np
import pyarrow as pa

from darts_tsformers.panels.schema import Schema, widths
from darts_tsformers.panels.shard import Shard


def long_table(shard: Shard, schema: Schema, first: int, stop: int) -> pa.Table:
    """Return the series from ``first`` up to ``stop`` of a shard, one row for each step; missing values are null."""
    columns = schema.columns
    rows = slice(int(shard.offsets[first]), int(shard.offsets[stop]))
    lengths = np.diff(shard.offsets[first : stop + 1])
    of_row = np.repeat(np.arange(first, stop), lengths)
    step = np.arange(rows.start, rows.stop) - np.repeat(shard.offsets[first:stop], lengths)
    found: dict[str, Any] = {
        columns.id: shard.ids.take(pa.array(of_row)),
        columns.time: pa.array(schema.axis.stamps(shard.starts[of_row] + step)),
    }
    for role in widths(columns):
        values = shard.values(role)
        assert values is not None
        for i, name in enumerate(columns.of(role)):
            found[name] = pa.array(np.ascontiguousarray(values[rows, i]), from_pandas=True)
    for i, name in enumerate(columns.static):
        codes = shard.static[of_row, i]
        known = schema.categories.get(name)
        found[name] = pa.array(codes) if known is None else pa.array(known).take(pa.array(codes.astype(np.int64)))
    return pa.table(found)
