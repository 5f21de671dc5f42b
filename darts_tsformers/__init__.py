"""Efficient transformers for time series as Darts forecasting models."""

from importlib import import_module
from typing import Any

from darts_tsformers.catalogue import by_model_name as _by_model_name

__version__ = "0.1.0.dev0"

_HOMES = {
    "diagnose": "darts_tsformers.diagnosis",
    "pretrain": "darts_tsformers.adapter.pretraining",
    "recommend": "darts_tsformers.recommendation",
    "suggest_attention": "darts_tsformers.recommendation",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``darts_tsformers.attention`` alone needs no Darts."""
    if name == "__all__":
        return list(_by_model_name())
    if name == "explain":
        return import_module("darts_tsformers.explain")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name.endswith("Model") and name in _by_model_name():
        return _by_model_name()[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_by_model_name(), *_HOMES, "explain", "__version__"])
