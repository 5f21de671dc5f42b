"""Language models small enough for tests, untrained or in folders."""

from pathlib import Path
from typing import Any

import torch

from darts_tsformers.language import LanguageModel, language_model

ARCHITECTURES = ("gpt2", "llama", "opt", "bert")
SIZES: dict[str, Any] = {"d_model": 6, "n_layers": 2, "n_heads": 3, "d_ff": 11}


def untrained(architecture: str = "gpt2", **sizes: Any) -> LanguageModel:
    """Return a tiny language model."""
    model = language_model("random", architecture=architecture, backbone_sizes=SIZES | sizes)
    assert model is not None
    return model


def saved(folder: Path, architecture: str = "gpt2", seed: int = 1, **sizes: Any) -> str:
    """Write a tiny language model of weights of its own, and return where it is."""
    transformer = untrained(architecture, **sizes).transformer
    generator = torch.Generator().manual_seed(seed)
    for weight in transformer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) / 5
    transformer.save_pretrained(folder)
    return str(folder)
