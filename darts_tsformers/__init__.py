"""Efficient transformers for time series as Darts forecasting models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darts_tsformers.models import ITransformerModel, PatchTSTModel

__version__ = "0.1.0.dev0"

__all__ = ["ITransformerModel", "PatchTSTModel"]


def __getattr__(name: str) -> Any:
    """Import the forecasters on first use, so that ``darts_tsformers.attention`` alone needs no Darts."""
    if name in __all__:
        return getattr(import_module("darts_tsformers.models"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
