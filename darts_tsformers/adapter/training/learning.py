"""How a module learns: from what was observed, by all that its network says, in one process or several."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, PLModuleOutput, TorchTrainingBatch

from darts_tsformers.adapter.files.runs import RUN
from darts_tsformers.adapter.training.finite import has_lost_weights
from darts_tsformers.adapter.training.lessons import Part, Scored, parts_of, scored
from darts_tsformers.adapter.training.loss import (
    fill_with_forecast,
    hide_blind_forecasts,
    hide_what_does_not_count,
    in_unit,
    is_joint,
    loss_has_unit,
    observed_only,
)
from darts_tsformers.adapter.training.running_mean import RunningMean
from darts_tsformers.adapter.training.variates import draw_components
from darts_tsformers.networks._lessons import TOTAL, Training
from darts_tsformers.window.units import Moments, Unit


class LearningModule(PLForecastingModule):
    """The training and validation steps of a module.

    Parameters
    ----------
    train_variates
        Number or share of target components drawn for each training batch; None for all.
    **kwargs
        Arguments of Darts' :class:`PLForecastingModule`.

    Attributes
    ----------
    loss_history
        Training and validation loss of each epoch, means over what was observed; None where that was nothing.
    lost_in
        Epoch of the last training, counted from 1, after which a weight was NaN or infinite; None if none was.
    loss_unit
        What forecast and target are measured by in all losses, logged ones too, so that a model trains alike in any
        unit: for each component its standard deviation within the series of the training part. It is 1 for counts,
        shares and likelihoods with priors, and in files of version 0.1.
    run
        Token that the checkpoints of a run share with its model; None in files of version 0.1.
    """

    def __init__(self, train_variates: int | float | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.train_variates = train_variates
        self.run: str | None = None
        self.lost_in: int | None = None
        self.loss_history: list[tuple[float | None, float | None]] = []
        self.loss_unit = Unit(self.n_targets)
        self._losses = {stage: RunningMean() for stage in (ModuleStage.TRAIN, ModuleStage.VALIDATE)}

    @property
    @abstractmethod
    def validates_by_lessons(self) -> bool:
        """Whether it is validated by all that it learns from, and not by its forecast."""

    @abstractmethod
    def learn(self, x_in: PLModuleInput) -> Training:
        """Return all that the network learns from, in the units of the data."""

    def measure_loss_by(self, target: Moments) -> None:
        """Take the unit of losses from the training part."""
        if loss_has_unit(self.likelihood):
            self.loss_unit.measure_by(target.spread_within, target.mean)

    def training_step(self, train_batch: TorchTrainingBatch, batch_idx: int) -> torch.Tensor:
        """Train on one batch, or on the components of it that ``train_variates`` draws."""
        if self.train_variates is not None:
            train_batch = draw_components(train_batch, self.train_variates)
        return super().training_step(train_batch, batch_idx)

    def _train_val_step(
        self, batch: TorchTrainingBatch, stage: ModuleStage, criterion: Any, metrics: Any
    ) -> torch.Tensor:
        """Take a step on what was observed; a mean over batches weighs each by how much that is.

        Processes that train together average their gradients: each weighs its mean by its share of all that they
        observed, so that the average is what one process would get from the whole batch. Penalties are averaged as they
        are.
        """
        batch = hide_blind_forecasts(batch)
        x_in = hide_what_does_not_count(batch).to_module_input(stage=stage)
        learns = stage is ModuleStage.TRAIN or self.validates_by_lessons
        training = self.learn(x_in) if learns else Training(self(x_in).prediction)
        parts = [self._in_unit(part) for part in parts_of(training, batch)]
        losses, counts = self._losses_of(parts, criterion)
        scores = scored(training, batch)
        of_scores, further = self._losses_of_scores(scores)
        losses, counts = losses | of_scores, counts + further
        if training.forecast is not None:
            self._update_metrics(PLModuleOutput(training.forecast), batch.future_target, metrics)
        n = sum(counts) if parts or scores else len(batch.past_target) * self.trainer.world_size
        return self._noted({**losses, **training.penalties}, n, stage)

    def _in_unit(self, part: Part) -> Part:
        if not loss_has_unit(self.likelihood):
            return part
        unit = self.loss_unit.of(part.target.shape[-1])[1] if part.unit is None else part.unit
        return in_unit(part, unit, self.likelihood)

    def _losses_of(self, parts: Sequence[Part], criterion: Any) -> tuple[dict[str, torch.Tensor], list[int]]:
        """Return the loss of each part, and over how much that was observed, here and in the other processes."""
        losses, counts = {}, []
        for part in parts:
            observed = ~part.target.isnan()
            n_observed = (observed.all(dim=-1) if is_joint(self.likelihood) else observed).sum()
            n_here, n_everywhere = int(n_observed), int(self._over_processes(n_observed, "sum"))
            loss = (part.forecast * 0).sum()
            if n_here > 0:
                loss = self._compute_loss(PLModuleOutput(part.forecast), part.target, criterion, part.sample_weight)
            if n_everywhere > 0:
                summed = self.likelihood is None and getattr(criterion, "reduction", "mean") == "sum"
                loss = loss * (self.trainer.world_size * (1 if summed else n_here / n_everywhere))
            losses[part.name] = loss * part.share
            counts.append(n_everywhere)
        return losses, counts

    def _losses_of_scores(self, scores: Sequence[Scored]) -> tuple[dict[str, torch.Tensor], list[int]]:
        """Return the mean of each score over what was observed, here and in the other processes, and how much that is.

        As in :meth:`_losses_of`, the average over the processes is the mean over all that they observed.
        """
        losses, counts = {}, []
        for score in scores:
            n = int(self._over_processes(score.counts.sum(), "sum"))
            losses[score.name] = score.cost.sum() * (score.share * self.trainer.world_size / max(n, 1))
            counts.append(n)
        return losses, counts

    def _noted(self, losses: dict[str, torch.Tensor], n: int, stage: ModuleStage) -> torch.Tensor:
        """Return the sum of the losses, and note it and, if there are several, each of them."""
        total = torch.stack(list(losses.values())).sum()
        if n > 0:
            self.log(f"{stage.value}_{TOTAL}", total, batch_size=n, prog_bar=True, sync_dist=True)
            self._losses[stage].add(total, n)
            for name, loss in losses.items():
                if len(losses) > 1:
                    self.log(f"{stage.value}_{name}", loss, batch_size=n, sync_dist=True)
        return total

    def _over_processes(self, value: torch.Tensor, operation: str) -> torch.Tensor:
        """Take the sum or the mean of a value over the processes that train together."""
        return self.trainer.strategy.reduce(value.clone(), reduce_op=operation)

    def _compute_loss(
        self, output: PLModuleOutput, target: torch.Tensor, criterion: Any, sample_weight: torch.Tensor | None
    ) -> torch.Tensor:
        if self.likelihood is None:
            wide = torch.promote_types(output.prediction.dtype, target.dtype)  # not every loss promotes
            output = output.replace(prediction=output.prediction.to(wide))
            filled, growth = fill_with_forecast(output.prediction, target.to(wide))
            loss = super()._compute_loss(output, filled, criterion, sample_weight)
            return loss if growth == 1 or getattr(criterion, "reduction", "mean") == "sum" else loss * growth
        prediction, target, sample_weight = observed_only(
            output.prediction, target, sample_weight, jointly=is_joint(self.likelihood)
        )
        return super()._compute_loss(output.replace(prediction=prediction), target, None, sample_weight)

    def _update_metrics(self, output: PLModuleOutput, target: torch.Tensor, metrics: Any) -> None:
        prediction, target, _ = observed_only(output.prediction, target, None, jointly=True)
        if target.numel() == 0:
            return
        built_for, self.n_targets = self.n_targets, target.shape[-1]
        try:
            super()._update_metrics(output.replace(prediction=prediction), target, metrics)
        finally:
            self.n_targets = built_for

    def on_train_start(self) -> None:
        """Let each process draw its own dropout and samples; what they train on is shuffled by Lightning."""
        self.lost_in = None
        if self.global_rank > 0:
            torch.manual_seed(torch.initial_seed() + self.global_rank)

    def on_train_epoch_start(self) -> None:
        """Forget what a sanity check or an interrupted epoch left."""
        for losses in self._losses.values():
            losses.take()

    def on_train_epoch_end(self) -> None:
        """Note the mean losses of the epoch."""
        super().on_train_epoch_end()
        train, validation = (self._epoch_loss(stage) for stage in (ModuleStage.TRAIN, ModuleStage.VALIDATE))
        self.loss_history.append((train, validation))

        if self.lost_in is None and has_lost_weights(self):
            self.lost_in = self.current_epoch + 1
            self.trainer.should_stop = True  # further epochs bring nothing back

    def _epoch_loss(self, stage: ModuleStage) -> float | None:
        mean = self._losses[stage].take()
        return None if mean is None else float(self._over_processes(mean, "mean"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the losses with the weights, and what tells whose weights they are."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["loss_history"] = self.loss_history
        checkpoint[RUN] = self.run

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring the losses back, and what tells whose weights they are."""
        super().on_load_checkpoint(checkpoint)
        self.loss_history = checkpoint["loss_history"]
        self.run = checkpoint.get(RUN)
