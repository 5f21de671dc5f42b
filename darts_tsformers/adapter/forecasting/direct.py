"""A forecast of windows that are at hand as arrays, in one pass and without a trainer."""

from collections.abc import Mapping

import numpy as np
import torch
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.forecasting.alone import forecasting
from darts_tsformers.adapter.forecasting.evaluation import in_evaluation

INPUTS = ("past_target", "past_covariates", "historic_future_covariates", "future_covariates", "static_covariates")


def obstacle(model: TSFormerModel) -> str | None:
    """Say what stands against :func:`forecast_arrays` with a model; None if nothing does."""
    if model.model is None:
        return "it is not fitted"
    if model.uses_static_covariates:
        return "it was trained with static covariates"
    if model.encoders is not None and model.encoders.encoding_available:
        return "it has encoders (add_encoders)"
    network = model.model.forecaster.network
    if network.draws_paths or network.feeds_on_itself:
        return "it forecasts paths or step by step"
    if model.likelihood is not None and not isinstance(model.likelihood, QuantileRegression):
        return f"its likelihood is {model.likelihood!r}, not QuantileRegression"
    return None


def forecast_arrays(model: TSFormerModel, windows: Mapping[str, np.ndarray]) -> np.ndarray:
    """Forecast windows, shape ``(B, L, ...)`` each, without a trainer around it.

    Parameters
    ----------
    model
        A fitted model without :func:`obstacle`.
    windows
        By :data:`INPUTS`: those that the model was trained with; NaN where nothing was observed.

    Returns
    -------
    numpy.ndarray
        Shape ``(B, H, C, Q)``: the quantiles in the order of the likelihood, or one value.
    """
    module = model.model
    tensors = {
        name: torch.as_tensor(windows[name], dtype=module.dtype, device=module.device) if name in windows else None
        for name in INPUTS
    }
    with forecasting(model), in_evaluation(module), torch.no_grad():
        out = module(PLModuleInput(**tensors, stage=ModuleStage.PREDICT))
    return np.asarray(out.prediction.cpu().double())


def trained_names(model: TSFormerModel) -> dict[str, list[str]]:
    """Return the names of the components that a model was trained with, by the argument of ``fit``."""
    return dict(model._component_names)
