"""Tables that are larger than memory, sorted by series and time."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa

from darts_tsformers.panels.canonical import Kinds, canonical, text_order
from darts_tsformers.panels.looking import Look
from darts_tsformers.panels.source import Source

PART_BYTES = 2**26
"""What is sorted at once; sorting needs a few times as much."""


def sorted_tables(source: Source, kinds: Kinds, seen: Look, folder: Path) -> Iterator[pa.Table]:
    """Yield the rows of a source in the order of ids and stamps; no series is in two tables unless it was sorted.

    A table that is not sorted is first divided by ids into files that each fit into memory.

    Parameters
    ----------
    source, kinds, seen
        What to read, what its types mean, and what the first look has found.
    folder
        An empty one, where the files go. Each is deleted as soon as it is read.
    """
    if seen.is_sorted:
        for _, batch in canonical(source, kinds, kinds.columns.all):
            yield pa.Table.from_batches([batch])
        return
    for path in _divided(source, kinds, seen, folder):
        with pa.OSFile(os.fspath(path)) as file:
            table = pa.ipc.open_stream(file).read_all()
        path.unlink()
        if table.num_rows > 0:
            yield _sorted(table, kinds)


def _divided(source: Source, kinds: Kinds, seen: Look, folder: Path) -> list[Path]:
    n = max(1, -(-seen.n_rows * kinds.row_bytes // PART_BYTES))
    bounds = np.unique(seen.sample[np.arange(1, n) * len(seen.sample) // n])
    paths = [folder / f"part-{i:05d}.arrow" for i in range(len(bounds) + 1)]
    with ExitStack() as files:
        writers: list[pa.RecordBatchWriter] = []
        for _, batch in canonical(source, kinds, kinds.columns.all):
            if not writers:
                writers = [files.enter_context(pa.ipc.new_stream(os.fspath(path), batch.schema)) for path in paths]
            part = _part_of(batch.column(kinds.columns.id), bounds, kinds)
            rows = batch.take(pa.array(np.argsort(part, kind="stable")))
            edges = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=len(paths)))])
            for writer, start, end in zip(writers, edges[:-1], edges[1:], strict=True):
                writer.write_batch(rows.slice(start, end - start))
    return paths


def _part_of(ids: pa.Array, bounds: np.ndarray, kinds: Kinds) -> np.ndarray:
    """Return the part of each row: how many of the bounds are at most its id."""
    if not kinds.text_ids:
        return np.searchsorted(bounds, ids.to_numpy(), side="right").astype(np.uint16)
    encoded = ids.dictionary_encode()
    parts = np.searchsorted(bounds, text_order(encoded.dictionary), side="right")
    return parts.astype(np.uint16)[encoded.indices.to_numpy()]


def _sorted(table: pa.Table, kinds: Kinds) -> pa.Table:
    ids = table.column(kinds.columns.id).combine_chunks()
    codes = _ranks(ids) if kinds.text_ids else ids.to_numpy()
    order = np.lexsort((table.column(kinds.columns.time).to_numpy(), codes))
    return table.take(pa.array(order))


def _ranks(ids: pa.Array) -> np.ndarray:
    encoded = ids.dictionary_encode()
    ranks = np.empty(len(encoded.dictionary), np.int64)
    ranks[np.argsort(text_order(encoded.dictionary))] = np.arange(len(ranks))
    return ranks[encoded.indices.to_numpy()]
