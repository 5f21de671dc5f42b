"""What training and forecasting on Ray have in common."""

from types import ModuleType
from typing import Any, TypeAlias

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

Packed: TypeAlias = tuple[TorchForecastingModel, Any]
"""A model, and its weights: Darts leaves them out when it pickles a model."""


def require_ray() -> ModuleType:
    """Import Ray; raise ``ImportError`` if it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise ImportError("Ray is not installed: pip install 'darts-tsformers[ray]'") from error
    return ray


def packed(model: TorchForecastingModel) -> Packed:
    """Return what can be pickled for another process."""
    return model, model.model


def unpacked(found: Packed, **trainer: Any) -> TorchForecastingModel:
    """Return the model in the other process.

    Parameters
    ----------
    found
        What :func:`packed` returned.
    **trainer
        Arguments of its trainer there, in place of those that it was made with.
    """
    model, model.model = found
    model.trainer_params = model.trainer_params | trainer
    return model
