"""A panel on its way to disk: shard after shard, there as a whole or not at all."""

import os
import secrets
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from darts_tsformers.panels.blocks import Block
from darts_tsformers.panels.schema import Schema, ShardInfo, widths

ROWS_PER_SHARD = 2**24


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder to write to that gets its name at the end; on an error nothing is left of it.

    Raises
    ------
    FileExistsError
        If there is something at the path already.
    """
    path = Path(os.path.abspath(path))
    if path.exists():
        raise FileExistsError(f"{path} is there already; delete it or choose another path")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    part.mkdir()
    try:
        yield part
        os.rename(part, path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_panel(folder: Path, schema: Schema, blocks: Iterable[Block], rows_per_shard: int = ROWS_PER_SHARD) -> Schema:
    """Write blocks into a folder and return the schema with their shards.

    Parameters
    ----------
    folder
        Where it goes. Shards that are there, and in ``schema``, stay.
    schema
        All but the new shards.
    blocks
        Of whole series in ascending order of ids.
    rows_per_shard
        A shard ends with the series that reaches this number of rows.
    """
    shards, writer = list(schema.shards), None
    with ExitStack() as open_files:
        for block in blocks:
            first, reached = 0, np.cumsum(block.lengths)
            while first < len(block):
                if writer is None:
                    writer = ShardWriter(folder / f"shard-{len(shards):05d}", schema)
                    open_files.callback(writer.files.close)
                before = reached[first - 1] if first > 0 else 0
                stop = int(np.searchsorted(reached, before + rows_per_shard - writer.n_rows)) + 1
                writer.add(block[first:stop])
                first = stop
                if writer.n_rows >= rows_per_shard:
                    shards.append(writer.close())
                    writer = None
        if writer is not None:
            shards.append(writer.close())
    schema = replace(schema, shards=shards)
    schema.write(folder)
    return schema


class ShardWriter:
    """Writes one shard.

    Parameters
    ----------
    folder
        Where its files go; it is made.
    schema
        What they hold.

    Attributes
    ----------
    files
        Those that are open.
    n_rows
        Rows added so far.
    """

    def __init__(self, folder: Path, schema: Schema) -> None:
        folder.mkdir()
        self._folder = folder
        self.files = ExitStack()
        names = [*(f"{role}.f32" for role in widths(schema.columns)), "static.f32", "starts.i64", "ends.i64"]
        self._columns = {name: self.files.enter_context(Checked(folder / name)) for name in names}
        self._ids: list[pa.Array] = []
        self._lengths: list[np.ndarray] = []
        self.n_rows = 0

    def add(self, block: Block) -> None:
        """Append whole series."""
        columns = {f"{role}.f32": values for role, values in block.values.items()}
        columns |= {"static.f32": block.static, "starts.i64": block.starts, "ends.i64": block.ends}
        for name, values in columns.items():
            self._columns[name].write(values)
        self._ids.append(block.ids)
        self._lengths.append(block.lengths)
        self.n_rows += int(block.lengths.sum())

    def close(self) -> ShardInfo:
        """Finish the files and say what they hold."""
        lengths = np.concatenate(self._lengths)
        with Checked(self._folder / "offsets.i64") as offsets:
            offsets.write(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
        ids = pa.concat_arrays(self._ids)
        with Checked(self._folder / "ids.arrow") as file, pa.ipc.new_file(file, pa.schema([("id", ids.type)])) as out:
            out.write_batch(pa.record_batch([ids], ["id"]))
        self.files.close()
        written = self._columns | {"offsets.i64": offsets, "ids.arrow": file}
        checksums = {name: column.checksum for name, column in written.items()}
        return ShardInfo(self._folder.name, len(lengths), self.n_rows, checksums)


class Checked:
    """A file that takes a checksum of what is written to it.

    Parameters
    ----------
    path
        Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.checksum = 0

    def __enter__(self) -> "Checked":
        self._file: BinaryIO = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written; Arrow asks."""
        return self._file.closed

    def write(self, data: np.ndarray | bytes | memoryview) -> None:
        """Append an array, or bytes."""
        view = data.reshape(-1).view(np.uint8).data if isinstance(data, np.ndarray) else memoryview(data)
        self.checksum = zlib.crc32(view, self.checksum)
        self._file.write(view)

    def flush(self) -> None:
        """Pass on what is held back."""
        self._file.flush()


def checksum_of(path: Path) -> int:
    """Return the checksum of a file."""
    found = 0
    with path.open("rb") as file:
        while data := file.read(2**22):
            found = zlib.crc32(data, found)
    return found
