"""Forecasters: one Darts model a file, imported on first use. ``TSFormerModel`` is their base class."""

from importlib import import_module
from typing import Any

from darts_tsformers.catalogue import by_model_name


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return ["TSFormerModel", *by_model_name()]
    if name == "TSFormerModel":
        return import_module("darts_tsformers.adapter.base").TSFormerModel
    if name.endswith("Model") and name in by_model_name():
        return by_model_name()[name].load()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__getattr__("__all__"))
