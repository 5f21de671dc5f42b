"""How a model is trained: to forecast, or before that."""

import copy
from typing import Any

from darts import TimeSeries

from darts_tsformers.adapter.pretraining import pretrain
from darts_tsformers.models import TSFormerModel
from darts_tsformers.sktime._trained import TrainedModel


def checked_pretraining(pretraining: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return how to learn before forecasting."""
    if not isinstance(pretraining, dict | None):
        raise ValueError(f"pretraining={pretraining!r} must be None or a dict of arguments of pretrain")
    return pretraining


def learnt(
    model: TSFormerModel,
    targets: list[TimeSeries],
    covariates: list[TimeSeries] | None,
    start: TrainedModel | None,
    pretraining: dict[str, Any] | None,
    *,
    forecasts: bool,
) -> TSFormerModel:
    """Train a model on series, from the weights of another one if there is one.

    Parameters
    ----------
    model
        An untrained model.
    targets, covariates
        What to train on.
    start
        What was trained before.
    pretraining
        How it learns before it forecasts; None if it learns to forecast from the first.
    forecasts
        Whether it is to learn to forecast now.
    """
    given: dict[str, Any] = {"future_covariates": covariates, "verbose": False}
    settings = dict(pretraining or {})
    transfer = settings.pop("transfer", "full")
    if pretraining is not None and not forecasts:
        model = model if start is None else copy.deepcopy(start).darts
        return pretrain(model, targets, **settings, **given)
    if start is not None and start.darts.objective is not None:
        given |= {"transfer": transfer, "pretrained": start.darts}
    elif start is not None:
        start.lend_weights(model)
    model.fit(targets, **given)
    return model
