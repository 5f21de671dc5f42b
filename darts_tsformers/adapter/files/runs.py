"""Runs: a model, and the checkpoints that its training kept beside it; a token tells that they belong together."""

import secrets
from pathlib import Path

import torch
from darts.models.forecasting.torch_forecasting_model import (
    CHECKPOINTS_FOLDER,
    INIT_MODEL_NAME,
    _get_checkpoint_fname,
)
from darts.utils.serialization.torch import load_ckpt_safely, load_wrapper_safely

from darts_tsformers.adapter.files.loading import require_saved

RUN = "run"
"""What a checkpoint keeps the token under."""


def new_run() -> str:
    """Return a token for a model that is about to be trained."""
    return secrets.token_hex(8)


def is_of_run(file_name: str) -> bool:
    """Whether a file is a checkpoint that training kept, by its name; others are those that ``save`` wrote."""
    return file_name.startswith(("best-", "last-"))


def checkpoint_of(folder: Path, file_name: str | None, *, best: bool, trusted: bool = False) -> str:
    """Return the name of a checkpoint of a run, which belongs to the model of the run.

    Runs of earlier versions have no token, and are believed.

    Parameters
    ----------
    folder
        Of the run.
    file_name
        Of the checkpoint; None for the best or the last one.
    best
        Whether it is the best one.
    trusted
        Whether the files may run code when they are read.

    Raises
    ------
    FileNotFoundError
        If the model or the checkpoint does not exist.
    ValueError
        If one of them is damaged or of another kind, or the checkpoint is of another run.
    """
    model = folder / INIT_MODEL_NAME
    require_saved(model)
    name: str = _get_checkpoint_fname(str(folder.parent), folder.name, best=best) if file_name is None else file_name
    checkpoint = folder / CHECKPOINTS_FOLDER / name
    require_saved(checkpoint)
    of_model = load_wrapper_safely(path=str(model), trusted=trusted, map_location="cpu")._run
    kept = load_ckpt_safely(torch.load, str(checkpoint), trusted=trusted, map_location="cpu", mmap=True)
    if None not in (of_model, kept.get(RUN)) and of_model != kept[RUN]:
        raise ValueError(
            f"path={str(checkpoint)!r} must be a checkpoint of the run whose model is {str(model)!r}: it is one of "
            "another run"
        )
    return name
