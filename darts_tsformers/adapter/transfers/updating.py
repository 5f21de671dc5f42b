"""A fitted model that learns from what is new, and does not forget what was."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
from darts import TimeSeries

from darts_tsformers.adapter.forecasting.alone import trains
from darts_tsformers.adapter.transfers.transferring import TransferringModel
from darts_tsformers.checks import require_at_least, require_not_negative

_MOST_JUDGED = 20


@dataclass(frozen=True)
class Update:
    """What a model learnt from new data.

    Attributes
    ----------
    is_kept
        Whether the model has learnt it; if not, it is as it was.
    before, after
        Mean absolute error on old windows that it was not shown again, before and after.

    Examples
    --------
    >>> from darts_tsformers.adapter.transfers.updating import Update
    >>> print(Update(is_kept=True, before=0.50, after=0.48))
    kept: error on old windows 0.5 before, 0.48 after
    """

    is_kept: bool
    before: float
    after: float

    def __str__(self) -> str:
        kept = "kept" if self.is_kept else "undone"
        return f"{kept}: error on old windows {self.before:.3g} before, {self.after:.3g} after"


class UpdatingModel(TransferringModel):
    """A model that can be trained further on new data."""

    @trains
    def update(
        self,
        series: TimeSeries,
        n_new: int,
        *,
        past_covariates: TimeSeries | None = None,
        future_covariates: TimeSeries | None = None,
        steps: int = 30,
        rate: float = 0.1,
        replay: float = 1.0,
        tolerance: float = 0.05,
        seed: int = 0,
    ) -> Update:
        """Train a fitted model further on the end of a series: a few steps, at a low rate, with old windows among them.

        It takes seconds where ``fit`` takes minutes. Judge it by new data, as any model: it is no replacement for
        training anew where a season or what drives the series has changed.

        Parameters
        ----------
        series
            All of the series up to now, with the old part: what was trained on, or the end of it.
        n_new
            How many of its last steps are new.
        past_covariates, future_covariates
            As for ``fit``.
        steps
            Batches to train on.
        rate
            Learning rate, as a multiple of that of the training.
        replay
            Old windows to train on among the new ones, as a multiple of their number.
        tolerance
            By which share the error on old windows may rise. Beyond it the update is undone.
        seed
            Which old windows are trained on again; up to 20 others judge.

        Returns
        -------
        Update
            Whether it was kept, and the errors.

        Raises
        ------
        ValueError
            If the model is not fitted, a number is out of range, or the old part has fewer than two windows.

        Examples
        --------
        >>> import numpy as np
        >>> from darts import TimeSeries
        >>> from darts_tsformers import ITransformerModel
        >>> series = TimeSeries.from_values(np.sin(np.arange(150) / 4).astype(np.float32))
        >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False}
        >>> model = ITransformerModel(24, 6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
        >>> update = model.fit(series[:120], verbose=False).update(series, n_new=30, steps=5)
        >>> update.is_kept
        True
        """
        require_at_least(1, n_new=n_new, steps=steps)
        require_not_negative(rate=rate, replay=replay, tolerance=tolerance)
        if self.model is None:
            raise ValueError("update needs a fitted model: call fit first")
        covariates = {"past_covariates": past_covariates, "future_covariates": future_covariates}
        window = self.input_chunk_length + self.output_chunk_shift + self.output_chunk_length
        old, recent = _windows(series, n_new, window)
        rng = np.random.default_rng(seed)
        replayed, judging = _split(old, round(replay * len(recent)), rng)
        before = self._error_on(judging, covariates)
        weights = deepcopy(self.model.state_dict())
        self._train_on([*recent, *replayed], covariates, steps, rate)
        after = self._error_on(judging, covariates)
        is_kept = bool(after <= before * (1 + tolerance))
        if not is_kept:
            self.model.load_state_dict(weights)
        return Update(is_kept, before, after)

    def _train_on(
        self, windows: Sequence[TimeSeries], covariates: dict[str, TimeSeries | None], steps: int, rate: float
    ) -> None:
        """Train at a low rate that stays the same, and put the settings of the optimizer back."""
        module = self.model
        own = module.optimizer_kwargs, module.lr_scheduler_cls
        module.optimizer_kwargs = own[0] | {"lr": rate * own[0].get("lr", 1e-3)}
        module.lr_scheduler_cls = None
        given: dict[str, Any] = {
            name: None if one is None else [one] * len(windows) for name, one in covariates.items()
        }
        trainer = pl.Trainer(
            accelerator="auto",
            devices=1,
            precision="64-true" if windows[0].dtype == np.float64 else "32-true",
            max_steps=steps,
            max_epochs=-1,
            gradient_clip_val=1.0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            self.fit(list(windows), **given, trainer=trainer, verbose=False)
        finally:
            self.model.optimizer_kwargs, self.model.lr_scheduler_cls = own

    def _error_on(self, windows: Sequence[TimeSeries], covariates: dict[str, TimeSeries | None]) -> float:
        given: dict[str, Any] = {
            name: None if one is None else [one] * len(windows) for name, one in covariates.items()
        }
        histories = [window[: self.input_chunk_length] for window in windows]
        forecasts = self.predict(self.output_chunk_length, histories, **given, verbose=False)
        errors = [
            np.abs(window.values()[-self.output_chunk_length :] - one.values())
            for window, one in zip(windows, forecasts, strict=True)
        ]
        return float(np.nanmean(errors))


def _windows(series: TimeSeries, n_new: int, length: int) -> tuple[list[TimeSeries], list[TimeSeries]]:
    """Return windows of the old part, and those that reach into the new one."""
    n_old = len(series) - n_new
    if n_old < length + 1:
        raise ValueError(f"n_new={n_new} leaves {max(n_old, 0)} old steps of {len(series)}: {length + 1} are needed")
    old = [series[k : k + length] for k in range(n_old - length + 1)]
    recent = [series[k : k + length] for k in range(n_old - length + 1, len(series) - length + 1)]
    return old, recent


def _split(
    old: Sequence[TimeSeries], n_replayed: int, rng: np.random.Generator
) -> tuple[list[TimeSeries], list[TimeSeries]]:
    """Draw windows to train on again, and others to judge by; at least one of those."""
    order = rng.permutation(len(old)).tolist()
    n_replayed = min(n_replayed, len(old) - 1)
    judging = order[n_replayed:][:_MOST_JUDGED]
    return [old[k] for k in order[:n_replayed]], [old[k] for k in judging]
