"""What one case does: train the encoder on a task and score it, or measure what a training step takes."""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from benchmarks.core.memory import tensor_megabytes
from benchmarks.core.process import timed
from benchmarks.longrange.encoder import SmallEncoder
from benchmarks.longrange.tasks import TASKS, Batch, Task, horizon, noise
from darts_tsformers.attention import AttentionLike

BATCH, STEPS, RATE = 4, 300, 1e-2
"""Of training: windows a step, all of them new, and the highest learning rate of a cycle."""
TESTED = 64
"""Windows that are scored."""
EXACT = "full"
"""What a step takes is measured beside."""
TURNS = 5
"""Of either, one after the other: the middle one of the ratios is the time."""
SEED = 1


def error(attention: AttentionLike, task: str, length: int, *, causal: bool) -> dict[str, Any]:
    """Train, and return the mean squared error as a share of the variance of what was to be forecast."""
    make = TASKS[task]
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network = encoder(attention, make, length, causal=causal)
        train(network, make, length)
    given, actual = _tensors(make(np.random.default_rng([SEED, 1]), TESTED, length))
    network.eval()
    with torch.no_grad():
        forecast = torch.cat([_forecast(network, part) for part in given.split(BATCH)])
    return {"error": float((forecast - actual).square().mean() / actual.var(correction=0))}


def cost(attention: AttentionLike, length: int, *, causal: bool) -> dict[str, Any]:
    """Return the processor time of a step of training as a share of what it is with exact attention, and its memory."""
    ours, exact = (one_step(one, length, causal=causal) for one in (attention, EXACT))
    ours()
    exact()
    time = statistics.median(timed(ours, "cpu")[1] / timed(exact, "cpu")[1] for _ in range(TURNS))
    return {"time": time, "megabytes": tensor_megabytes(ours)}


def one_step(attention: AttentionLike, length: int, *, causal: bool) -> Callable[[], None]:
    """Return what takes the same step of training each time it is called."""
    network = encoder(attention, noise, length, causal=causal)
    batch = noise(np.random.default_rng(SEED), BATCH, length)
    return partial(step, network, AdamW(network.parameters()), batch)


def encoder(attention: AttentionLike, make: Task, length: int, *, causal: bool) -> SmallEncoder:
    """Build the encoder for the channels of a task."""
    n_channels = make(np.random.default_rng(SEED), 1, length)[0].shape[2]
    return SmallEncoder(n_channels, length, attention, causal=causal)


def train(network: SmallEncoder, make: Task, length: int) -> None:
    """Take all steps of AdamW, each on new windows."""
    random = np.random.default_rng([SEED, 0])
    optimizer = AdamW(network.parameters(), weight_decay=0.0)
    schedule = OneCycleLR(optimizer, RATE, total_steps=STEPS)
    for _ in range(STEPS):
        step(network, optimizer, make(random, BATCH, length))
        schedule.step()


def step(network: SmallEncoder, optimizer: Optimizer, batch: Batch) -> None:
    """Take a step of training."""
    given, actual = _tensors(batch)
    loss = (_forecast(network, given) - actual).square().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimizer.step()


def _forecast(network: SmallEncoder, given: Tensor) -> Tensor:
    return network(given)[:, -horizon(given.shape[1]) :]


def _tensors(batch: Batch) -> tuple[Tensor, Tensor]:
    given, actual = batch
    return torch.from_numpy(given).float(), torch.from_numpy(actual).float()
