"""The trials of a study, in memory or in a file that can be gone on with."""

import importlib.util
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darts_tsformers.workflow.errors import DataError

if TYPE_CHECKING:
    import optuna

_NAME = "tuning"
_TASK = "task"
_REDUCTION, _FEWEST_EPOCHS, _DRAWN_AT_RANDOM = 3, 2, 8


@contextmanager
def opened(path: str | PathLike[str] | None, task: Mapping[str, Any], seed: int) -> "Iterator[optuna.Study]":
    """Open a study, new or as it was left.

    Parameters
    ----------
    path
        SQLite file; None for memory.
    task
        Plain data that tell this study from others.
    seed
        Of what is drawn.

    Raises
    ------
    ImportError
        If Optuna is missing.
    DataError
        If the file cannot be used, or holds a study of another task.
    """
    if importlib.util.find_spec("optuna") is None:
        raise ImportError("tune needs optuna: pip install 'darts-tsformers[tune]'")
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = None if path is None else _storage(Path(path))
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=_NAME,
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=_DRAWN_AT_RANDOM),
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=_FEWEST_EPOCHS, reduction_factor=_REDUCTION),
            load_if_exists=True,
        )
        _hold_to(study, task, path)
        yield study
    finally:
        optuna.logging.set_verbosity(before)
        if storage is not None:
            storage.remove_session()
            storage.engine.dispose()


def _storage(path: Path) -> Any:
    import optuna

    if not path.parent.is_dir() or path.is_dir():
        raise DataError(f"study='{path}' must be a file in a folder that exists")
    try:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version")
        connection.close()
        return optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
    except sqlite3.Error as error:
        raise DataError(f"study='{path}' is no SQLite file that can be written: {error}") from None


def _hold_to(study: "optuna.Study", task: Mapping[str, Any], path: str | PathLike[str] | None) -> None:
    """Write down what the study is about, or make sure that it is about this."""
    known = study.user_attrs.get(_TASK)
    given = json.loads(json.dumps(task))
    if known is None:
        study.set_user_attr(_TASK, given)
    elif known != given:
        other = [name for name in given if known.get(name) != given[name]]
        raise DataError(f"study='{path}' is of another task: its {' and '.join(other)} differ; choose another file")
