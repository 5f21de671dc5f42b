"""One shard of a panel, mapped into memory."""

import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from darts_tsformers.panels.schema import Schema, ShardInfo, widths
from darts_tsformers.panels.writing import checksum_of


class Shard:
    """Whole series in files that are read where they are asked for.

    Parameters
    ----------
    folder
        Of the shard.
    schema, info
        What it holds.
    """

    def __init__(self, folder: Path, schema: Schema, info: ShardInfo) -> None:
        self._folder = folder
        self._schema = schema
        self.info = info

    def __len__(self) -> int:
        return self.info.n_series

    @cached_property
    def offsets(self) -> np.ndarray:
        """The row at which each series begins, and the number of rows, ``(S + 1,)``."""
        return self._mapped("offsets.i64", np.int64, (len(self) + 1,))

    @cached_property
    def starts(self) -> np.ndarray:
        """Position of the first step of each series, ``(S,)``."""
        return self._mapped("starts.i64", np.int64, (len(self),))

    @cached_property
    def ends(self) -> np.ndarray:
        """Steps of each series up to the last target, ``(S,)``."""
        return self._mapped("ends.i64", np.int64, (len(self),))

    @cached_property
    def static(self) -> np.ndarray:
        """Static covariates, ``(S, n_static)``."""
        return self._mapped("static.f32", np.float32, (len(self), len(self._schema.columns.static)))

    @cached_property
    def ids(self) -> pa.Array:
        """Ids in ascending order."""
        table = pa.ipc.open_file(pa.memory_map(os.fspath(self._folder / "ids.arrow"))).read_all()
        return table.column("id").chunk(0)

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each series, ``(S,)``."""
        return np.diff(self.offsets)

    def values(self, role: str) -> np.ndarray | None:
        """Return the rows of a role, ``(T, C)``; None if it has no columns."""
        width = widths(self._schema.columns).get(role)
        if width is None:
            return None
        if role not in self._values:
            self._values[role] = self._mapped(f"{role}.f32", np.float32, (self.info.n_rows, width))
        return self._values[role]

    def find(self, id: Any) -> int | None:
        """Return the place of a series; None if it is not here."""
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.ids[middle].as_py() < id:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.ids[low].as_py() == id else None

    def damaged(self) -> str | None:
        """Return the name of a file that is not as it was written; None if all are."""
        for name, checksum in self.info.checksums.items():
            path = self._folder / name
            if not path.is_file() or checksum_of(path) != checksum:
                return str(path)
        return None

    @cached_property
    def _values(self) -> dict[str, np.ndarray]:
        return {}

    def _mapped(self, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        path = self._folder / name
        expected = int(np.prod(shape)) * np.dtype(dtype).itemsize
        size = path.stat().st_size if path.is_file() else None
        if size != expected:
            raise ValueError(f"{path} is damaged: it must have {expected} bytes and has {size or 'none'}")
        if expected == 0:
            return np.zeros(shape, dtype)
        return np.memmap(path, dtype, mode="r", shape=shape).view(np.ndarray)
