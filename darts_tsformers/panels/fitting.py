"""Training on a panel."""

import os
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytorch_lightning as pl
import torch
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from pytorch_lightning.callbacks import Checkpoint
from torch.utils.data import DataLoader

from darts_tsformers.checks import require_at_least
from darts_tsformers.panels.batches import as_batch
from darts_tsformers.panels.datasets import PanelTrainingDataset
from darts_tsformers.panels.jobs import begin
from darts_tsformers.panels.models import kinds_for_training, note_names, require_windows, sizes_of
from darts_tsformers.panels.sampler import BlockSampler
from darts_tsformers.panels.store import Panel

LAST = "last.ckpt"
Model = TypeVar("Model", bound=TorchForecastingModel)


def fit_panel(
    model: Model,
    panel: Panel,
    *,
    epochs: int | None = None,
    windows_per_epoch: int | None = None,
    stride: int = 1,
    validation: int = 0,
    checkpoints: str | os.PathLike[str] | None = None,
    num_workers: int = 0,
    seed: int = 0,
    verbose: bool | None = None,
) -> Model:
    """Train a model on a panel, without a time series in memory.

    The devices, callbacks and other arguments of the trainer are those that the model was made with
    (``pl_trainer_kwargs``). Values are not scaled here: models with instance normalisation scale each window.

    Parameters
    ----------
    model
        A torch model of this package or of Darts, new or fitted. Covariates of the panel that it has no place for are
        left out, with a warning.
    panel
        To train on. A column of weights says how much each step counts.
    epochs
        How often; None for the model's ``n_epochs``.
    windows_per_epoch
        Windows drawn for an epoch, spread evenly over the panel, of all processes together; None for all there are.
    stride
        Steps between two windows of a series.
    validation
        Steps at the end of each series to validate on after each epoch; no window to train on reaches into them.
        0 for no validation.
    checkpoints
        Folder for the state after each epoch, from which the same call goes on after it was stopped; with the same
        result as if it had not been. None for none.
    num_workers
        Processes that cut windows beside the training.
    seed
        Of the first weights, the order of windows and all that is drawn in training.
    verbose
        Whether to show progress; None to leave that to the trainer.

    Returns
    -------
    darts.models.forecasting.torch_forecasting_model.TorchForecastingModel
        The model, fitted.

    Raises
    ------
    ValueError
        If the model needs more than windows, no series is long enough for one, an argument breaks its rule, or
        ``checkpoints`` holds the state of another training.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.panels import Panel, fit_panel
    >>> table = pd.DataFrame({"id": np.repeat([1, 2], 40), "t": [*range(40)] * 2, "y": np.sin(np.arange(80.0))})
    >>> panel = Panel.from_pandas(table, id="id", time="t", target="y")
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    >>> model = PatchTSTModel(12, 3, d_model=8, n_heads=2, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> fit_panel(model, panel, validation=3).epochs_trained
    1
    """
    epochs = model.n_epochs if epochs is None else epochs
    require_at_least(1, epochs=epochs)
    training = Training(
        model,
        panel,
        windows_per_epoch=windows_per_epoch,
        stride=stride,
        validation=validation,
        checkpoints=checkpoints,
        num_workers=num_workers,
        seed=seed,
    )
    training.run(epochs, verbose)
    return model


