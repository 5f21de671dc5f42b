"""Steps of training and of inference, on the default device, and what whole networks that are compared share.

Their step is forward, mean squared error, backward and Adam, on the same series for all.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from benchmarks.core.device import on_processor
from benchmarks.core.figures import ratio
from benchmarks.core.goals import Goal
from benchmarks.core.products import all_of, floor
from benchmarks.core.speed import Build, Size, Step

BATCH, TARGETS, HORIZON, LABEL = 4, 7, 96, 48
WIDTH, HEADS, WIDTH_FF, DROPOUT = 64, 4, 256, 0.05
ENCODER_LAYERS, DECODER_LAYERS = 2, 1
LENGTHS: Sequence[Size] = [{"length": length} for length in (1024, 2048, 4096, 8192, 16384, 32768)]
SIZES = (
    f"Batch {BATCH}, {TARGETS} targets, horizon {HORIZON}, label {LABEL}, d_model {WIDTH}, {HEADS} heads, d_ff "
    f"{WIDTH_FF}, {ENCODER_LAYERS} encoder layers, {DECODER_LAYERS} decoder layer, dropout {DROPOUT}. All step with "
    "plain Adam, where fit has a fused one for ours."
)

WRITTEN_HERE = (
    "What is called published, or the reference way, is written here after papers and public code; it is not the "
    "authors' files. Nothing is timed before it agrees with its definition: ours and the other with the same one, "
    "unless it is said where they differ."
)
LARGE_TENSORS = (
    "From 32 MiB on the C library gives the memory of a tensor back to the system and takes it anew, page by page, at "
    "every step"
)
"""Why times grow faster at the end of the longest look-backs."""
KEYS_DRAWN = (
    "ProbSparse as published draws keys for each query anew, ours draws one sample for all of them: each agrees with "
    "its own definition."
)
DELAYS_CHOSEN = (
    "Auto-Correlation as published chooses one set of delays for a whole batch in training, ours one for each."
)


def placed(build: Callable[..., nn.Module], *args: Any) -> Any:
    """Build a module on the processor, as Darts does, and take it to the default device."""
    with on_processor():
        module = build(*args)
    return module.to(torch.get_default_device())


def train(loss: Callable[[], Tensor], optimizer: Optimizer) -> Step:
    """Return what takes a step of training: forward, backward, optimiser."""

    def step() -> None:
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()

    return step


def forecast(module: nn.Module, given: object) -> Step:
    """Return what forecasts, without gradients."""
    return torch.no_grad()(partial(module, given))


def products_alone(build: Build, **size: int) -> Step:
    """Return what makes the matrix products of a step, on fresh tensors, and nothing else."""
    return floor(all_of(build(**size)))


def training_step(build: Callable[[int], nn.Module], *, length: int) -> Step:
    """Build a network for a length and return what trains it by one step."""
    network = placed(build, length).train()
    past, future = (torch.randn(BATCH, n, TARGETS) for n in (length, HORIZON))
    return train(lambda: F.mse_loss(network(past), future), Adam(network.parameters(), lr=1e-4))


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
