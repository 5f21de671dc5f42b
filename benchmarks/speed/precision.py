"""What a training step of our models costs in single precision, and where autocast makes products in bfloat16.

An accelerator has units for the latter; a processor without them is slower by it.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.core.speed import Speed
from benchmarks.speed._darts import quiet
from benchmarks.speed._gates import by_model
from benchmarks.speed._steps import placed
from benchmarks.speed.peers import EQUAL, HORIZON, SIZES, TARGETS, Build, Sizes, Trainable, training_step
from benchmarks.speed.profiles import MODELS, SIZE

CLOSE = 0.1


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
    sizes = Sizes(SIZE["length"], SIZE["d_model"])
    module = placed(build, sizes).eval()
    past, future = (torch.randn(SIZE["batch"], n, TARGETS) for n in (SIZE["length"], HORIZON))
    weights = [weight for weight in module.parameters() if weight.requires_grad]

    def found() -> list[Tensor]:
        forecast = module(past)
        gradients = torch.autograd.grad(F.mse_loss(forecast, future), weights, allow_unused=True)
        return [forecast.detach(), torch.cat([one.flatten() for one in gradients if one is not None])]

    single = found()
    with torch.autocast(past.device.type, torch.bfloat16):
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
