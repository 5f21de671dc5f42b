"""Training steps of whole networks: sizes shared by those that are compared, and the step itself.

One step is forward, mean squared error, backward and Adam, on the same series for all.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.core.figures import ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Size, Step

BATCH, TARGETS, HORIZON, LABEL = 4, 7, 96, 48
WIDTH, HEADS, WIDTH_FF, DROPOUT = 64, 4, 256, 0.05
ENCODER_LAYERS, DECODER_LAYERS = 2, 1
LENGTHS: Sequence[Size] = [{"length": length} for length in (1024, 2048, 4096, 8192, 16384, 32768)]
SIZES = (
    f"Batch {BATCH}, {TARGETS} targets, horizon {HORIZON}, label {LABEL}, d_model {WIDTH}, {HEADS} heads, d_ff "
    f"{WIDTH_FF}, {ENCODER_LAYERS} encoder layers, {DECODER_LAYERS} decoder layer, dropout {DROPOUT}."
)


def training_step(build: Callable[[int], nn.Module], *, length: int) -> Step:
    """Build a network for a length and return what trains it by one step."""
    network = build(length).train()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)
    past, future = (torch.randn(BATCH, n, TARGETS) for n in (length, HORIZON))

    def step() -> None:
        F.mse_loss(network(past), future).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def at_4096(
    case: str, other: str, *, time: float | None = None, memory: float | None = None, why: str = ""
) -> list[Goal]:
    """Return the goals that a case takes at most these shares of what the other takes."""
    bounds = {"time": time, "memory": memory}
    return [
        Goal(f"{case} / {other}, {what} at 4,096", ratio(what, case, other, length=4096), at_most=most, why=why)
        for what, most in bounds.items()
        if most is not None
    ]
