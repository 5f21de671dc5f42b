"""A folder whose files are replaced together."""

import ctypes
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from darts_tsformers.adapter.files.whole_files import flush, one_writer, real

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def replace_files(written: Path, folder: Path, names: Sequence[str]) -> None:
    """Put files of one folder into another, all of them or, on an error, none.

    A folder that is not there yet, or has no other files, is put there by one rename: it cannot be killed in between.
    One with other files in it, or that a program is in, stays the folder it is: there one file after the other is
    renamed, while signals wait, and an error puts those back that were there before.

    Parameters
    ----------
    written
        On the same file system; it has these files alone. What is left in it afterwards is of no use.
    folder
        Where they go; the folder above it has to be there.
    names
        Of the files.
    """
    for name in names:
        flush(written / name)
    flush(written)
    folder = real(folder)
    with one_writer(folder.parent), _without_signals():
        if not folder.exists():
            os.rename(written, folder)
        elif not _is_ours(folder, names) or not _exchange(written, folder):
            _one_by_one(written, folder, names)
    flush(folder.parent)


def _is_ours(folder: Path, names: Sequence[str]) -> bool:
    return set(os.listdir(folder)) <= set(names) and folder not in (Path.cwd(), *Path.cwd().parents)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders change places at once, where the system can; say whether they have."""
    shutil.copystat(other, one)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        paths = (os.fsencode(one), os.fsencode(other))
        return bool(libc.renameat2(AT_FDCWD, paths[0], AT_FDCWD, paths[1], RENAME_EXCHANGE) == 0)
    except (OSError, AttributeError, TypeError):
        return False


def _one_by_one(written: Path, folder: Path, names: Sequence[str]) -> None:
    kept = folder / f".before-{secrets.token_hex(8)}"
    kept.mkdir()
    moved: list[str] = []
    try:
        for name in names:
            if os.path.lexists(folder / name):
                os.link(folder / name, kept / name, follow_symlinks=False)
            moved.append(name)
            os.replace(written / name, folder / name)
    except BaseException:
        for name in moved:
            if os.path.lexists(kept / name):
                os.replace(kept / name, folder / name)
            elif not (written / name).exists():
                (folder / name).unlink(missing_ok=True)
        raise
    finally:
        shutil.rmtree(kept, ignore_errors=True)


@contextmanager
def _without_signals() -> Iterator[None]:
    """Let signals that end a command wait; they come when the block is over.

    A mask would hold for one thread, and the system gives a signal to any that has none.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda n, _: came.append(n)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for waited in dict.fromkeys(came):
            signal.raise_signal(waited)
