"""Recurrent mechanisms and blocks give the outputs and the gradients of other implementations, in double precision."""

import json
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).parent / "golden" / "recurrent"
FILES = sorted(path.stem for path in FOLDER.glob("*.npz"))


def read(name: str) -> SimpleNamespace:
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        parts: dict[str, dict[str, torch.Tensor]] = {}
        for key in file.files:
            if key != "meta":
                kind, _, rest = key.partition("/")
                parts.setdefault(kind, {})[rest] = torch.from_numpy(file[key])
        meta = json.loads(str(file["meta"]))
    params, inputs = ({k: t.requires_grad_() for k, t in parts.get(kind, {}).items()} for kind in ("param", "in"))
    return SimpleNamespace(
        meta=meta, params=params, inputs=inputs, outputs=parts["out"], weights=parts["weight"], gradients=parts["grad"]
    )


@pytest.mark.parametrize("name", FILES)
def test_it_gives_what_the_reference_gives(name):
    golden = read(name)
    outputs = import_module(f"tests.reference.mappings.{name.rpartition('_')[0]}").reproduce(golden)
    torch.testing.assert_close(outputs, golden.outputs, rtol=0, atol=1e-10)
    loss = sum((outputs[k] * weight).sum() for k, weight in golden.weights.items())
    sources = golden.params | golden.inputs
    found = torch.autograd.grad(loss, [sources[k] for k in golden.gradients])
    for k, gradient in zip(golden.gradients, found, strict=True):
        torch.testing.assert_close(gradient, golden.gradients[k], rtol=1e-8, atol=1e-10, msg=lambda m, k=k: f"{k}: {m}")


def test_the_files_are_there():
    assert FILES == ["mamba_block_1", "mamba_block_2", "selective_scan_1", "selective_scan_2"]
