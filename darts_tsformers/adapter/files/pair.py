"""A model and its weights, two files that are replaced as one.

The new model waits beside the old one, under the digest of its weights. With the one step that replaces the weights, or
takes them away, it is the new pair that is there: whoever finds the model of these weights waiting puts it in its
place first.
"""

import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from darts_tsformers.adapter.files.digest import digest_of
from darts_tsformers.adapter.files.whole_files import all_beside, beside, flush, one_writer, real

NO_WEIGHTS = "none"
Write = Callable[[Path], None]


def weights_of(path: Path) -> Path:
    """Return where the weights of a model file are."""
    return path.with_name(path.name + ".ckpt")


def write_pair(path: Path, write_weights: Write | None, write_model: Callable[[Path, str | None], None]) -> None:
    """Write a model and its weights, or one that has none; on an error, or if killed, the older pair stays.

    Parameters
    ----------
    path
        Of the model.
    write_weights
        Writes the weights to a path.
    write_model
        Writes the model to a path; it is also given the digest of its weights.
    """
    path, weights = real(path), real(weights_of(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with one_writer(path.parent):
        _settle(path, weights)
        parts = [beside(one, secrets.token_hex(8)) for one in (path, weights)]
        try:
            digest = None
            if write_weights is not None:
                write_weights(parts[1])
                flush(parts[1])
                digest = digest_of(parts[1])
            write_model(parts[0], digest)
            flush(parts[0])
            os.replace(parts[0], beside(path, _mark(digest)))
            flush(path.parent)
            if digest is None:
                weights.unlink(missing_ok=True)
            else:
                os.replace(parts[1], weights)
            flush(weights.parent)
        finally:
            _settle(path, weights)


def settle(path: Path) -> None:
    """Finish what a writer that was killed has left of a pair."""
    path, weights = real(path), real(weights_of(path))
    if all_beside(path):
        with one_writer(path.parent):
            _settle(path, weights)


def _settle(path: Path, weights: Path) -> None:
    left = all_beside(path)
    if left:
        waiting = beside(path, _mark(digest_of(weights) if weights.is_file() else None))
        if waiting in left:
            os.replace(waiting, path)
            flush(path.parent)
    for part in (*all_beside(path), *all_beside(weights)):
        part.unlink(missing_ok=True)


def _mark(digest: str | None) -> str:
    return NO_WEIGHTS if digest is None else digest[:32]
