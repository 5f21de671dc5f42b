import jaxtyping
import pytest
import torch

jaxtyping.install_import_hook(
    ["darts_tsformers.attention", "darts_tsformers.layers", "darts_tsformers.networks"], "beartype.beartype"
)
torch.set_num_threads(1)


@pytest.fixture
def unchecked(monkeypatch):
    """Let a call of the wrong type reach our own check: users run without the type checker."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
