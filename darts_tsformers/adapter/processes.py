"""Who does what where several processes train one model."""

from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.utilities import rank_zero_only
from torch import distributed

ONE_PROCESS = {"num_nodes": 1, "strategy": "auto"}
_HOW_MANY = ("accelerator", "devices", "num_nodes", "strategy")


def in_one_process(trainer_params: dict[str, Any]) -> dict[str, Any]:
    """Return arguments of a trainer that keeps to the process it is made in, on the first device that they choose."""
    devices = trainer_params.get("devices", "auto")
    if isinstance(devices, str) and "," in devices:
        devices = [int(one) for one in devices.split(",") if one.strip()]
    chosen = list(devices[:1]) if isinstance(devices, list | tuple) else 1
    is_one = (str(devices) == "1" or devices == chosen) and trainer_params.get("num_nodes", 1) == 1
    return trainer_params if is_one else trainer_params | ONE_PROCESS | {"devices": chosen}


def writes_files(trainer: Trainer | None, trainer_params: dict[str, Any]) -> bool:
    """Whether this process writes what one alone is to write: of those that train together the first does.

    A number in the environment is not enough to tell: a cluster numbers tasks that have nothing to do with each other.

    Parameters
    ----------
    trainer
        Of the last run; None before the first.
    trainer_params
        Arguments that a trainer will be made with.
    """
    if rank_zero_only.rank == 0:
        return True
    if distributed.is_available() and distributed.is_initialized():
        return False
    if trainer is None:
        trainer = Trainer(logger=False, **{name: trainer_params[name] for name in _HOW_MANY if name in trainer_params})
    return bool(trainer.world_size == 1)
