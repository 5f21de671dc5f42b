"""Efficient transformers for time series as Darts forecasting models."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from darts_tsformers.diagnosis import diagnose as diagnose
    from darts_tsformers.models import (
        AutoformerModel,
        FEDformerModel,
        InformerModel,
        ITransformerModel,
        LogSparseTransformerModel,
        PatchTSTModel,
        TemporalFusionTransformerModel,
    )
    from darts_tsformers.recommendation import recommend as recommend

__version__ = "0.1.0.dev0"

__all__ = [
    "AutoformerModel",
    "FEDformerModel",
    "ITransformerModel",
    "InformerModel",
    "LogSparseTransformerModel",
    "PatchTSTModel",
    "TemporalFusionTransformerModel",
]

_HOMES = dict.fromkeys(__all__, "darts_tsformers.models") | {
    "diagnose": "darts_tsformers.diagnosis",
    "recommend": "darts_tsformers.recommendation",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``darts_tsformers.attention`` alone needs no Darts."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
