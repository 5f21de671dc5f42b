"""Darts' models, quietly."""

import logging
import warnings
from typing import Any

from benchmarks.core.device import accelerator


def quiet() -> None:
    """Turn the noise of training off, in a process that does nothing else."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


def trainer() -> dict[str, Any]:
    """Return arguments of a quiet trainer on the default device."""
    silence = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return {"pl_trainer_kwargs": {"accelerator": accelerator(), "devices": 1, **silence}}


def trained_briefly() -> dict[str, Any]:
    """Return arguments of a model that is trained for no more than to have its module built."""
    return {"n_epochs": 1, "batch_size": 1, **trainer()}
