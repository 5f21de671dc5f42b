"""One recipe for all configurations and models. It chooses by validation rows before the first window alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.boards.board import Configuration, Item
from benchmarks.boards.fitting import build, fit
from benchmarks.boards.metrics import metrics
from benchmarks.boards.naive import seasonal_naive
from benchmarks.boards.plan import Plan, plan
from benchmarks.boards.trial import Forecast, Recipe, scored
from darts_tsformers import ITransformerModel, PatchTSTModel, TemporalFusionTransformerModel

NAIVE_SHARES = (0.0, 0.25, 0.5)
"""Shares that the seasonal naive may have in a forecast; the last one where there are no rows to validate on."""


def of_package(kind: Any, training: Sequence[Item], horizon: int, seed: int, **fitting: Any) -> tuple[Forecast, Any]:
    """Train a model of the package, never forecast less than ever was, and mix with the seasonal naive."""
    plans = plan(training, horizon)
    model = build(kind, plans, horizon, seed)
    trained, made = fit(model, training, plans, **fitting)
    forecast, chosen = mixed(floored(trained, training), training, plans, horizon)
    return forecast, made | chosen


def mixture(recipes: Sequence[Recipe], training: Sequence[Item], horizon: int, seed: int) -> tuple[Forecast, Any]:
    """Train several, and forecast the means of their deciles."""
    found = [recipe(training, horizon, seed) for recipe in recipes]

    def forecast(histories: Sequence[Item]) -> np.ndarray:
        return np.mean([one(histories) for one, _ in found], axis=0)

    return forecast, {"processor seconds": sum(made["processor seconds"] for _, made in found)}


def floored(forecast: Forecast, training: Sequence[Item]) -> Forecast:
    """Return a forecaster that stays at or above the lowest value of each column before the first window."""
    lowest = np.stack([np.nanmin(item.target.values(copy=False), axis=0) for item in training])

    def raised(histories: Sequence[Item]) -> np.ndarray:
        return np.maximum(forecast(histories), lowest[:, None, :, None])

    return raised


def mixed(forecast: Forecast, training: Sequence[Item], plans: Plan, horizon: int) -> tuple[Forecast, dict[str, float]]:
    """Return a mixture with the seasonal naive, with its share of the lowest validation loss, and both of these."""
    is_long = min(len(item.target) for item in training) >= 2 * plans.season + horizon
    season = plans.season if is_long else 1

    def mixture(share: float, histories: Sequence[Item]) -> np.ndarray:
        return (1 - share) * forecast(histories) + share * seasonal_naive(histories, horizon, season)

    validation = Configuration("validation", tuple, horizon, season, plans.validation // horizon)
    if not validation.n_windows:
        return partial(mixture, NAIVE_SHARES[-1]), {"share of naive": NAIVE_SHARES[-1]}
    losses = {one: metrics(scored(validation, training, partial(mixture, one)))["SQL"] for one in NAIVE_SHARES}
    share = min(losses, key=losses.__getitem__)
    return partial(mixture, share), {"share of naive": share, "validation SQL": losses[share]}


MEMBERS: dict[str, Recipe] = {
    "PatchTST": partial(of_package, PatchTSTModel),
    "iTransformer": partial(of_package, ITransformerModel),
    "TFT": partial(of_package, TemporalFusionTransformerModel, one_by_one=True),
}
MODELS = MEMBERS | {"mixture": partial(mixture, list(MEMBERS.values()))}
