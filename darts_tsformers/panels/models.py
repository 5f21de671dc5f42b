"""What a panel has to know of a model of Darts."""

import zlib
from typing import Any

import torch
from darts.logging import get_logger
from darts.models.forecasting.rnn_model import RNNModel
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.checks.names import names_of
from darts_tsformers.adapter.checks.series import static_names
from darts_tsformers.networks._streaming import leaves_out_start
from darts_tsformers.panels.store import Panel
from darts_tsformers.panels.windows import WindowSizes

logger = get_logger(__name__)


def sizes_of(model: TorchForecastingModel) -> WindowSizes:
    """Return the sizes of the windows that a model takes."""
    return WindowSizes(
        model.input_chunk_length, model.min_input_chunk_length, model.output_chunk_length, model.output_chunk_shift
    )


def require_windows(model: TorchForecastingModel) -> None:
    """Raise ``ValueError`` if a model needs more than the windows of a panel."""
    if isinstance(model, RNNModel):
        raise ValueError(
            f"model={type(model).__name__} trains on windows that a panel does not have; use BlockRNNModel"
        )
    if model.initialize_encoders().encoding_available:
        raise ValueError(
            f"model={type(model).__name__} encodes the time itself (add_encoders); "
            "put these columns into the panel instead"
        )


def kinds_for_training(model: TorchForecastingModel, panel: Panel) -> tuple[str, ...]:
    """Return the kinds of covariates of a panel that a model has a place for; say which it has none for."""
    has_place = {
        "past": model.supports_past_covariates,
        "future": model.supports_future_covariates,
        "static": model.supports_static_covariates and model.considers_static_covariates,
    }
    columns = panel.schema.columns
    for kind, fits in has_place.items():
        if columns.of(kind) and not fits:
            logger.warning(f"{type(model).__name__} takes no {kind} covariates; {list(columns.of(kind))} are left out.")
    return tuple(kind for kind, fits in has_place.items() if fits)


def kinds_trained_with(model: TorchForecastingModel) -> tuple[str, ...]:
    """Return the kinds of covariates that a fitted model was trained with."""
    used = {
        "past": model.uses_past_covariates,
        "future": model.uses_future_covariates,
        "static": model.uses_static_covariates,
    }
    return tuple(kind for kind, is_used in used.items() if is_used)


def note_names(model: TorchForecastingModel, panel: Panel) -> None:
    """Tell a new model of this package the names of its components and static covariates."""
    if isinstance(model, TSFormerModel) and model.model is None:
        first = panel.series(0)
        model._static_names = static_names([first.target])
        model._component_names = names_of(
            series=[first.target],
            past_covariates=None if first.past is None else [first.past],
            future_covariates=None if first.future is None else [first.future],
        )


def begins_with_series(model: TorchForecastingModel) -> bool:
    """Whether a fitted model sees nothing before the first step of a short series."""
    return isinstance(model, TSFormerModel) and leaves_out_start(model.model.forecaster.network)


def weights_of(model: TorchForecastingModel) -> str:
    """Return a checksum of the weights of a fitted model."""
    found = 0
    for name, tensor in sorted(model.model.state_dict().items()):
        data: Any = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        found = zlib.crc32(data, zlib.crc32(name.encode(), found))
    return f"{found:08x}"
