"""Files that are to hold a saved model: what is wrong with one is said by its name and the rule it breaks."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from darts.utils.serialization.base import UnpicklingError


def require_saved(path: Path) -> None:
    """Raise ``FileNotFoundError`` if there is no such file, ``ValueError`` if it was not written by ``save``.

    Nothing is unpickled to find out.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path={str(path)!r} must be a file written by save: there is none")
    if not _is_archive(path):
        raise ValueError(
            f"path={str(path)!r} must be a file written by save: it is damaged, incomplete or another kind"
        )


def _is_archive(path: Path) -> bool:
    """Whether a file looks like what ``torch.save`` writes: a whole archive with a pickle in its one folder."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/data.pkl") for name in archive.namelist()) and archive.testzip() is None


@contextmanager
def read_from(source: str) -> Iterator[None]:
    """Say of an error where it is from; one that says nothing to a user becomes a ``ValueError`` that does."""
    try:
        yield
    except (UnpicklingError, ValueError, FileNotFoundError) as error:
        error.add_note(f"while loading {source}")
        raise
    except Exception as error:
        raise ValueError(f"{source} must hold what save wrote, but cannot be read: {error}") from error
