import jaxtyping
import pytest
import torch

CHECKED = ("attention", "recurrence", "window", "layers", "networks")

jaxtyping.install_import_hook([f"darts_tsformers.{room}" for room in CHECKED], "beartype.beartype")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def types_are_checked_in_some_rooms(request, monkeypatch):
    """Check types and shapes where networks and their parts are tested: it takes a third of the time they take."""
    room = request.path.relative_to(request.config.rootpath / "tests").parts[0]
    if room not in (*CHECKED, "contracts", "models", "reference"):
        monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.fixture
def unchecked(monkeypatch):
    """Let a call of the wrong type reach our own check: users run without the type checker."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
