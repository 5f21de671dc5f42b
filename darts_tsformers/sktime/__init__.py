"""The models as sktime forecasters, each made on first use; needs the extra ``darts_tsformers[sktime]``."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from darts_tsformers.catalogue import Entry, by_model_name

if find_spec("sktime") is None:
    raise ModuleNotFoundError(
        "darts_tsformers.sktime needs sktime, which is not installed: pip install 'darts_tsformers[sktime]'",
        name="sktime",
    )


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return list(_by_name())
    if name.endswith("Forecaster") and name in _by_name():
        return import_module("darts_tsformers.sktime._make").forecaster_class(_by_name()[name].load(), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_by_name())


def _by_name() -> dict[str, Entry]:
    return {entry.sktime_name: entry for entry in by_model_name().values()}
