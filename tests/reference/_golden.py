"""Golden files: the weights, an input and the output of a reference network, one file a configuration."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

FOLDER = Path(__file__).parent / "golden"


class Golden(NamedTuple):
    """What a reference network holds, sees and says.

    ``weights`` keep the reference's names; ``x`` is ``(B, L, C)`` and ``y`` is ``(B, H, C)``. A decoder layer sees a
    ``memory`` too, a forecaster covariates of past and future steps that are ``known``, ``(B, L + H, F)``.
    """

    settings: dict[str, Any]
    weights: dict[str, Tensor]
    x: Tensor
    y: Tensor
    memory: Tensor | None = None
    known: Tensor | None = None


def names(prefix: str) -> list[str]:
    return sorted(path.stem for path in FOLDER.glob(f"{prefix}-*.npz"))


def read(name: str) -> Golden:
    with np.load(FOLDER / f"{name}.npz") as file:
        arrays = {key: torch.from_numpy(file[key]) for key in file.files if key != "settings"}
        settings = json.loads(str(file["settings"]))
    x, y, *others = arrays.pop("x"), arrays.pop("y"), arrays.pop("memory", None), arrays.pop("known", None)
    return Golden(settings, arrays, x, y, *others)


def load(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load weights into the network and the instance normalisation of a forecaster: all they need, none left over."""
    weights = dict(weights)
    for name in ("network", "instance_norm"):
        own = {key.removeprefix(f"{name}."): weights.pop(key) for key in list(weights) if key.startswith(f"{name}.")}
        part = getattr(model, name)
        if part is None:
            assert not own, own.keys()
        else:
            part.load_state_dict(own, strict=True)
    assert not weights, weights.keys()


def filled(layer: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Load weights into a layer: all it needs, none left over."""
    layer.load_state_dict(weights, strict=True)
    return layer.eval()


def assert_met(actual: Tensor, golden: Golden) -> None:
    torch.testing.assert_close(actual, golden.y, rtol=0, atol=1e-5)


def write(
    name: str,
    settings: dict[str, Any],
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    memory: Tensor | None = None,
    known: Tensor | None = None,
) -> None:
    FOLDER.mkdir(exist_ok=True)
    arrays = {key: value.numpy() for key, value in model.state_dict().items()}
    arrays |= {key: value.numpy() for key, value in {"memory": memory, "known": known}.items() if value is not None}
    np.savez_compressed(
        FOLDER / f"{name}.npz", settings=np.array(json.dumps(settings)), x=x.numpy(), y=y.numpy(), **arrays
    )


def series(seed: int, batch: int, length: int, n_variates: int) -> Tensor:
    """Draw windows whose levels and spreads differ from sample to sample and from variate to variate."""
    draw = torch.Generator().manual_seed(seed)
    level = torch.randn(batch, 1, n_variates, generator=draw)
    spread = 0.3 + torch.rand(batch, 1, n_variates, generator=draw)
    return level + spread * torch.randn(batch, length, n_variates, generator=draw)


@torch.no_grad()
def scatter_(model: nn.Module, seed: int) -> None:
    """Draw all parameters and running statistics anew: a zero bias or a unit scale would hide a wrong mapping."""
    draw = torch.Generator().manual_seed(seed)
    for name, tensor in model.state_dict().items():
        if tensor.ndim >= 2:
            tensor.copy_(tensor.shape[1] ** -0.5 * torch.randn(tensor.shape, generator=draw, dtype=tensor.dtype))
        elif name.endswith("running_var"):
            tensor.copy_(2 + 4 * torch.rand(tensor.shape, generator=draw))
        elif tensor.ndim == 1 and name.endswith("weight"):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=draw))
        elif tensor.ndim == 1:
            tensor.copy_(0.3 * torch.randn(tensor.shape, generator=draw))
