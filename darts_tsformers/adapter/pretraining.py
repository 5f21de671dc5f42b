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

    It works as ``fit`` does: with the same windows, covariates, gaps, sample weights, validation, trainer, callbacks,
    precision, progress and checkpoints, for ``n_epochs``, or ``epochs`` in the call. Only ``"next"`` sees the target
    over the horizon. Guesses are scored by the loss or likelihood of the model. Called again, by any objective, it
    continues from the current weights.

    The model can then be saved and loaded, but cannot forecast yet. Call ``model.fit(series, transfer=...)`` next, on
    the same series or others; see :meth:`~darts_tsformers.adapter.transfers.transferring.TransferringModel.fit`.

    Parameters
    ----------
    model
        A model that can learn so.
    series
        What to learn from: one series or many.
    objective
        What to learn by: ``"masked"``, hidden parts are guessed; ``"next"``, each patch or step forecasts the next; or
        ``"contrastive"``, windows are told apart. See :mod:`darts_tsformers.pretraining`.
    **kwargs
        Settings of the objective, such as ``mask_ratio``, and arguments of ``fit``.

    Returns
    -------
    The model.

    Raises
    ------
    TypeError
        If it is no model of this package.
    ValueError
        If the objective does not work with the model; the message names the models that it works with. If a setting
        breaks its rule or belongs to another objective, or the model was made to train nothing.

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
        raise ValueError(f"objective={objective!r} does not work with {type(model).__name__}. It works with {able}")
    if model.enable_finetuning is False:
        raise ValueError(
            "enable_finetuning=False must be True or None: a model that trains nothing cannot be pre-trained"
        )
    settings = {name: kwargs.pop(name) for name in _settings(learns_by) if name in kwargs}
    _require_no_other_settings(objective, kwargs)
    model.learn_by({"name": objective, **settings}, series, **kwargs)
    return model


def _settings(objective: type[Objective]) -> list[str]:
    """Return the names of what can be set."""
    parameters = inspect.signature(objective).parameters.values()
    return [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]


def _require_no_other_settings(objective: str, given: dict[str, Any]) -> None:
    """Raise ``ValueError`` if something is a setting of other objectives alone."""
    of_others = {name for other in OBJECTIVES.values() for name in _settings(other)}
    for name in of_others & given.keys():
        has = ", ".join(_settings(OBJECTIVES[objective])) or "none"
        raise ValueError(f"{name}={given[name]!r} is no setting of objective={objective!r}. Its settings: {has}")


def _able(objective: type[Objective]) -> list[str]:
    """Return the names of the models that can learn so."""
    return [name for name, entry in by_model_name().items() if objective.suits(entry.load().network_class)]
