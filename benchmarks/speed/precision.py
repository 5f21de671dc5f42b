"""What a training step of our models costs in single precision, and where autocast makes products in bfloat16.

An accelerator has units for the latter; a processor without them is slower by it.
"""

from functools import partial

import torch
from torch import Tensor

from benchmarks.core.speed import Speed
from benchmarks.speed._gates import by_model
from benchmarks.speed.peers import EQUAL, SIZES, Build, Sizes, Trainable, training_step
from benchmarks.speed.profiles import MODELS


def in_bfloat16(build: Build, sizes: Sizes) -> Trainable:
    """Cast as a trainer of Lightning does with ``precision="bf16-mixed"``: forward and loss, not the optimiser."""
    module = build(sizes)
    original = module.loss

    def loss(past: Tensor, future: Tensor) -> Tensor:
        with torch.autocast(past.device.type, torch.bfloat16):
            return original(past, future)

    module.loss = loss
    return module


CASES = {name: partial(training_step, build) for name, build in MODELS.items()} | {
    f"{name}, bf16": partial(training_step, partial(in_bfloat16, build)) for name, build in MODELS.items()
}
BENCHMARKS = [
    Speed(
        name="precision_step",
        title="Single precision and bfloat16: training step",
        cases=CASES,
        checks=by_model(CASES),
        sizes=SIZES,
        repeats=5,
        seconds=600,
        gigabytes=14,
        note=EQUAL,
    )
]
