"""Files that are there as a whole or not at all, whenever their writer is killed or fails."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without, such as Windows: writers do not wait for each other there
    fcntl = None  # type: ignore[assignment]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a path to write to, and put what was written there at once; on an error nothing is left of it."""
    path = real(path)
    part = beside(path, secrets.token_hex(8))
    try:
        yield part
        flush(part)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    flush(path.parent)


def real(path: Path) -> Path:
    """Follow links: the file they lead to is replaced, and not they."""
    return Path(os.path.realpath(path))


def beside(path: Path, mark: str) -> Path:
    """Return a hidden path in the same folder; the mark tells it from others for the same file."""
    return path.with_name(f".{path.name}.{mark}.part")


def all_beside(path: Path) -> list[Path]:
    """Return what :func:`beside` has named for a file and is there."""
    prefix, suffix = f".{path.name}.", ".part"
    names = os.listdir(path.parent) if path.parent.is_dir() else []
    own = [name for name in names if name.startswith(prefix) and name.endswith(suffix)]
    return [path.with_name(name) for name in own if "." not in name[len(prefix) : -len(suffix)]]


def flush(path: Path) -> None:
    """Wait until a file, or what a folder names, is on the disk; some file systems cannot say."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def one_writer(folder: Path, *, reads: bool = False) -> Iterator[None]:
    """Let no other process or thread that asks for it write in a folder meanwhile; several may read.

    A writer that is killed lets go. File systems that know no locks are taken as they are.
    """
    descriptor = None
    try:
        with suppress(OSError):
            if fcntl is not None:
                descriptor = os.open(folder, os.O_RDONLY)
                fcntl.flock(descriptor, fcntl.LOCK_SH if reads else fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
