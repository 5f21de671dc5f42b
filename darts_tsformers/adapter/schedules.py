"""Learning rates over a training, for ``lr_scheduler_cls``: plain arguments, so that a model with one can be saved."""

import math
from typing import Any

import pytorch_lightning as pl
from darts.utils.serialization import add_safe_globals
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from darts_tsformers.checks import require_at_least

__all__ = ["ConstantThenDecay", "OneCycle"]

START, END = 1 / 25, 1 / 25 / 1e4
MOMENTUM, PEAK_MOMENTUM = 0.95, 0.85


class ConstantThenDecay(LRScheduler):
    """The optimiser's rate for some epochs, then a factor less with each epoch.

    The schedules that code of the field calls ``type1`` (two epochs, then halved with each) and ``type3`` (four, then
    times 0.9 with each).

    Parameters
    ----------
    optimizer
        Has the rate of the first epoch.
    gamma
        Factor by which the rate falls.
    n_constant
        Epochs before it does.
    last_epoch
        Epochs that have passed before; -1 for a new training.

    Raises
    ------
    ValueError
        If ``gamma`` is not above 0 and at most 1, or ``n_constant`` is below 1.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.adapter.schedules import ConstantThenDecay
    >>> optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.8)
    >>> schedule = ConstantThenDecay(optimizer, gamma=0.5, n_constant=2)
    >>> for _ in range(4):
    ...     print(schedule.get_last_lr())
    ...     optimizer.step()
    ...     schedule.step()
    [0.8]
    [0.8]
    [0.4]
    [0.2]
    """

    def __init__(self, optimizer: Optimizer, gamma: float = 0.5, n_constant: int = 2, last_epoch: int = -1) -> None:
        require_at_least(1, n_constant=n_constant)
        if not 0 < gamma <= 1:
            raise ValueError(f"gamma={gamma!r} must be above 0 and at most 1")
        self.gamma = gamma
        self.n_constant = n_constant
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """Return the rate of each group of parameters in this epoch."""
        factor = self.gamma ** max(0, self.last_epoch - self.n_constant + 1)
        return [rate * factor for rate in self.base_lrs]


class OneCycle(LRScheduler):
    """One rise and one fall of the rate over the whole training, a step with each batch.

    It need not be told how long the training is, as PyTorch's ``OneCycleLR`` has to be: a model of this package does
    that when the training begins.

    Parameters
    ----------
    optimizer
        Has the highest rate.
    pct_start
        Share of the training in which the rate rises.

    Raises
    ------
    ValueError
        If ``pct_start`` is not above 0 and below 1; when the training begins, if it has no end.

    Notes
    -----
    Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates", 2018. As in
    PyTorch the rate begins at a 25th of the highest, ends at a 10,000th of that, and follows cosines between; the
    momentum (of Adam: its first beta) runs from 0.95 to 0.85 and back.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers.adapter.schedules import OneCycle
    >>> model = PatchTSTModel(48, 12, lr_scheduler_cls=OneCycle, lr_scheduler_kwargs={"pct_start": 0.2})

    What it does there:

    >>> optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=0.1)
    >>> schedule = OneCycle(optimizer, pct_start=0.5)
    >>> schedule.spread_over(6)
    >>> rates = []
    >>> for _ in range(6):
    ...     rates += schedule.get_last_lr()
    ...     optimizer.step()
    ...     schedule.step()
    >>> [round(rate, 3) for rate in rates]
    [0.004, 0.052, 0.1, 0.075, 0.025, 0.0]
    """

    def __init__(self, optimizer: Optimizer, pct_start: float = 0.3) -> None:
        if not 0 < pct_start < 1:
            raise ValueError(f"pct_start={pct_start!r} must be above 0 and below 1")
        self.pct_start = pct_start
        self.n_steps = 1
        super().__init__(optimizer)

    def spread_over(self, n_steps: float) -> None:
        """Make the cycle as long as a training of so many steps."""
        if not 1 <= n_steps < float("inf"):
            raise ValueError(f"lr_scheduler_cls=OneCycle needs a training with an end, not one of {n_steps} steps")
        self.n_steps = int(n_steps)

    def get_lr(self) -> list[Any]:
        """Return the rate of each group of parameters at this step, and set its momentum."""
        rate, momentum = self._now()
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            elif "momentum" in group:
                group["momentum"] = momentum
        return [highest * rate for highest in self.base_lrs]

    def _now(self) -> tuple[float, float]:
        """Return the share of the highest rate, and the momentum."""
        peak, last = self.pct_start * self.n_steps - 1, self.n_steps - 1
        if self.last_epoch <= 0:
            return START, MOMENTUM
        if self.last_epoch <= peak:
            risen = self.last_epoch / peak
            return _along_cosine(START, 1, risen), _along_cosine(MOMENTUM, PEAK_MOMENTUM, risen)
        fallen = min(1, (self.last_epoch - peak) / (last - peak))
        return _along_cosine(1, END, fallen), _along_cosine(PEAK_MOMENTUM, MOMENTUM, fallen)


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def fit_to_training(configured: dict[str, Any], trainer: pl.Trainer) -> None:
    """Tell a schedule that needs to know it how long the training is, and let it step with each batch.

    Parameters
    ----------
    configured
        A schedule as Lightning takes it, with ``"scheduler"`` and ``"interval"``.
    trainer
        About to train.
    """
    schedule = configured["scheduler"]
    if isinstance(schedule, OneCycle):
        schedule.spread_over(trainer.estimated_stepping_batches)
        configured["interval"] = "step"


add_safe_globals([ConstantThenDecay, OneCycle])
