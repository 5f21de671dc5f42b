"""Golden files: what public code was given, holds and returns, in one of two forms.

The first form is one ``NAME.npz`` with its description inside, under ``meta``, and whole gradients. The second is
``NAME.npz`` with ``NAME.json`` beside it and fingerprints of gradients; its weights may lie in a checkpoint folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class Golden:
    """One golden file, under the names of the reference. Floating point is float64, all else as stored.

    Parameters
    ----------
    meta
        The description: ``meta["system"]`` says what was run, the rest with what settings.
    params, inputs, masks
        Weights and buffers, inputs, masks. What a gradient is stored of requires one.
    aux
        All other arrays under their whole keys, ``mid/encoder.in`` for example; but ``aux/`` is left out.
    outputs, float32
        What the reference returns in float64, and what it returns in float32.
    weights
        By output, the numbers that it is multiplied with before all are summed and differentiated.
    gradients, fingerprints
        Whole gradients, and three numbers for each gradient.
    relative
        Whether outputs are compared relative to ``1 + |value|``, as the second form wants, or absolutely.
    checkpoint
        The folder of the weights as their authors publish them, if there is one.
    """

    meta: dict[str, Any]
    params: dict[str, Tensor]
    inputs: dict[str, Tensor]
    masks: dict[str, Tensor]
    aux: dict[str, Tensor]
    outputs: dict[str, Tensor]
    float32: dict[str, Tensor]
    weights: dict[str, Tensor]
    gradients: dict[str, Tensor]
    fingerprints: dict[str, Tensor]
    relative: bool = False
    checkpoint: Path | None = None

    @property
    def system(self) -> str:
        return self.meta["system"]

    @property
    def leaves(self) -> dict[str, Tensor]:
        """Return all that a gradient may be of."""
        return self.params | self.inputs

    def part(self, start: str) -> dict[str, Tensor]:
        """Return the other arrays whose keys begin so, by what follows: ``part("mid/")``."""
        return {key.removeprefix(start): value for key, value in self.aux.items() if key.startswith(start)}


def read(path: Path) -> Golden:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    beside = path.with_suffix(".json")
    described_inside = "meta" in arrays
    if described_inside:
        meta = json.loads(str(arrays.pop("meta")))
    elif beside.is_file():
        meta = json.loads(beside.read_text(encoding="utf-8"))
    else:
        raise ValueError(f"neither a meta inside nor a {beside.name} beside it")
    if "system" not in meta:
        raise ValueError("the description names no system")
    return arranged(path, meta, {key: _tensor(array, meta) for key, array in arrays.items()}, not described_inside)


def arranged(path: Path, meta: dict[str, Any], arrays: dict[str, Tensor], relative: bool) -> Golden:
    """Sort the arrays of a file by kind and let those that a gradient is stored of require it."""

    def taken(*kinds: str) -> dict[str, Tensor]:
        keys = [key for key in arrays if key.split("/")[0] in kinds and "/" in key]
        return {key.split("/", 1)[1]: arrays.pop(key) for key in keys}

    checkpoint = path.parent / meta["checkpoint"] if meta.get("checkpoint") else None
    params = taken("param", "state")
    if checkpoint is not None and not params:
        params = {name: _double(weight) for name, weight in load_file(checkpoint / "model.safetensors").items()}
    names, rows = meta.get("gradfp_names", []), arrays.pop("gradfp", torch.zeros(0, 3))
    if len(names) != len(rows):
        raise ValueError(f"gradfp has {len(rows)} rows for {len(names)} names")
    golden = Golden(
        meta=meta,
        params=params,
        inputs=taken("in"),
        masks=taken("mask"),
        outputs=taken("out", "f64"),
        float32=taken("f32"),
        weights=taken("weight"),
        gradients=taken("grad"),
        fingerprints=dict(zip(names, rows, strict=True)),
        aux=taken("aux") | arrays,
        relative=relative,
        checkpoint=checkpoint,
    )
    _check(golden)
    for name in [*golden.gradients, *golden.fingerprints]:
        leaf = golden.leaves.get(name, golden.leaves.get(name.partition(":")[2]))
        if leaf is not None:
            leaf.requires_grad_()
    return golden


def _check(golden: Golden) -> None:
    if not golden.outputs and not golden.float32:
        raise ValueError("no outputs")
    if both := golden.params.keys() & golden.inputs.keys():
        raise ValueError(f"both inputs and weights: {sorted(both)}")
    if astray := golden.weights.keys() - golden.outputs.keys():
        raise ValueError(f"weights of outputs that are not there: {sorted(astray)}")
    if golden.gradients and not golden.weights:
        raise ValueError("gradients, but no weights of outputs")


def _tensor(array: np.ndarray, meta: dict[str, Any]) -> Tensor:
    """Convert an array; some files write minus infinity as a number that their description states."""
    tensor = _double(torch.from_numpy(array))
    if "minus_infinity_stored_as" in meta and tensor.is_floating_point():
        tensor[tensor == meta["minus_infinity_stored_as"]] = -torch.inf
    return tensor


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor
