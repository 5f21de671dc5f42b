"""What the papers trained their models with, and how: whole recipes, as arguments of the classes."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import pytorch_lightning as pl
from darts.dataprocessing.transformers import Scaler
from sklearn.preprocessing import StandardScaler
from torch.optim.lr_scheduler import LRScheduler

from darts_tsformers.adapter.calendar import hourly_marks, minutely_marks
from darts_tsformers.adapter.callbacks import BestWeights
from darts_tsformers.adapter.schedules import ConstantThenDecay, OneCycle

CALENDAR: dict[str, Any] = {"add_encoders": {"custom": {"future": [hourly_marks]}}}
"""What the code of Informer, Autoformer and FEDformer adds to each step, whatever the data, unless told ``--freq``."""
CALENDAR_WITH_MINUTES: dict[str, Any] = {"add_encoders": {"custom": {"future": [minutely_marks]}}}
"""The same with ``--freq t``."""

Schedule = tuple[type[LRScheduler], dict[str, Any]]
HALVED: Schedule = (ConstantThenDecay, {"gamma": 0.5, "n_constant": 2})
"""``type1`` in ``utils/tools.py`` of these repositories: a rate of 1, 1, 1/2, 1/4, ... over the epochs."""
SLOW: Schedule = (ConstantThenDecay, {"gamma": 0.9, "n_constant": 4})
"""``type3`` in ``utils/tools.py`` of PatchTST: times 0.9 with each epoch from the fifth on."""


def one_cycle(pct_start: float) -> Schedule:
    """Return ``TST`` in ``run_longExp.py`` of PatchTST: one cycle over all batches of the training."""
    return OneCycle, {"pct_start": pct_start}


def standardised_calendar(*parts: str) -> dict[str, Any]:
    """Return parts of the calendar and the number of the step, standardised over the training part."""
    encoders = {"datetime_attribute": {"future": [*parts]}, "position": {"future": ["relative"]}}
    return {"add_encoders": encoders | {"transformer": Scaler(StandardScaler())}}


def trained(
    rate: float,
    *,
    batch: int,
    epochs: int,
    patience: int,
    schedule: Schedule | None,
    min_delta: float = 0.0,
    callbacks: Sequence[pl.Callback] = (),
    **trainer: Any,
) -> dict[str, Any]:
    """Return how a model is trained: by Adam, stopped by the validation loss, with the best weights in the end."""
    recipe: dict[str, Any] = {
        "batch_size": batch,
        "n_epochs": epochs,
        "optimizer_kwargs": {"lr": rate},
        "pl_trainer_kwargs": {"callbacks": [BestWeights(patience, min_delta), *callbacks], **trainer},
    }
    if schedule is not None:
        recipe |= {"lr_scheduler_cls": schedule[0], "lr_scheduler_kwargs": schedule[1]}
    return recipe


class PublishedModel:
    """A model with the recipes of its paper.

    Attributes
    ----------
    paper_configs
        Published recipes by data set, as keyword arguments.
    """

    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {}

    @classmethod
    def paper_config(cls, dataset: str) -> dict[str, Any]:
        """Return the published recipe for a data set as keyword arguments of the class, which need no others.

        In it are the sizes; batches, epochs and optimiser; the schedule of the rate
        (:mod:`darts_tsformers.adapter.schedules`); when to stop, and that the best weights are kept
        (:class:`~darts_tsformers.adapter.callbacks.BestWeights`); and the calendar, as ``add_encoders``, if the paper's
        figures rest on it. The notes of the class say where the values are from and what is left out.

        Not in it, and to be done to the data: papers standardise every component by the mean and the deviation of its
        training part. To stop, and to keep the best weights, ``fit`` needs a ``val_series``; without one it trains all
        epochs and keeps the last weights.

        A recipe with a calendar needs series with dates; ``| {"add_encoders": None}`` takes it out. Further arguments
        of the trainer go into ``config["pl_trainer_kwargs"]``, for a new dictionary would replace the callbacks in it.

        Everything in it is new with each call: ask anew for another model, for callbacks belong to one.

        Parameters
        ----------
        dataset
            A key of ``paper_configs``.

        Raises
        ------
        ValueError
            If no recipe is known for ``dataset``.

        Examples
        --------
        >>> from darts_tsformers import ITransformerModel
        >>> model = ITransformerModel(**ITransformerModel.paper_config("ETTh1"))
        >>> config = ITransformerModel.paper_config("ETTm1")
        >>> config["input_chunk_length"], config["output_chunk_length"], config["d_model"]
        (96, 96, 128)
        >>> config["lr_scheduler_kwargs"]
        {'gamma': 0.5, 'n_constant': 2}
        >>> config["pl_trainer_kwargs"]["enable_progress_bar"] = False
        >>> model = ITransformerModel(**config | {"n_epochs": 3})
        """
        if dataset not in cls.paper_configs:
            raise ValueError(f"dataset={dataset!r} must be one of {sorted(cls.paper_configs)}")
        return copy.deepcopy(cls.paper_configs[dataset])
