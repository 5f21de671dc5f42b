"""Panels joined: more series, or more steps of the same series."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from darts_tsformers.panels.blocks import Block
from darts_tsformers.panels.schema import Schema, widths
from darts_tsformers.panels.shard import Shard
from darts_tsformers.panels.times import Axis


def joint_schema(schemas: Sequence[Schema]) -> Schema:
    """Return the schema of panels in one, without shards: the axis of the first, and all categories.

    Raises
    ------
    ValueError
        If they have other columns, frequencies or types of ids.
    """
    first = schemas[0]
    for other in schemas[1:]:
        for what in ("columns", "text_ids"):
            if getattr(other, what) != getattr(first, what):
                raise ValueError(f"panels must have the same {what}: {getattr(first, what)}, {getattr(other, what)}")
        if other.axis.freq != first.axis.freq:
            raise ValueError(f"panels must have the same frequency: {first.axis.freq!r}, {other.axis.freq!r}")
    categories = {
        name: list(dict.fromkeys(value for schema in schemas for value in schema.categories[name]))
        for name in first.categories
    }
    return replace(first, categories=categories, shards=[])


def block_of(shard: Shard, own: Schema, joint: Schema, series: np.ndarray | None = None) -> Block:
    """Return series of a shard, all by default, in the terms of another schema."""
    series = np.arange(len(shard)) if series is None else series
    lengths = shard.lengths[series]
    rows = ranges(shard.offsets[series], lengths)
    static = np.array(shard.static[series])
    for i, name in enumerate(own.columns.static):
        if name in own.categories:
            codes = np.array([joint.categories[name].index(value) for value in own.categories[name]], np.float32)
            static[:, i] = codes[static[:, i].astype(np.int64)]
    return Block(
        shard.ids.take(pa.array(series)),
        shard.starts[series] + _shift(own.axis, joint.axis),
        lengths,
        shard.ends[series],
        {role: shard.values(role)[rows] for role in widths(own.columns)},  # type: ignore[index]
        static,
    )


def require_other_ids(shards: Sequence[Shard], others: Sequence[Shard]) -> None:
    """Raise ``ValueError`` if a series is in two panels."""
    for one in others:
        for shard in shards:
            if shard.ids[0].as_py() <= one.ids[-1].as_py() and one.ids[0].as_py() <= shard.ids[-1].as_py():
                shared = one.ids.filter(pc.is_in(one.ids, value_set=shard.ids))
                if len(shared) > 0:
                    raise ValueError(f"series {shared[0].as_py()!r} is in two panels; append() adds steps to a series")


def continued(block: Block, newer: Block, joint: Schema) -> Block:
    """Return the series of a block with the newer steps of those that have any.

    Newer rows replace what is stored for the same steps: covariates of the future.

    Raises
    ------
    ValueError
        If the newer steps do not begin right after the last target, or static covariates differ.
    """
    place = pc.index_in(newer.ids, value_set=block.ids).to_numpy()
    _check(block, newer, place, joint)
    added = np.zeros(len(block), np.int64)
    added[place] = newer.lengths
    lengths = np.maximum(block.lengths, block.ends + added)
    ends = block.ends.copy()
    ends[place] += newer.ends
    offsets = np.cumsum(lengths) - lengths
    old_rows = ranges(offsets, block.lengths)
    new_rows = ranges((offsets + block.ends)[place], newer.lengths)
    values = {}
    for role, old in block.values.items():
        values[role] = np.full((int(lengths.sum()), old.shape[1]), np.nan, np.float32)
        values[role][old_rows] = old
        values[role][new_rows] = newer.values[role]
    return replace(block, lengths=lengths, ends=ends, values=values)


def pick(block_of_newer: Iterator[Block], ids: pa.Array) -> Iterator[Block]:
    """Yield of some blocks the series with given ids, where there are any."""
    for block in block_of_newer:
        chosen = np.flatnonzero(pc.is_in(block.ids, value_set=ids).to_numpy(zero_copy_only=False))
        if len(chosen) > 0:
            yield chosen_of(block, chosen)


def chosen_of(block: Block, series: np.ndarray) -> Block:
    """Return some series of a block."""
    rows = ranges((np.cumsum(block.lengths) - block.lengths)[series], block.lengths[series])
    return Block(
        block.ids.take(pa.array(series)),
        block.starts[series],
        block.lengths[series],
        block.ends[series],
        {role: values[rows] for role, values in block.values.items()},
        block.static[series],
    )


def ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Return ``starts[i], starts[i] + 1, ...``, ``lengths[i]`` of each, one after the other."""
    return np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(int(lengths.sum()))


def _check(block: Block, newer: Block, place: np.ndarray, joint: Schema) -> None:
    late = newer.starts - (block.starts + block.ends)[place]
    if late.any():
        i = int((late != 0).argmax())
        follows = joint.axis.stamp(int((block.starts + block.ends)[place[i]]))
        begins = joint.axis.stamp(int(newer.starts[i]))
        raise ValueError(f"series {_id(newer, i)}: the new steps begin at {begins} and must begin at {follows}")
    other = (newer.static != block.static[place]).any(axis=1)
    if other.any():
        raise ValueError(f"series {_id(newer, int(other.argmax()))}: the new steps have other static covariates")


def _id(block: Block, i: int) -> Any:
    return repr(block.ids[i].as_py())


def _shift(own: Axis, joint: Axis) -> int:
    return int(joint.positions(np.array([own.origin]))[0])
