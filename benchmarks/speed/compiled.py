"""What ``torch.compile`` makes of our models: inference and the training step.

The forecaster inside of the Lightning module is compiled in place, by the default backend, as the guide on compiling
does it. Compiling is part of the turn that warms up, and not of the figures.
"""

from collections.abc import Callable
from functools import partial

from benchmarks.core.figures import ratio
from benchmarks.core.goals import Goal
from benchmarks.core.speed import Speed
from benchmarks.speed._gates import by_model
from benchmarks.speed.peers import Build, Sizes, Trainable, inference, training_step
from benchmarks.speed.profiles import MODELS, SIZE


def compiled(build: Build, sizes: Sizes) -> Trainable:
    module = build(sizes)
    module.module.forecaster.compile()
    return module


def cases(step: Callable[..., object]) -> dict[str, Callable[..., object]]:
    ways = {"": lambda build: build, ", compiled": lambda build: partial(compiled, build)}
    return {name + said: partial(step, way(build)) for name, build in MODELS.items() for said, way in ways.items()}


BENCHMARKS = [
    Speed(
        name=f"compiled_{name}",
        title=f"torch.compile: {what}",
        cases=cases(step),
        sizes=[SIZE],
        checks=by_model(cases(step)),
        repeats=9,
        seconds=600,
        gigabytes=14,
        goals=[
            Goal(f"{model}, {what}: compiled / as it is", ratio("time", f"{model}, compiled", model), at_most=1.0)
            for model in MODELS
            if name == "inference"
        ],
        note=f"Compiling takes seconds to minutes, and again for a batch of another size. {said}",
    )
    for name, what, step, said in [
        ("inference", "inference", inference, "The goals are of inference, which is what it is offered for."),
        ("step", "training step", training_step, "There are no goals: the guide on speed says where it does not pay."),
    ]
]
