"""The forecasters by name, read off the files of ``models/`` without importing them or Darts.

Those files are the list of forecasters: exports, command line, sktime's classes, tables and tests all start from it.
"""

import ast
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

ROOM = "darts_tsformers.models"


@dataclass(frozen=True)
class Entry:
    """A forecaster, as its file tells it.

    Attributes
    ----------
    name
        What the command line calls it: the name of its file.
    model_name
        Name of its Darts model.
    summary
        The first line of its docstring.
    """

    name: str
    model_name: str
    summary: str

    @property
    def title(self) -> str:
        """What pages and tables call it: its summary up to the first colon or bracket."""
        return re.split(r":| \(", self.summary, maxsplit=1)[0]

    @property
    def module(self) -> str:
        """Dotted name of its file."""
        return f"{ROOM}.{self.name}"

    @property
    def sktime_name(self) -> str:
        """Name of its sktime class."""
        return f"{self.model_name.removesuffix('Model')}Forecaster"

    def load(self) -> Any:
        """Import the Darts model and return its class."""
        return getattr(import_module(self.module), self.model_name)


def forecasters() -> dict[str, Entry]:
    """Return all forecasters by name, in alphabetical order.

    A file of ``models/`` holds one forecaster: its one public class whose name ends in ``Model``. Folders appended to
    ``darts_tsformers.models.__path__`` count as well.

    Raises
    ------
    ValueError
        If a file does not hold one such class.

    Examples
    --------
    >>> from darts_tsformers.catalogue import forecasters
    >>> forecasters()["patchtst"].model_name
    'PatchTSTModel'
    """
    spec = find_spec(ROOM)
    return _read(tuple(spec.submodule_search_locations or ()) if spec else ())


def by_model_name() -> dict[str, Entry]:
    """Return all forecasters by the name of their Darts model, in alphabetical order."""
    return dict(sorted((entry.model_name, entry) for entry in forecasters().values()))


def load_all() -> None:
    """Import all forecasters: a class is safe to load from a file once it has been imported."""
    for entry in forecasters().values():
        entry.load()


@cache
def _read(folders: tuple[str, ...]) -> dict[str, Entry]:
    return {entry.name: entry for entry in sorted(_found(folders), key=lambda entry: entry.name)}


def _found(folders: tuple[str, ...]) -> Iterator[Entry]:
    for finder, name, _ in pkgutil.iter_modules(folders):
        loader: Any = finder.find_spec(name, None).loader  # type: ignore[union-attr]
        classes = [node for node in ast.parse(loader.get_source(name)).body if _is_model(node)]
        if len(classes) != 1:
            names = [node.name for node in classes]
            raise ValueError(f"{loader.path} must hold one public class whose name ends in 'Model', not {names}")
        summary = (ast.get_docstring(classes[0]) or "").partition("\n")[0]
        yield Entry(name, classes[0].name, summary)


def _is_model(node: ast.stmt) -> bool:
    return isinstance(node, ast.ClassDef) and node.name.endswith("Model") and not node.name.startswith("_")
