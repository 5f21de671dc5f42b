"""Tables in long format that can be read more than once, a batch at a time."""

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 2**20

Paths: TypeAlias = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


class Source(Protocol):
    """A table that is too large to be read at once."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of its columns."""

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Read it from the beginning: each batch with the name of what it was read from."""


class ParquetSource:
    """Parquet files that make one table.

    Parameters
    ----------
    paths
        A file, a folder of files that end in ``.parquet``, a pattern such as ``"sales/*.parquet"``, or a list of them.
    columns
        What is needed of each file.

    Raises
    ------
    ValueError
        If there is no file, one cannot be read, a column is missing, or has another type in another file.
    """

    def __init__(self, paths: Paths, columns: Sequence[str]) -> None:
        self.files = _files(paths)
        self.schema = _schema(self.files[0])
        require_columns(self.schema, columns, self.files[0])
        for file in self.files[1:]:
            other = _schema(file)
            require_columns(other, columns, file)
            for name in columns:
                first, here = self.schema.field(name).type, other.field(name).type
                if here != first:
                    raise ValueError(
                        f"{file}: column {name!r} is of type {here}, but of type {first} in {self.files[0]}"
                    )

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Read file after file."""
        for file in self.files:
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(BATCH_ROWS, columns=list(columns)):
                    yield file, batch


class ArrowSource:
    """A table of Arrow, in memory or mapped.

    Parameters
    ----------
    table
        The table.
    columns
        What is needed of it.

    Raises
    ------
    ValueError
        If a column is missing.
    """

    def __init__(self, table: pa.Table, columns: Sequence[str]) -> None:
        self._table = table
        self.schema = table.schema
        require_columns(self.schema, columns, "the table")

    def batches(self, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Read it batch after batch."""
        for batch in self._table.select(list(columns)).to_batches(max_chunksize=BATCH_ROWS):
            yield "the table", batch


def spooled(reader: pa.RecordBatchReader, folder: Path) -> pa.Table:
    """Write what can be read once to a file, and return it mapped."""
    path = folder / "spooled.arrow"
    with pa.ipc.new_file(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)
    return pa.ipc.open_file(pa.memory_map(os.fspath(path))).read_all()


def as_reader(data: Any) -> pa.RecordBatchReader:
    """Return a reader of anything that speaks the C interface of Arrow, such as a frame of Polars."""
    if isinstance(data, pa.RecordBatchReader):
        return data
    if hasattr(data, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(data)
    raise ValueError(
        f"data={type(data).__name__} must be a table of Arrow, or have __arrow_c_stream__ as frames of Polars do"
    )


def require_columns(schema: pa.Schema, columns: Iterable[str], where: str) -> None:
    """Raise ``ValueError`` if a column is missing."""
    missing = next((name for name in columns if name not in schema.names), None)
    if missing is not None:
        raise ValueError(f"{where}: there is no column {missing!r}; there are {schema.names}")


def _files(paths: Paths) -> list[str]:
    found = []
    for one in [paths] if isinstance(paths, str | os.PathLike) else paths:
        path = os.fspath(one)
        pattern = os.path.join(glob.escape(path), "*.parquet") if os.path.isdir(path) else path
        matched = [path] if os.path.isfile(path) else sorted(glob.glob(pattern, recursive=True))
        if not matched:
            raise ValueError(f"{path}: there is no such Parquet file")
        found += matched
    if not found:
        raise ValueError(f"paths={paths!r} must name at least one Parquet file")
    return found


def _schema(file: str) -> pa.Schema:
    try:
        return pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file} cannot be read as Parquet: {error}") from error
