"""Arrays one after the other: in memory up to a number of windows, on disk beyond it."""

import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp

import numpy as np


class Folder:
    """A temporary folder, made when the first file is asked for and removed with the last reference to this object."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._n_files = 0

    def new_file(self) -> Path:
        """Return a path that is not in use."""
        if self._path is None:
            self._path = Path(mkdtemp(prefix="explanation-"))
            weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)
        self._n_files += 1
        return self._path / f"{self._n_files}.bin"


class Stack:
    """Blocks of windows, ``(n, ...)`` each, of which at most ``max_windows`` and one block are held in memory."""

    def __init__(self, max_windows: int, folder: Folder) -> None:
        self._max_windows = max_windows
        self._folder = folder
        self._blocks: list[np.ndarray] = []
        self._file: Path | None = None
        self._n_windows = 0

    def add(self, block: np.ndarray) -> None:
        """Put a block behind the others."""
        self._blocks.append(np.ascontiguousarray(block))
        self._n_windows += len(block)
        if self._n_windows > self._max_windows:
            self._write()

    def array(self) -> np.ndarray:
        """Return all windows; those on disk are read when they are used."""
        if self._file is None:
            return np.concatenate(self._blocks)
        shape, dtype = self._shape, self._dtype
        return np.memmap(self._file, dtype=dtype, mode="r", shape=(self._n_windows, *shape))

    def _write(self) -> None:
        if self._file is None:
            self._file = self._folder.new_file()
        self._shape, self._dtype = self._blocks[0].shape[1:], self._blocks[0].dtype
        with self._file.open("ab") as file:
            for block in self._blocks:
                file.write(block.data)
        self._blocks.clear()
