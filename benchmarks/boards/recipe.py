"""One recipe for all configurations and models. It chooses by validation rows before the first window alone."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.boards.board import Configuration, Item
from benchmarks.boards.fitting import build, fit
from benchmarks.boards.metrics import metrics, sums
from benchmarks.boards.naive import seasonal_naive
from benchmarks.boards.plan import Plan, plan
from benchmarks.boards.trial import Forecast, Recipe
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
    """Mix with the seasonal naive by the share that has the lowest validation loss; return that and the loss too."""
    is_long = min(len(item.target) for item in training) >= 2 * plans.season + horizon
    season = plans.season if is_long else 1

    def mixture(share: float, histories: Sequence[Item]) -> np.ndarray:
        return blend(share, forecast(histories), seasonal_naive(histories, horizon, season))

    validation = Configuration("validation", tuple, horizon, season, plans.validation // horizon)
    if not validation.n_windows:
        return partial(mixture, NAIVE_SHARES[-1]), {"share of naive": NAIVE_SHARES[-1]}
    windows = list(validation.windows(training))
    both = [(forecast(one.histories), seasonal_naive(one.histories, horizon, season)) for one in windows]
    losses = {
        share: metrics([sums(one, blend(share, *pair), season) for one, pair in zip(windows, both, strict=True)])["SQL"]
        for share in NAIVE_SHARES
    }
    best = min(losses, key=losses.__getitem__)
    return partial(mixture, best), {"share of naive": best, "validation SQL": losses[best]}


def blend(share: float, ours: np.ndarray, naive: np.ndarray) -> np.ndarray:
    """Return the mean of two forecasts, decile by decile, with a share of the naive one."""
    return (1 - share) * ours + share * naive


MEMBERS: dict[str, Recipe] = {
    "PatchTST": partial(of_package, PatchTSTModel),
    "iTransformer": partial(of_package, ITransformerModel),
    "TFT": partial(of_package, TemporalFusionTransformerModel, one_by_one=True),
}
MODELS = MEMBERS | {"mixture": partial(mixture, list(MEMBERS.values()))}
