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
from benchmarks.speed.peers import EQUAL, HORIZON, SIZES, TARGETS, Build, Sizes, Trainable, training_step
from benchmarks.speed.profiles import MODELS, SIZE


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
    """Compare the loss in bfloat16 with that in single precision, to two digits: a number there has not quite three."""
    quiet()
    module = placed(build, Sizes(SIZE["length"], SIZE["d_model"])).eval()
    past, future = (torch.randn(SIZE["batch"], n, TARGETS) for n in (SIZE["length"], HORIZON))
    single = module.loss(past, future)
    cast = in_bfloat16(lambda _: module, Sizes(SIZE["length"], SIZE["d_model"]))
    torch.testing.assert_close(cast.loss(past, future).float(), single, rtol=1e-2, atol=0)


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
