import gc

import jaxtyping
import pytest
import torch

CHECKED = ("attention", "recurrence", "window", "layers", "networks")

jaxtyping.install_import_hook([f"darts_tsformers.{room}" for room in CHECKED], "beartype.beartype")
torch.set_num_threads(1)
gc.disable()


def pytest_collection_finish():
    """Let the garbage collector pass over what stays to the end: modules, and the tests themselves."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def types_are_checked_in_some_places(request, monkeypatch):
    """Check types and shapes where parts are tested, and where each model forecasts: it takes a third of the time."""
    place = request.path.relative_to(request.config.rootpath / "tests")
    if place.parts[0] not in (*CHECKED, "reference") and place.as_posix() != "contracts/test_forecasts.py":
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def unchecked(monkeypatch):
    """Let a call of the wrong type reach our own check: users run without the type checker."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
