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
def types_are_checked_in_some_rooms(request, monkeypatch):
    """Check types and shapes where networks and their parts are tested: it takes a third of the time they take."""
    room = request.path.relative_to(request.config.rootpath / "tests").parts[0]
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", room not in (*CHECKED, "reference"))


@pytest.fixture
def checked(monkeypatch):
    """Check types and shapes in a test of another room."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", False)


@pytest.fixture
def unchecked(monkeypatch):
    """Let a call of the wrong type reach our own check: users run without the type checker."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
