"""What ``torch.compile`` makes of our models: inference and the training step.

The forecaster inside of the Lightning module is compiled in place, by the default backend, as the guide on compiling
does it. Compiling is part of the turn that warms up, and not of the figures.
"""

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.core.figures import ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed
from benchmarks.speed._darts import quiet
from benchmarks.speed._gates import by_model
from benchmarks.speed._steps import placed
from benchmarks.speed.peers import Build, Sizes, Trainable, forecast_and_gradients, inference, training_step
from benchmarks.speed.profiles import MODELS, SIZE


def compiled(build: Build, sizes: Sizes) -> Trainable:
    module = build(sizes)
    module.module.forecaster.compile()
    return module


def same_forecast(build: Build) -> None:
    """Compare a compiled model's forecast, and the gradients of its weights, with what they were before."""
    quiet()
    module = placed(build, Sizes(SIZE["length"], SIZE["d_model"])).eval()
    found = partial(forecast_and_gradients, module, batch=SIZE["batch"], length=SIZE["length"])
    forecast, gradients = found()
    largest = max(float(one.abs().max()) for one in gradients)
    module.module.forecaster.compile()
    compiled_forecast, compiled_gradients = found()
    pairs = [(compiled_forecast, forecast), *zip(compiled_gradients, gradients, strict=True)]
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * float(other.abs().max()) + 1e-6 * largest)


def cases(step: Callable[..., object]) -> dict[str, Callable[..., object]]:
    ways = {"": lambda build: build, ", compiled": lambda build: partial(compiled, build)}
    return {name + said: partial(step, way(build)) for name, build in MODELS.items() for said, way in ways.items()}


WHY = {
    "iTransformer": "To enter a compiled program takes 0.6 ms under PyTorch's profiler, in a trial that is not "
    "stored, of a forecast of not quite 2 ms; the loops that are compiled are hardly faster than the library's",
    "LogSparse": "The products stay what they were. The loops over distances that are compiled, 69% of a forecast "
    "under PyTorch's profiler in a trial that is not stored, are slower than ours, which go block by block as the "
    "cache holds",
}
BENCHMARKS = [
    Speed(
        name=f"compiled_{name}",
        title=f"torch.compile: {what}",
        cases=cases(step),
        sizes=[SIZE],
        checks=by_model(MODELS) | {f"{one}, compiled": partial(same_forecast, build) for one, build in MODELS.items()},
        repeats=9,
        seconds=600,
        gigabytes=14,
        goals=[
            Goal(f"{model}, {what}: compiled / as it is", ratio("time", f"{model}, compiled", model), at_most=1.0,
                 why=WHY.get(model, ""))
            for model in MODELS
            if name == "inference"
        ],
        note=f"Compiling takes seconds to minutes, and again for a batch of another size. {said}",
    )
    for name, what, step, said in [
        ("inference", "inference", inference, "The goals are of inference, which is what it is offered for."),
        ("step", "training step", training_step, "There are no goals: the guide on speed says where it does not pay."),
    ]
]  # fmt: skip
