"""A fitted model as plain tensors in a file, without a pickle: its class and arguments are the caller's to keep."""

from pathlib import Path
from typing import Any

from darts import TimeSeries
from safetensors.torch import load_model, save_model

from darts_tsformers.adapter.arguments import DartsArguments
from darts_tsformers.adapter.base import TSFormerModel

_OF_FORECASTS = {"batch_size", "add_encoders", "use_reversible_instance_norm"}
_LEFT_OUT = set(DartsArguments.__annotations__) - _OF_FORECASTS | {"hub_model_name", "hub_model_revision", "local_dir"}


def arguments_of(model: TSFormerModel) -> dict[str, Any]:
    """Return the arguments that the forecasts of a model depend on, defaults included, except for its likelihood.

    Those of training are left out, and so is where published weights come from: they are among what was learnt.
    """
    return {name: value for name, value in model.model_params.items() if name not in _LEFT_OUT}


def save_weights(model: TSFormerModel, path: Path) -> None:
    """Write all that a fitted model has learnt, as safetensors."""
    save_model(model.model, str(path))


def load_weights(
    model: TSFormerModel, path: Path, like: TimeSeries, past: TimeSeries | None = None, future: TimeSeries | None = None
) -> None:
    """Give an unfitted model what :func:`save_weights` has written of one with the same arguments.

    Parameters
    ----------
    model
        Has the class, the arguments and the likelihood of the one that was saved.
    path
        The file.
    like, past, future
        Series with the components, the static covariates and the type of number that it was trained on. Their values
        do not matter; look-back plus horizon are long enough.

    Raises
    ------
    RuntimeError
        If the weights are not of such a model.
    SafetensorError
        If the file is no safetensors file, or is not whole.
    """
    asked, model.enable_finetuning = model.enable_finetuning, False  # `fit` makes the network, and does not train it
    try:
        model.fit(like, past, future, verbose=False)
    finally:
        model.enable_finetuning = asked
    model.training_series = model.past_covariate_series = model.future_covariate_series = model.static_covariates = None
    load_model(model.model, str(path))
