"""Training with early stopping, in memory: no checkpoints, no logs, nothing left in the working directory."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytorch_lightning as pl
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression, TorchLikelihood
from tqdm.auto import tqdm

from darts_tsformers.adapter.callbacks import BestWeights, DivergedError, validation_loss
from darts_tsformers.catalogue import forecasters
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Table

_ONE_DEVICE = {"accelerator": "auto", "devices": 1, "enable_progress_bar": False, "enable_model_summary": False}

_WORK_DIR = "darts_logs"
"""Darts' default is an absolute path, which the saved model would tell to whoever gets it."""


@dataclass(frozen=True)
class Trained:
    """A trained model.

    Attributes
    ----------
    model
        Fitted, with the weights of the lowest validation loss.
    loss
        Lowest validation loss.
    epochs
        Epochs after which it was lowest.
    """

    model: TorchForecastingModel
    loss: float
    epochs: int


def train(table: Table, settings: Settings, *, verbose: bool = False) -> Trained:
    """Build the model and train it on the rows before the validation.

    Parameters
    ----------
    table
        Scaled series.
    settings
        What to build and how long to train it.
    verbose
        Whether to show a progress bar on stderr.

    Raises
    ------
    DataError
        If the validation loss was never finite.
    """
    split = settings.split
    return train_on(
        settings,
        {
            "series": table.target[: split.validation_start],
            "val_series": table.target[split.validation_start - settings.lookback : split.test_start],
            **covariates(table.past_covariates, table.future_covariates),
        },
        verbose=verbose,
    )


def train_again(table: Table, settings: Settings, epochs: int, *, verbose: bool = False) -> TorchForecastingModel:
    """Build the model and train it on all rows, for as many epochs as were best on a part of them."""
    data = {
        "series": table.target,
        "past_covariates": table.past_covariates,
        "future_covariates": table.future_covariates,
    }
    return train_on(replace(settings, epochs=epochs), data, verbose=verbose).model


def covariates(past: Any, future: Any) -> dict[str, Any]:
    """Return the arguments of ``fit`` for covariates that serve training and validation."""
    given = {"past_covariates": past, "future_covariates": future}
    return given | {f"val_{name}": series for name, series in given.items()}


def train_on(settings: Settings, data: Mapping[str, Any], *, verbose: bool = False) -> Trained:
    """Build the model and train it on one series or several: ``data`` are arguments of its ``fit``.

    It raises the errors of :func:`train`.
    """
    model = build(settings, settings.model_arguments)
    best = BestWeights(settings.patience)
    callbacks: list[pl.Callback] = [best, *([EpochBar()] if verbose else [])]
    trainer = pl.Trainer(
        **_ONE_DEVICE,
        max_epochs=settings.epochs,
        limit_train_batches=settings.steps_per_epoch,
        gradient_clip_val=1.0,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
    )
    try:
        model.fit(**data, trainer=trainer)
    except DivergedError as error:
        raise DataError(str(error)) from None
    return Trained(model, best.loss, best.epoch)


def build(settings: Settings, arguments: Mapping[str, Any]) -> TorchForecastingModel:
    """Return the model before it is trained, with further arguments of its class."""
    given = {
        "input_chunk_length": settings.lookback,
        "output_chunk_length": settings.horizon,
        "n_epochs": settings.epochs,
        "likelihood": _likelihood(settings),
        "random_state": settings.seed,
        "pl_trainer_kwargs": dict(_ONE_DEVICE),
        "work_dir": _WORK_DIR,
    }
    model: TorchForecastingModel = forecasters()[settings.model].load()(**given | dict(arguments))
    return model


def _likelihood(settings: Settings) -> TorchLikelihood | None:
    if not settings.quantiles or forecasters()[settings.model].load().network_class.draws_paths:
        return None
    return GaussianLikelihood() if settings.needs_paths else QuantileRegression(list(settings.quantiles))


class EpochBar(pl.Callback):
    """One progress bar on stderr over the epochs."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar."""
        self._bar = tqdm(total=trainer.max_epochs, desc="training", unit="epoch", leave=False)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the loss."""
        self._bar.set_postfix(val_loss=f"{validation_loss(trainer):.4f}", refresh=False)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Advance the bar by an epoch."""
        self._bar.update()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar before anything is said about the exception."""
        self._bar.close()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        self._bar.close()