class Training:
    """The training of a model on a panel. Making one checks what is asked for, and begins the folder of checkpoints.

    Parameters
    ----------
    model, panel, windows_per_epoch, stride, validation, checkpoints, num_workers, seed
        See :func:`fit_panel`.
    """

    def __init__(
        self,
        model: TorchForecastingModel,
        panel: Panel,
        *,
        windows_per_epoch: int | None,
        stride: int,
        validation: int,
        checkpoints: str | os.PathLike[str] | None,
        num_workers: int,
        seed: int,
    ) -> None:
        require_windows(model)
        require_at_least(0, validation=validation, num_workers=num_workers)
        self._model, self._panel, self._seed = model, panel, seed
        sizes, kinds = sizes_of(model), kinds_for_training(model, panel)
        self._training = PanelTrainingDataset(panel, sizes, stride=stride, leave_out=validation, kinds=kinds)
        self._validating = (
            PanelTrainingDataset(panel, sizes, stride=stride, last=validation, kinds=kinds) if validation > 0 else None
        )
        self._data = PanelDataModule(
            self._training,
            self._validating,
            model.batch_size,
            windows=windows_per_epoch,
            num_workers=num_workers,
            seed=seed,
        )
        self._last = None if checkpoints is None else Path(checkpoints) / LAST
        facts: dict[str, Any] = {
            "windows_per_epoch": windows_per_epoch,
            "stride": stride,
            "validation": validation,
            "seed": seed,
        }
        facts |= {"panel": panel.schema.checksum, "model": type(model).__name__, "sizes": asdict(sizes)}
        if self._last is not None:
            begin(self._last.parent, facts)

    def run(self, epochs: int, verbose: bool | None) -> None:
        """Train up to a number of epochs, on from the last that was saved."""
        model = self._model
        with getattr(model, "_lock", nullcontext()), torch.random.fork_rng():
            torch.manual_seed(self._seed)
            note_names(model, self._panel)
            trainer = self._trainer(epochs, verbose)
            found = model._setup_for_train(self._training, self._validating, trainer=trainer)
            if self._last is not None:
                model.load_ckpt_path = os.fspath(self._last) if self._last.is_file() else None
            model._train(**found | {"datamodule": self._data})

    def _trainer(self, epochs: int, verbose: bool | None) -> pl.Trainer:
        params = dict(self._model.trainer_params)
        callbacks = [*(params.get("callbacks") or []), SeededSteps(self._seed)]
        if self._last is not None:
            callbacks.append(KeepLast(self._last))
            params["enable_checkpointing"] = True
        if verbose is not None:
            params |= {"enable_progress_bar": verbose, "enable_model_summary": verbose}
        return self._model._init_trainer(params | {"callbacks": callbacks}, max_epochs=epochs)


class PanelDataModule(pl.LightningDataModule):
    """The loaders of a training.

    Parameters
    ----------
    training, validating
        Windows to train and, if any, to validate on.
    batch_size
        Windows of a batch, in each process.
    windows
        Of an epoch; None for all.
    num_workers
        Processes that cut them; 0 for this one.
    seed
        Of their order.
    """

    def __init__(
        self,
        training: PanelTrainingDataset,
        validating: PanelTrainingDataset | None,
        batch_size: int,
        *,
        windows: int | None,
        num_workers: int,
        seed: int,
    ) -> None:
        super().__init__()
        self._training, self._validating = training, validating
        self._windows, self._seed = windows, seed
        self._how: dict[str, Any] = {"batch_size": batch_size, "num_workers": num_workers, "collate_fn": as_batch}
        BlockSampler(training, windows)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return the batches to train on, of this process."""
        trainer = self.trainer
        sampler = BlockSampler(
            self._training,
            self._windows,
            seed=self._seed,
            num_replicas=trainer.world_size,
            rank=trainer.global_rank,
        )
        return DataLoader(self._training, sampler=sampler, **self._how)

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return the batches to validate on, in the order of the panel."""
        return [] if self._validating is None else DataLoader(self._validating, **self._how)


class SeededSteps(pl.Callback):
    """Lets what is drawn in a step depend on its number alone, so that a training may go on from any.

    Parameters
    ----------
    seed
        Another one gives other draws.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Seed the step; each process draws its own."""
        entropy = [self._seed, trainer.current_epoch, batch_idx, trainer.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))


class KeepLast(Checkpoint):
    """Saves the state of a training after each epoch, in place of the one before.

    Parameters
    ----------
    path
        Of the file, which is there as a whole or not at all.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save. All processes take part, and the first writes."""
        part = self._path.with_name(f".{self._path.name}.part")
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:
            os.replace(part, self._path)
