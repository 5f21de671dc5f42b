"""Learning before forecasting."""

import inspect
from typing import Any, TypeVar

from darts.typing import TimeSeriesLike

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.catalogue import by_model_name
from darts_tsformers.checks import require_one_of
from darts_tsformers.pretraining import OBJECTIVES, Objective

__all__ = ["pretrain"]

Model = TypeVar("Model", bound=TSFormerModel)


def pretrain(model: Model, series: TimeSeriesLike, *, objective: str = "masked", **kwargs: Any) -> Model:
    """Let a model learn from series before it learns to forecast.

    It goes the way of ``fit``: the same windows, of look-back and horizon, though of the target of the horizon nothing
    is seen unless by ``"next"``; the same covariates, gaps, sample weights, validation, trainer, callbacks, precision,
    progress and checkpoints, for ``n_epochs``, or ``epochs`` in the call. The loss or likelihood is the model's, of
    what the objective has it guess. Called again it goes on with the weights at hand, by any objective.

    The model can be saved and loaded then, but not forecast yet: ``model.fit(series, transfer=...)`` is next, of the
    same series or others, see :meth:`~darts_tsformers.adapter.transferring.TransferringModel.fit`.

    Parameters
    ----------
    model
        A model that can learn so.
    series
        What to learn from: one series or many.
    objective
        What to learn by, by its name in :mod:`darts_tsformers.pretraining`: ``"masked"`` or ``"next"``.
    **kwargs
        Settings of the objective, such as ``mask_ratio``, and whatever ``fit`` takes.

    Returns
    -------
    The model.

    Raises
    ------
    TypeError
        If it is no model of this package.
    ValueError
        If the model cannot learn so; the message names those that can. If a setting breaks a rule of the objective, or
        the model was made to train nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel, pretrain
    >>> many = [TimeSeries.from_values(np.sin(np.arange(90) / k).astype("float32")) for k in (3, 4, 5)]
    >>> sizes = {"patch_length": 6, "stride": 6, "pad_end": False, "d_model": 8, "d_ff": 8}
    >>> quiet = {"pl_trainer_kwargs": {"enable_progress_bar": False, "enable_model_summary": False}}
    >>> model = pretrain(PatchTSTModel(24, 6, n_epochs=1, random_state=0, **sizes, **quiet), many, mask_ratio=0.4)
    >>> len(model.fit(many[0], transfer="probe_then_full").predict(6))
    6
    """
    if not isinstance(model, TSFormerModel):
        raise TypeError(f"model={type(model).__name__}(...) must be a forecaster of darts_tsformers")
    require_one_of(OBJECTIVES, objective=objective)
    learns_by = OBJECTIVES[objective]
    if not learns_by.suits(model.network_class):
        able = ", ".join(_able(learns_by))
        raise ValueError(
            f"objective={objective!r} is nothing {type(model).__name__} can learn by. Models that can: {able}"
        )
    if model.enable_finetuning is False:
        raise ValueError(
            "enable_finetuning=False must be True or None: a model that trains nothing cannot be pre-trained"
        )
    settings = {name: kwargs.pop(name) for name in _settings(learns_by) if name in kwargs}
    model.learn_by({"name": objective, **settings}, series, **kwargs)
    return model


def _settings(objective: type[Objective]) -> list[str]:
    """Return the names of what can be set."""
    parameters = inspect.signature(objective).parameters.values()
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]


def _able(objective: type[Objective]) -> list[str]:
    """Return the names of the models that can learn so."""
    return [name for name, entry in by_model_name().items() if objective.suits(entry.load().network_class)]
