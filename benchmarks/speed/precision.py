"""What a training step of our models costs in single precision, and where autocast makes products in bfloat16.

An accelerator has units for the latter; a processor without them is slower by it.
"""

from functools import partial

import torch
from torch import Tensor

from benchmarks.core.speed import Speed
from benchmarks.speed._darts import quiet
from benchmarks.speed._gates import by_model
from benchmarks.speed._steps import placed
from benchmarks.speed.peers import EQUAL, SIZES, Build, Sizes, Trainable, forecast_and_gradients, training_step
from benchmarks.speed.profiles import MODELS, SIZE

CLOSE = 0.1
"""Largest distance to single precision, as a share of the norm: Autoformer, whose delays may change, has 0.06."""


def in_bfloat16(build: Build, sizes: Sizes) -> Trainable:
    """Cast as a trainer of Lightning does with ``precision="bf16-mixed"``: forward and loss, not the optimiser."""
    module = build(sizes)
    original = module.loss

    def loss(past: Tensor, future: Tensor) -> Tensor:
        with torch.autocast(past.device.type, torch.bfloat16):
            return original(past, future)

    module.loss = loss
    return module


def close(build: Build) -> None:
    """Compare forecast and gradients in bfloat16, where a number has not quite three digits, with single precision."""
    quiet()
    module = placed(build, Sizes(SIZE["length"], SIZE["d_model"])).eval()

    def found() -> list[Tensor]:
        forecast, gradients = forecast_and_gradients(module, batch=SIZE["batch"], length=SIZE["length"])
        return [forecast, torch.cat([one.flatten() for one in gradients])]

    single = found()
    with torch.autocast(single[0].device.type, torch.bfloat16):
        cast = found()
    for one, other in zip(cast, single, strict=True):
        away = float((one - other).norm() / other.norm())
        if not away <= CLOSE:
            raise AssertionError(f"bfloat16 is {away:.3g} away, as a share of the norm, at most {CLOSE:g} allowed")


CASES = {name: partial(training_step, build) for name, build in MODELS.items()} | {
    f"{name}, bf16": partial(training_step, partial(in_bfloat16, build)) for name, build in MODELS.items()
}
BENCHMARKS = [
    Speed(
        name="precision_step",
        title="Single precision and bfloat16: training step",
        cases=CASES,
        checks=by_model(MODELS) | {f"{name}, bf16": partial(close, build) for name, build in MODELS.items()},
        sizes=SIZES,
        repeats=5,
        seconds=600,
        gigabytes=14,
        note=EQUAL,
    )
]
