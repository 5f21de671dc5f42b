"""Train one candidate, until it is no longer worth it or time is up."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytorch_lightning as pl
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.adapter.callbacks import BestWeights, validation_loss
from darts_tsformers.catalogue import forecasters
from darts_tsformers.tuning.task import Task
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.training import build

if TYPE_CHECKING:
    import optuna

_N_PATHS = 100


@dataclass(frozen=True)
class Fitted:
    """A trained candidate.

    Attributes
    ----------
    model
        With the weights of the lowest validation loss.
    epochs
        Epochs after which it was lowest; at least 1.
    is_pruned
        Whether training was broken off because others were better after as many epochs.
    """

    model: TorchForecastingModel
    epochs: int
    is_pruned: bool


def fit(task: Task, settings: Settings, deadline: float, trial: "optuna.Trial", *, may_prune: bool) -> Fitted:
    """Train on the rows before the validation windows.

    Parameters
    ----------
    task
        What to forecast.
    settings
        What to build.
    deadline
        Reading of ``perf_counter`` at which training ends with what was learnt by then.
    trial
        Hears of the loss of each epoch; the loss of a network that draws paths is of another kind, and not told.
    may_prune
        Whether the trial decides whether to go on.
    """
    best, halving = BestWeights(settings.patience), Halving(trial, may_prune=may_prune)
    has_own_loss = forecasters()[settings.model].load().network_class.draws_paths
    watching: list[pl.Callback] = [best, Deadline(deadline), *([] if has_own_loss else [halving])]
    data = task.training_data(settings.lookback)
    model = build(settings, settings.model_arguments).fit(
        **data, trainer=_trainer(task, settings, settings.epochs, watching)
    )
    return Fitted(model, max(best.epoch, 1), halving.is_pruned)


def refit(task: Task, settings: Settings, epochs: int) -> TorchForecastingModel:
    """Train on all rows, for as many epochs as were best on a part of them."""
    model = build(settings, settings.model_arguments)
    return model.fit(**task.all_data(), trainer=_trainer(task, settings, epochs, []))


def error(task: Task, settings: Settings, model: TorchForecastingModel) -> float:
    """Forecast all validation windows, and judge the medians where there are quantiles."""
    how: dict[str, Any] = {}
    if settings.quantiles and settings.needs_paths:
        how = {"num_samples": _N_PATHS, "random_state": settings.seed}
    elif settings.quantiles:
        how = {"predict_likelihood_parameters": True}
    forecasts = model.predict(task.horizon, **task.histories(), verbose=False, **how)
    return task.error([_median(one, task.typical, settings.quantiles) for one in forecasts])


def _median(forecast: TimeSeries, target: TimeSeries, quantiles: Sequence[float]) -> TimeSeries:
    """Return a point forecast as it is, of paths the median, and of quantiles side by side the one of 0.5."""
    if forecast.is_stochastic:
        return forecast.quantile(0.5)
    if not quantiles:
        return forecast
    values = forecast.values(copy=False).reshape(len(forecast), target.n_components, len(quantiles))
    median = values[..., list(quantiles).index(0.5)]
    return TimeSeries.from_times_and_values(forecast.time_index, median, columns=target.components)


def _trainer(task: Task, settings: Settings, epochs: int, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        precision="64-true" if task.series[0].dtype == np.float64 else "32-true",
        accelerator="auto",
        devices=1,
        max_epochs=epochs,
        limit_train_batches=settings.steps_per_epoch,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


class Halving(pl.Callback):
    """Tell a trial the lowest validation loss so far after each epoch; stop when it says so, if it may."""

    def __init__(self, trial: "optuna.Trial", *, may_prune: bool) -> None:
        self.trial = trial
        self.may_prune = may_prune
        self.is_pruned = False
        self._lowest = float("inf")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Ask whether to go on."""
        self._lowest = min(self._lowest, validation_loss(trainer))
        self.trial.report(self._lowest, trainer.current_epoch)
        self.is_pruned = self.may_prune and self.trial.should_prune()
        trainer.should_stop = trainer.should_stop or self.is_pruned


class Deadline(pl.Callback):
    """Stop when time is up."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Look at the clock."""
        trainer.should_stop = trainer.should_stop or perf_counter() >= self.deadline
