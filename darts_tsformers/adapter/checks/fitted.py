"""What has to be so before anything can be said of a model."""

from typing import Any

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.transfers.transfer import require_forecasts


def require_fitted(model: Any) -> None:
    """Raise ``TypeError`` if it is no model of this package, and ``ValueError`` if it is not fitted."""
    if not isinstance(model, TSFormerModel):
        raise TypeError(f"model={type(model).__name__}(...) must be a forecaster of darts_tsformers")
    if model.model is None:
        raise ValueError(f"model={type(model).__name__}(...) must be fitted first")
    require_forecasts(model)
