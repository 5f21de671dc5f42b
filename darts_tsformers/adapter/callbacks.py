"""What a recipe asks of the trainer that it does not do by itself, for ``pl_trainer_kwargs={"callbacks": [...]}``."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from darts.utils.serialization import add_safe_globals
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from darts_tsformers.adapter.training.finite import DivergedError
from darts_tsformers.checks import require_at_least

__all__ = ["BestWeights", "ClipEachGradient", "DivergedError"]


class BestWeights(pl.Callback):
    """Stop when the validation loss no longer falls, and end with the weights that had the lowest.

    The weights are kept in memory, and let go of when the training ends. Each training starts anew: nothing of one
    counts in the next, nor in a copy or a saved model.

    Without a validation series it does nothing: all epochs are trained and the last weights stay. The training loss is
    no measure to stop by, for it falls on while a model learns its training part by heart.

    Parameters
    ----------
    patience
        Validations in a row without a lower loss after which training stops.
    min_delta
        By how much a loss has to be lower to count in this; the best weights are those of the lowest loss all the same.

    Attributes
    ----------
    loss
        Lowest validation loss of the last training; infinite if there was none.
    epoch
        Epoch that had it, counted from 1.

    Raises
    ------
    ValueError
        If ``patience`` is below 1 or ``min_delta`` below 0.
    DivergedError
        At the end of a training, if it had no finite validation loss.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import ITransformerModel
    >>> from darts_tsformers.adapter.callbacks import BestWeights
    >>> series = TimeSeries.from_values(np.sin(np.arange(200) / 4).astype(np.float32))
    >>> best = BestWeights(patience=1)
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    >>> model = ITransformerModel(24, 12, n_epochs=5, random_state=0, pl_trainer_kwargs={"callbacks": [best]} | quiet)
    >>> model = model.fit(series[:120], val_series=series[96:], verbose=False)
    >>> best.epoch <= model.epochs_trained <= 5
    True
    """

    def __init__(self, patience: int, min_delta: float = 0.0) -> None:
        require_at_least(1, patience=patience)
        if not min_delta >= 0:
            raise ValueError(f"min_delta={min_delta!r} must be at least 0")
        self.patience = patience
        self.min_delta = min_delta
        self._start_anew()

    def _start_anew(self) -> None:
        self.loss = float("inf")
        self.epoch = 0
        self._to_beat = float("inf")
        self._stale = 0
        self._validated = False
        self._weights: dict[str, Tensor] | None = None

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copy and save what it was made with, not what a training left."""
        return type(self), (self.patience, self.min_delta)

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Forget the training before."""
        if stage == "fit":
            self._start_anew()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the weights if they are the best so far."""
        if trainer.sanity_checking:
            return
        self._validated = True
        loss = validation_loss(trainer)
        if loss < self.loss:
            self.loss, self.epoch = loss, trainer.current_epoch + 1
            self._weights = {name: weight.detach().clone() for name, weight in pl_module.state_dict().items()}
        if loss < self._to_beat - self.min_delta:
            self._to_beat, self._stale = loss, 0
        else:
            self._stale += 1
            trainer.should_stop = trainer.should_stop or self._stale >= self.patience

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the best weights back."""
        weights, self._weights = self._weights, None
        if weights is not None:
            pl_module.load_state_dict(weights)
        elif self._validated:
            raise DivergedError(
                "training diverged: the validation loss was never finite; look for extreme values and long gaps"
            )


class ClipEachGradient(pl.Callback):
    """Shorten the gradient of each parameter that is longer than a limit, each by itself.

    ``clipnorm`` of Keras. Lightning's ``gradient_clip_val`` limits the length of all gradients together.

    Parameters
    ----------
    max_norm
        Longest gradient of a parameter, by the Euclidean norm.

    Raises
    ------
    ValueError
        If ``max_norm`` is not above 0.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers import TemporalFusionTransformerModel
    >>> from darts_tsformers.adapter.callbacks import ClipEachGradient
    >>> clip = ClipEachGradient(0.01)
    >>> model = TemporalFusionTransformerModel(48, 12, pl_trainer_kwargs={"callbacks": [clip]})
    >>> weights = [torch.nn.Parameter(torch.zeros(n)) for n in (3, 5)]
    >>> for weight, value in zip(weights, (1.0, 0.001)):
    ...     weight.grad = torch.full_like(weight, value)
    >>> clip.on_before_optimizer_step(None, None, torch.optim.Adam(weights))
    >>> [round(weight.grad.norm().item(), 4) for weight in weights]
    [0.01, 0.0022]
    """

    def __init__(self, max_norm: float) -> None:
        if not max_norm > 0:
            raise ValueError(f"max_norm={max_norm!r} must be above 0")
        self.max_norm = max_norm

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Shorten the gradients that the step will use."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                clip_grad_norm_([parameter], self.max_norm)


def validation_loss(trainer: pl.Trainer) -> float:
    """Loss of the last validation; NaN if it had nothing to compare with."""
    return float(trainer.callback_metrics.get("val_loss", float("nan")))


add_safe_globals([BestWeights, ClipEachGradient])
