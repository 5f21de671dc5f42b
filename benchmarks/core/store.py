"""Results as JSON: a file a benchmark, written anew after each point so that a stop loses at most one."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"


class DamagedError(Exception):
    """A file of results cannot be read; says which and why."""


def load(path: Path) -> dict[str, Any]:
    """Return what is there, or nothing.

    Raises
    ------
    DamagedError
        If what is there is no JSON.
    """
    try:
        return json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise DamagedError(f"{path} must hold JSON: {error}") from None


def save(path: Path, results: dict[str, Any]) -> None:
    """Write all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.part")
    temporary.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(temporary, path)


def update(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """Change what is there now, which another run may have added to; return what is there then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(path.parent):
        results = change(load(path))
        save(path, results)
    return results


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other run writes there. The lock is on the folder itself, and leaves nothing behind."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
