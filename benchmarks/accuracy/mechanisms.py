"""The mechanisms on real data: each in two models that look back far on ETTm1, all trained alike and briefly."""

import math
from functools import partial
from typing import Any

import numpy as np

from benchmarks.accuracy.models import Build, encoders, of, trained_by
from benchmarks.accuracy.protocol import actual, forecasts, repeated, scores, train
from benchmarks.core import data
from benchmarks.core.figures import by_model
from benchmarks.core.goals import Figures
from benchmarks.core.tables import number, table
from benchmarks.core.trial import Trials
from darts_tsformers import InformerModel, PatchTSTModel
from darts_tsformers.attention import attention_names

LOOKBACK, HORIZON, SEASON, SEED = 1440, 96, 96, 1
NAIVE = "last season"
TRAINED, TESTED = 32, 24
"""Steps between two windows."""
SIZES: dict[str, Any] = {"d_model": 16, "n_heads": 2, "d_ff": 64, "n_encoder_layers": 2}
BRIEFLY = trained_by(3e-3, 0.3, batch=8, epochs=2)
MODELS: dict[str, Build] = {
    "PatchTST": of(PatchTSTModel, residual_attention=False, **SIZES, **BRIEFLY),
    "Informer": of(InformerModel, use_instance_norm=True, **encoders("hour", "dayofweek"), **SIZES, **BRIEFLY),
}


def trial(model: str, attention: str) -> dict[str, Any]:
    """Train a model with a mechanism, and score it."""
    given = data.read("ETTm1")
    made = MODELS[model](LOOKBACK, HORIZON, SEED, attention=attention)
    trained = train(made, given, TRAINED)
    return {"model": model, "attention": attention} | errors(forecasts(made, given, stride=TESTED), given) | trained


def naive() -> dict[str, Any]:
    """Score the last season again and again."""
    given = data.read("ETTm1")
    return {"model": NAIVE, "attention": ""} | errors(repeated(given, HORIZON, SEASON)[::TESTED], given)


def errors(forecast: np.ndarray, given: data.DataSet) -> dict[str, Any]:
    """Score against what came."""
    found = scores(forecast, actual(given, HORIZON)[::TESTED])
    return {name: found[name] for name in ("windows", "mse", "mae")}


def summary(figures: Figures) -> str:
    """Lay out a row a mechanism, the lowest error of the first model first, and the naive forecast."""
    by_attention: dict[str, dict[str, float]] = {}
    for model, results in by_model(figures).items():
        for one in results:
            by_attention.setdefault(one["attention"], {})[model] = one["mse"]
    naive = by_attention.pop("", {}).get(NAIVE)
    first, *_ = MODELS
    rows = [
        [name, *(number(found.get(model)) for model in MODELS)]
        for name, found in sorted(by_attention.items(), key=lambda one: one[1].get(first, math.inf))
    ]
    return table(
        ["mechanism", *(f"{model}, MSE" for model in MODELS)], [*rows, [NAIVE, *[number(naive)] * len(MODELS)]]
    )


NOTE = (
    f"Errors on the standardised scale, {HORIZON} steps ahead, on one test window in {TESTED}. All are trained alike: "
    f"two epochs of one window in {TRAINED}, 258 steps in batches of 8, with seed {SEED}, at width {SIZES['d_model']}. "
    "That is a small part of what the published tables take: figures compare with each other alone. PatchTST attends "
    "to 180 patches of 16 steps, Informer to single steps; Informer normalises each window and sees the calendar "
    "(hour, dayofweek)."
)
BENCHMARKS = [
    Trials(
        name="mechanisms_ETTm1",
        title=f"Every mechanism on ETTm1, looking back {LOOKBACK:,} steps",
        cases={NAIVE: naive}
        | {f"{model}, {name}": partial(trial, model, name) for model in MODELS for name in attention_names()},
        summary=summary,
        seconds=1800,
        note=NOTE,
    )
]
