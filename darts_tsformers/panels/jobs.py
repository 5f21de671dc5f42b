"""Work that goes on where it was stopped, if it is the same work."""

import json
from pathlib import Path
from typing import Any

from darts_tsformers.adapter.files.whole_files import whole_file

FILE = "_job.json"
"""Readers of Parquet folders pass over names that begin like this."""


def begin(folder: Path, facts: dict[str, Any]) -> None:
    """Make a folder for what comes of some work; one that is there must be of the same work.

    Parameters
    ----------
    folder
        Where files go, each as soon as it is done.
    facts
        All that the result depends on, as plain data.

    Raises
    ------
    ValueError
        If the folder holds something else; the message says what differs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        other = [
            f"{name}={before.get(name)!r}, now {value!r}" for name, value in facts.items() if before.get(name) != value
        ]
        if other:
            raise ValueError(f"{folder} holds the result of another run ({'; '.join(other)}); choose another folder")
        return
    if any(not one.name.startswith(".") for one in folder.iterdir()):
        raise ValueError(f"{folder} has other files in it; choose an empty folder or a new one")
    with whole_file(path) as part:
        part.write_text(json.dumps(facts, indent=1), encoding="utf-8")
