"""What gaps cost: ETTh1 with a fifth of its values taken out at random, against the complete file and interpolation.

By the protocol of the published tables; errors are against the *complete* test values.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.accuracy.models import MODELS
from benchmarks.accuracy.protocol import actual, forecasts, scores, train, with_gaps
from benchmarks.core import data
from benchmarks.core.trial import Trials

SHARE, HORIZON, SEED = 0.2, 96, 1
LOOKBACKS = {"PatchTST": 336, "iTransformer": 96}
WAYS = ["complete", "gaps", "gaps, interpolated first"]


def trial(model: str, way: str) -> dict[str, Any]:
    """Train and forecast with what a way leaves, and score against what was there."""
    complete = data.read("ETTh1")
    given = complete if way == "complete" else with_gaps(complete, SHARE)
    if way == "gaps, interpolated first":
        given = replace(given, frame=given.frame.interpolate(limit_direction="both"))
    made = MODELS[model](LOOKBACKS[model], HORIZON, SEED)
    train(made, given)
    return {"model": model} | scores(forecasts(made, given), actual(complete, HORIZON))


BENCHMARKS = [
    Trials(
        name="gaps",
        title="ETTh1 with a fifth of its values missing",
        cases={f"{model}, {way}": partial(trial, model, way) for model in LOOKBACKS for way in WAYS},
        note=f"Seed {SEED}.",
    )
]
