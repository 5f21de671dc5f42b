"""The arguments every model passes on to Darts: their types, their defaults and their documentation, once."""

from typing import Any, TypedDict

import torch
import torchmetrics
from darts.utils.likelihood_models.torch import TorchLikelihood


class DartsArguments(TypedDict, total=False):
    """Keyword arguments of Darts' torch models."""

    batch_size: int
    n_epochs: int
    loss_fn: torch.nn.Module
    likelihood: TorchLikelihood | None
    torch_metrics: torchmetrics.Metric | torchmetrics.MetricCollection | None
    optimizer_cls: type[torch.optim.Optimizer]
    optimizer_kwargs: dict[str, Any] | None
    lr_scheduler_cls: type[torch.optim.lr_scheduler.LRScheduler] | None
    lr_scheduler_kwargs: dict[str, Any] | None
    use_reversible_instance_norm: bool | dict[str, Any]
    add_encoders: dict[str, Any] | None
    random_state: int | None
    pl_trainer_kwargs: dict[str, Any] | None
    enable_finetuning: bool | dict[str, list[str]] | None
    model_name: str | None
    work_dir: str
    log_tensorboard: bool
    nr_epochs_val_period: int
    force_reset: bool
    save_checkpoints: bool
    show_warnings: bool


DOCS: dict[str, str] = {
    "batch_size": "Windows per training step.",
    "n_epochs": "Passes over the training windows.",
    "loss_fn": "Loss of a point forecast; a likelihood brings its own. Default: mean squared error.",
    "likelihood": (
        "A Darts likelihood for a probabilistic forecast, ``QuantileRegression`` included; None for a point forecast, "
        "which is the same each time it is asked for."
    ),
    "torch_metrics": "Metrics logged while training and validating.",
    "optimizer_cls": "Class of the optimizer. Default: Adam.",
    "optimizer_kwargs": 'Its arguments, such as ``{"lr": 1e-3}``.',
    "lr_scheduler_cls": "Class of a learning-rate scheduler, if one is wanted.",
    "lr_scheduler_kwargs": "Its arguments.",
    "use_reversible_instance_norm": (
        "Darts' own instance normalisation, outside ours; rarely of use together with it. It adds an absolute 1e-5 to "
        "the variance, so that forecasts of data in small units turn to the mean."
    ),
    "add_encoders": "Covariates that Darts derives from the time index.",
    "random_state": "Seed of the initial weights, of the order of windows and of dropout.",
    "pl_trainer_kwargs": "Arguments of the Lightning trainer: accelerator, precision, callbacks, ...",
    "enable_finetuning": 'Which parameters train on: all, none, or patterns under the key "freeze" or "unfreeze".',
    "model_name": "Name of the folder for checkpoints and logs.",
    "work_dir": "Where that folder goes.",
    "log_tensorboard": "Whether to log for TensorBoard.",
    "nr_epochs_val_period": "Epochs between two validations.",
    "force_reset": "Whether to delete an earlier model of the same name.",
    "save_checkpoints": "Whether to write a checkpoint after each epoch.",
    "show_warnings": "Whether to show Lightning's warnings.",
}
