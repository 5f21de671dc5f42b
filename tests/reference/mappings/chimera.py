"""Chimera: the two-dimensional state space model, its closed loop and its selective layer."""

import torch
from torch import Tensor

from darts_tsformers.layers.recurrent.chimera import ChimeraLayer
from darts_tsformers.recurrence import two_dimensional_closed_loop, two_dimensional_scan
from tests.reference.files import Golden
from tests.reference.mapping import Mapping, Ours, with_weights


def companion(a: Tensor) -> Tensor:
    """Return the matrix with ones below the diagonal and ``a`` in its last column."""
    below = torch.eye(len(a), dtype=a.dtype)[:, 1:]
    return torch.cat([below, a[:, None]], dim=1)


def transitions(given: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Return the four transitions of one feature; those along time are diagonals of cells, or companion matrices."""
    if "A1" in given:
        return tuple(given[f"A{i}"][..., None, :] for i in range(1, 5))
    return companion(given["a1"])[None], 0.3 * companion(given["a2"])[None], given["A3"][None], given["A4"][None]


def run_core(golden: Golden) -> Ours:
    given = golden.inputs
    b1, b2, c1, c2 = (given[name][..., None, :] for name in ("B1", "B2", "C1", "C2"))
    x = given["x"][..., None, None]
    h1, h2 = two_dimensional_scan(transitions(given), (b1 * x, b2 * x))
    y = (c1 * h1 + c2 * h2).sum((-2, -1))
    return Ours({"y": y, "h1": h1.squeeze(-2), "h2": h2.squeeze(-2)})


CORE = Mapping(systems=("Chimera 2-D SSM core",), run=run_core)


def run_closed_loop(golden: Golden) -> Ours:
    given = golden.inputs
    b, c, k = ((given[f"{name}1"][None], given[f"{name}2"][None]) for name in "bck")
    y, next_inputs = two_dimensional_closed_loop(
        given["x"][..., None], golden.meta["H"], a=transitions(given), b=b, c=c, k=k
    )
    return Ours({"y": y.squeeze(-1), "next_inputs": next_inputs.squeeze(-1)})


CLOSED_LOOP = Mapping(systems=("Chimera closed loop (constant discrete parameters)",), run=run_closed_loop)


def run_layer(golden: Golden) -> Ours:
    meta = golden.meta
    layer = ChimeraLayer(
        meta["D"],
        meta["N"],
        bidirectional=meta["bidirectional"],
        coupling=meta["coupling"],
        input_zoh=meta["input_zoh"],
    )
    ours = {}
    for name, weight in golden.params.items():
        ours[name.replace("bwd.", "reverse.") if name.startswith("bwd.") else f"onward.{name}"] = weight
    with_weights(layer, ours)
    return Ours({"y": layer(golden.inputs["x"])})


LAYER = Mapping(systems=("Chimera selective 2-D SSM layer (diagonal, 2-D Mamba case)",), run=run_layer)
