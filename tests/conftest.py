import jaxtyping
import pytest
import torch

CHECKED = ("attention", "recurrence", "window", "layers", "networks")

jaxtyping.install_import_hook([f"darts_tsformers.{room}" for room in CHECKED], "beartype.beartype")
torch.set_num_threads(1)


@pytest.fixture
def unchecked(monkeypatch):
    """Let a call of the wrong type reach our own check: users run without the type checker."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
