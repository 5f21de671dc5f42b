"""Any Darts model with deciles as a forecaster of a board."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.likelihood_models.torch import QuantileRegression
from einops import rearrange

from benchmarks.accuracy.protocol import quiet
from benchmarks.boards.board import DECILES, Item
from benchmarks.boards.plan import Plan
from benchmarks.boards.trial import Forecast
from benchmarks.core.device import on_processor
from darts_tsformers.adapter.callbacks import BestWeights

STEPS, STEPS_A_ROUND, PATIENCE = 2000, 100, 5
ROWS = 3e7
"""Rows of windows at most in all steps, so that long windows take no more than ten minutes."""
STEPS_UNWATCHED = 200
"""Steps where too few rows are there to validate on."""
LAST_RATE = 0.05
"""Of the first one, at the end of all steps."""


def batch_size(n_windows: int) -> int:
    """Return the windows of a step: fewer where there are few."""
    return min(max(n_windows // 20, 8), 64)


def most_steps(rows: int) -> int:
    """Return the steps of training where a step takes so many rows of windows."""
    return min(STEPS, int(ROWS / rows))


def build(kind: type[TorchForecastingModel], plan: Plan, horizon: int, seed: int, **arguments: Any) -> Any:
    """Return a model of the package at the sizes it starts from, to be trained by this plan."""
    batch = batch_size(plan.n_windows)
    steps = most_steps(batch * (plan.lookback + horizon)) if plan.validation else STEPS_UNWATCHED
    a_round = max(min(plan.n_windows // batch, STEPS_A_ROUND), 1)
    rounds = -(-steps // a_round)
    return kind(
        plan.lookback,
        horizon,
        **kind.starting_sizes(plan.lookback, plan.season, plan.n_windows),
        batch_size=batch,
        n_epochs=rounds,
        lr_scheduler_cls=torch.optim.lr_scheduler.ExponentialLR,
        lr_scheduler_kwargs={"gamma": LAST_RATE ** (1 / rounds)},
        likelihood=QuantileRegression(list(DECILES)),
        random_state=seed,
        pl_trainer_kwargs=trainer(a_round),
        **arguments,
    )


def trainer(n_steps: int) -> dict[str, Any]:
    """Return arguments of the trainer: so many steps a round, back to the weights of the lowest validation loss."""
    return quiet() | {
        "limit_train_batches": n_steps,
        "gradient_clip_val": 1.0,
        "callbacks": [BestWeights(PATIENCE)],
    }


def fit(
    model: TorchForecastingModel, training: Sequence[Item], plan: Plan, *, one_by_one: bool = False
) -> tuple[Forecast, dict[str, Any]]:
    """Train a model on all but the validation rows, and stop by those.

    Parameters
    ----------
    model
        With the deciles as its likelihood.
    training
        Rows before the first window.
    plan
        Which rows and windows to take.
    one_by_one
        Whether each component is a series of its own.

    Returns
    -------
    What forecasts, and how it was trained: look-back, stride, steps, processor seconds and best round.
    """
    scales = [_scale(item.target) for item in training]
    parts = _parts(training, scales, one_by_one=one_by_one)
    validated = {}
    if plan.validation:
        validated = {
            "val_series": [one.target[-plan.validation - plan.lookback :] for one in parts],
            "val_future_covariates": _known(parts),
        }
    start = time.process_time()
    with on_processor():
        model.fit(
            [one.target[: len(one.target) - plan.validation] for one in parts],
            future_covariates=_known(parts),
            stride=plan.stride,
            verbose=False,
            **validated,
        )
    made = {
        "lookback": plan.lookback,
        "stride": plan.stride,
        "steps": model.trainer.global_step,
        "processor seconds": time.process_time() - start,
        "best round": next((one.epoch for one in model.trainer.callbacks if isinstance(one, BestWeights)), None),
    }

    def forecast(histories: Sequence[Item]) -> np.ndarray:
        asked = _parts(histories, scales, one_by_one=one_by_one)
        with on_processor():
            found = model.predict(
                model.output_chunk_length,
                [one.target[-model.input_chunk_length :] for one in asked],
                future_covariates=_known(asked),
                predict_likelihood_parameters=True,
                verbose=False,
            )
        deciles = rearrange(
            np.stack([one.values() for one in found]), "(n p) h (c q) -> n h (p c) q", n=len(histories), q=len(DECILES)
        )
        return np.sort(deciles * np.stack(scales)[:, None, :, None], axis=-1)

    return forecast, made


def _scale(target: TimeSeries) -> np.ndarray:
    """Return the mean distance to the median, ``(C,)``; 1 where that is 0."""
    values = target.values(copy=False)
    spread = np.nanmean(np.abs(values - np.nanmedian(values, axis=0)), axis=0)
    return np.where(spread > 0, spread, 1.0)


def _parts(items: Sequence[Item], scales: Sequence[np.ndarray], *, one_by_one: bool) -> list[Item]:
    """Return what a model is shown, in units of the training part's spread and in single precision."""
    shown = [_shown(item, scale) for item, scale in zip(items, scales, strict=True)]
    if not one_by_one:
        return shown
    return [Item(one.target.univariate_component(name), one.known) for one in shown for name in one.target.components]


def _shown(item: Item, scale: np.ndarray) -> Item:
    target = item.target.with_values(item.target.values(copy=False)[..., None] / scale[:, None])
    return Item(target.astype(np.float32), None if item.known is None else item.known.astype(np.float32))


def _known(items: Sequence[Item]) -> list[TimeSeries] | None:
    return [item.known for item in items if item.known is not None] or None
