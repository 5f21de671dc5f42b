"""Files that are to hold a saved model: what is wrong with one is said by its name and the rule it breaks."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import torch
from darts.utils.serialization.base import UnpicklingError
from darts.utils.serialization.torch import load_ckpt_safely

from darts_tsformers.adapter.files.digest import are_own_weights
from darts_tsformers.adapter.files.pair import settle
from darts_tsformers.adapter.files.whole_files import one_writer

MOST_INFLATED = 20
"""Times its own size that an archive may inflate to; what ``save`` writes is not compressed."""


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
        if not any(name.endswith("/data.pkl") for name in archive.namelist()):
            return False
        inflated, on_disk = sum(one.file_size for one in archive.infolist()), path.stat().st_size
        if inflated > MOST_INFLATED * on_disk:
            raise ValueError(
                f"path={str(path)!r} must be a file written by save: its {on_disk} bytes would inflate to {inflated}"
            )
        return archive.testzip() is None


@contextmanager
def own_pair(path: str) -> Iterator[None]:
    """Read a model and what weights are beside it, while nobody writes them.

    Raises
    ------
    FileNotFoundError
        If there is no such model.
    ValueError
        If one of both was not written by ``save``, or the weights are not those of the model.
    """
    model, weights = Path(path), Path(path + ".ckpt")
    settle(model)
    with one_writer(model.absolute().parent, reads=True):
        require_saved(model)
        if weights.exists():
            require_saved(weights)
            if not are_own_weights(model, weights):
                _refuse(model, weights)
        with read_from(f"path={path!r}"):
            yield


def _refuse(model: Path, weights: Path) -> NoReturn:
    """Say what is wrong with weights that are not those of the model: that they ask for code comes first."""
    with read_from(f"path={str(model)!r}"):
        load_ckpt_safely(load_fn=torch.load, path=str(weights), trusted=False, map_location="cpu")
    raise ValueError(
        f"path={str(weights)!r} must hold what save wrote with the model beside it, {str(model)!r}: it has the weights "
        "of another one"
    )


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
