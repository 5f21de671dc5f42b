"""Training on a panel by several workers of Ray."""

import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.checks import require_at_least
from darts_tsformers.panels.fitting import LAST, Training, fit_panel
from darts_tsformers.panels.on_ray import packed, require_ray, unpacked
from darts_tsformers.panels.store import Panel

Model = TypeVar("Model", bound=TorchForecastingModel)


def fit_on_ray(
    model: Model,
    panel: Panel,
    *,
    storage_path: str | os.PathLike[str],
    num_workers: int = 2,
    use_gpu: bool = False,
    max_failures: int = 3,
    epochs: int | None = None,
    windows_per_epoch: int | None = None,
    stride: int = 1,
    validation: int = 0,
    seed: int = 0,
    verbose: bool = False,
) -> Model:
    """Train a model on a panel by several workers of Ray; needs ``darts-tsformers[ray]``.

    Each worker trains on its share of every batch, and the gradients are averaged (distributed data parallel): without
    dropout and batch normalisation, the result is that of :func:`fit_panel` with batches ``num_workers`` times as
    large. The state is saved after each epoch. If a worker is lost, all go on from there; so does the same call after
    it was stopped.

    Ray is started if it is not running. Call ``ray.init`` first to use a cluster.

    Parameters
    ----------
    model, panel, epochs, windows_per_epoch, stride, validation, seed, verbose
        As for :func:`fit_panel`. ``batch_size`` of the model is that of each worker. All machines read the panel from
        ``panel.path``: on a cluster that has to be in a folder that they share.
    storage_path
        Folder for the state of the training, ``checkpoints``, and the files of Ray, ``ray``. All machines write to it.
    num_workers
        Processes that train together.
    use_gpu
        Whether each has a GPU; otherwise each has a processor core. This takes the place of ``accelerator``,
        ``devices``, ``num_nodes`` and ``strategy`` of the model's ``pl_trainer_kwargs``.
    max_failures
        How often the training may lose workers or fail before the error is raised.

    Returns
    -------
    darts.models.forecasting.torch_forecasting_model.TorchForecastingModel
        The model, fitted, with its weights in the memory of this process.

    Raises
    ------
    ImportError
        If Ray is not installed.
    ValueError
        As :func:`fit_panel` does, before any worker is started.
    ray.train.TrainingFailedError
        If the training failed more than ``max_failures`` times.

    Examples
    --------
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.panels import Panel, fit_on_ray
    >>> model = fit_on_ray(PatchTSTModel(28, 7), Panel("shops"), storage_path="run", epochs=3)  # doctest: +SKIP
    >>> model.epochs_trained  # doctest: +SKIP
    3
    """
    require_ray()
    epochs = model.n_epochs if epochs is None else epochs
    require_at_least(1, epochs=epochs, num_workers=num_workers)
    require_at_least(0, max_failures=max_failures)
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    storage = Path(storage_path).absolute()
    checkpoints = storage / "checkpoints"
    how: dict[str, Any] = {
        "windows_per_epoch": windows_per_epoch,
        "stride": stride,
        "validation": validation,
        "checkpoints": checkpoints,
        "seed": seed,
    }
    training = Training(model, panel, num_workers=0, **how)
    work = {"model": packed(model), "panel": panel, "accelerator": "gpu" if use_gpu else "cpu"}
    work["how"] = how | {"epochs": epochs, "verbose": verbose}
    TorchTrainer(
        _train,
        train_loop_config=work,
        scaling_config=ScalingConfig(num_workers=num_workers, use_gpu=use_gpu),
        run_config=RunConfig(
            name="ray", storage_path=os.fspath(storage), failure_config=FailureConfig(max_failures=max_failures)
        ),
    ).fit()
    _restore(training, model, checkpoints / LAST)
    return model


def _train(work: dict[str, Any]) -> None:
    """Train in a worker."""
    from darts_tsformers.panels.ray_strategy import RayStrategy

    one_of_many = {"accelerator": work["accelerator"], "devices": 1, "num_nodes": 1, "strategy": RayStrategy()}
    fit_panel(unpacked(work["model"], **one_of_many), work["panel"], **work["how"])


def _restore(training: Training, model: TorchForecastingModel, last: Path) -> None:
    """Let a model go on from the end of a training, where nothing is left to do."""
    trained = torch.load(last, map_location="cpu", weights_only=False)["epoch"] + 1
    of_model = model.trainer_params
    model.trainer_params = of_model | {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto"}
    try:
        training.run(trained, verbose=False)
    finally:
        model.trainer_params = of_model
