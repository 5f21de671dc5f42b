"""Runs: a model, and the checkpoints that its training kept beside it; a token tells that they belong together."""

import secrets
from pathlib import Path
from typing import Any

import torch
from darts.models.forecasting.torch_forecasting_model import CHECKPOINTS_FOLDER, INIT_MODEL_NAME
from darts.utils.serialization.torch import load_ckpt_safely, load_wrapper_safely

from darts_tsformers.adapter.files.loading import require_saved

RUN = "run"


def new_run() -> str:
    """Return a token for a model that is about to be trained."""
    return secrets.token_hex(8)


def is_of_run(file_name: str) -> bool:
    """Whether a file is a checkpoint that training kept, by its name; others are those that ``save`` wrote."""
    return file_name.startswith(("best-", "last-"))


def require_one_run(folder: Path, name: str, **reading: Any) -> None:
    """Refuse a checkpoint that another model than that of its folder was trained to; older files do not say.

    Raises
    ------
    FileNotFoundError
        If one of both files does not exist.
    ValueError
        If one was not written by a run, or they are of two runs.
    """
    model, checkpoint = folder / INIT_MODEL_NAME, folder / CHECKPOINTS_FOLDER / name
    require_saved(model)
    require_saved(checkpoint)
    of_model = load_wrapper_safely(path=str(model), **reading)._run
    of_checkpoint = load_ckpt_safely(load_fn=torch.load, path=str(checkpoint), mmap=True, **reading).get(RUN)
    if None not in (of_model, of_checkpoint) and of_model != of_checkpoint:
        raise ValueError(
            f"path={str(checkpoint)!r} must be a checkpoint of the run whose model is {str(model)!r}: it is one of "
            "another run"
        )
