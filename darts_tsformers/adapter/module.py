"""The module side of the adapter: any network of this package in Darts' training and prediction loops."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule, io_processor
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, PLModuleOutput, TorchTrainingBatch
from darts.utils.likelihood_models.torch import TorchLikelihood
from darts.utils.torch import MonteCarloDropout
from torch import nn
from torch.optim import Optimizer

from darts_tsformers.adapter.likelihoods import expected_value, n_levels, restore_rules
from darts_tsformers.adapter.loss import fill_with_forecast, hide_blind_forecasts, is_joint, observed_only
from darts_tsformers.adapter.optimizer import fuse
from darts_tsformers.adapter.reversible_norm import ObservedRINorm
from darts_tsformers.adapter.running_mean import RunningMean
from darts_tsformers.adapter.schedules import fit_to_training
from darts_tsformers.adapter.variates import draw_components
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import let_recompute
from darts_tsformers.networks._forecaster import Forecaster
from darts_tsformers.networks._network import NETWORKS
from darts_tsformers.recording import revise
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.statics import Category, StaticFeatures

NO_LONGER_OF_A_NETWORK = ("recompute",)
"""Hyper-parameters of networks in files of version 0.1 that are arguments of every model now."""


class TSFormerModule(PLForecastingModule):
    """A forecaster inside Darts' training and prediction loops.

    Parameters
    ----------
    network
        Registered name of the architecture.
    network_params
        Its hyper-parameters, plain data.
    use_instance_norm, instance_norm_affine
        See :class:`~darts_tsformers.networks.Forecaster`.
    train_variates
        Number or share of target components drawn for each training batch; None for all.
    recompute
        Whether the backward pass computes what the layers kept anew.
    categories
        Column, cardinality and embedding width of each categorical static covariate.
    **kwargs
        Arguments of Darts' :class:`PLForecastingModule`.

    Attributes
    ----------
    loss_history
        Training and validation loss of each epoch, means over what was observed; None where that was nothing.
    """

    def __init__(
        self,
        network: str,
        network_params: dict[str, Any],
        use_instance_norm: bool,
        instance_norm_affine: bool,
        train_variates: int | float | None,
        categories: Sequence[tuple[int, int, int]],
        recompute: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.loss_history: list[tuple[float | None, float | None]] = []
        self._losses = {stage: RunningMean() for stage in (ModuleStage.TRAIN, ModuleStage.VALIDATE)}
        self.train_variates = train_variates
        sizes = self._sizes()
        network_params = {name: value for name, value in network_params.items() if name not in NO_LONGER_OF_A_NETWORK}
        statics = StaticFeatures(sizes.n_static, [Category(*category) for category in categories])
        self.forecaster = Forecaster(
            NETWORKS[network](replace(sizes, n_static=statics.n_features), **network_params),
            statics=statics,
            use_instance_norm=use_instance_norm,
            instance_norm_affine=instance_norm_affine,
            restore_rules=restore_rules(self.likelihood) if use_instance_norm else _no_rules(self.likelihood),
        )
        _let_dropout_sample(self.forecaster)
        let_recompute(self.forecaster, recompute)
        if self.rin is not None:
            self.rin.__class__ = ObservedRINorm

    def _sizes(self) -> Sizes:
        shapes = self.train_sample_shape
        if shapes is None:
            raise ValueError("train_sample_shape=None must hold the shapes of a training sample")

        def width(name: str) -> int:
            shape = shapes[name]
            return 0 if shape is None else shape[-1]

        return Sizes(
            input_length=self.input_chunk_length,
            output_length=self._output_chunk_length,
            output_shift=self.output_chunk_shift,
            n_targets=width("past_target"),
            n_past=width("past_covariates"),
            n_future=width("future_covariates"),
            n_static=width("static_covariates"),
            n_static_rows=(shapes["static_covariates"] or (1,))[0],
            n_parameters=1 if self.likelihood is None else self.likelihood.num_parameters,
            n_levels=n_levels(self.likelihood),
        )

    @io_processor
    def forward(self, x_in: PLModuleInput, *, sample: bool = False) -> PLModuleOutput:
        """Forecast one batch of windows: likelihood parameters.

        A network that feeds on itself feeds on what its likelihood expects; with ``sample`` it feeds on samples of it,
        which then are the prediction.
        """
        learns_from_it = x_in.stage is ModuleStage.TRAIN and self.forecaster.network.feeds_on_itself
        future = x_in.future_target if learns_from_it else None
        window = Window(
            target=x_in.past_target,
            past=x_in.past_covariates,
            historic_future=x_in.historic_future_covariates,
            future=x_in.future_covariates,
            static=x_in.static_covariates,
            future_target=future if future is None or self.rin is None else self.rin.transform(future),
        )
        path: list[torch.Tensor] = []

        def feed(parameters: torch.Tensor) -> torch.Tensor:
            """Choose a value in the units of the data, where the likelihood speaks."""
            parameters = parameters if self.rin is None else self.rin.inverse(parameters)
            value = self.likelihood.sample(parameters) if sample else expected_value(self.likelihood, parameters)
            path.append(value if self.rin is None else self.rin.transform(value))
            return path[-1]

        prediction = self.forecaster(window, feed)
        if self.rin is not None:
            revise("trend", self.rin.inverse)
        return PLModuleOutput(prediction=torch.cat(path, dim=1).unsqueeze(-1) if sample else prediction)

    def _produce_predict_output(self, x: PLModuleInput) -> PLModuleOutput:
        """Sample step by step where a step depends on the one before."""
        samples = self.likelihood is not None and not self.predict_likelihood_parameters
        if not (samples and self.forecaster.network.feeds_on_itself):
            return super()._produce_predict_output(x)
        output = self(x, sample=True)
        return output.replace(prediction=output.prediction.squeeze(-1))

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
        observed, so that the average is what one process would get from the whole batch.
        """
        batch = hide_blind_forecasts(batch)
        output = self(batch.to_module_input(stage=stage))
        observed = ~batch.future_target.isnan()
        n_observed = (observed.all(dim=-1) if is_joint(self.likelihood) else observed).sum()
        n_here, n_everywhere = int(n_observed), int(self._over_processes(n_observed, "sum"))
        loss = (output.prediction * 0).sum()
        if n_here > 0:
            loss = self._compute_loss(output, batch.future_target, criterion, batch.sample_weight)
            self._update_metrics(output, batch.future_target, metrics)
        if n_everywhere > 0:
            summed = self.likelihood is None and getattr(criterion, "reduction", "mean") == "sum"
            loss = loss * (self.trainer.world_size * (1 if summed else n_here / n_everywhere))
            self.log(f"{stage.value}_loss", loss, batch_size=n_everywhere, prog_bar=True, sync_dist=True)
            self._losses[stage].add(loss, n_everywhere)
        return loss

    def _over_processes(self, value: torch.Tensor, operation: str) -> torch.Tensor:
        """Take the sum or the mean of a value over the processes that train together."""
        return self.trainer.strategy.reduce(value.clone(), reduce_op=operation)

    def _compute_loss(
        self, output: PLModuleOutput, target: torch.Tensor, criterion: Any, sample_weight: torch.Tensor | None
    ) -> torch.Tensor:
        if self.likelihood is None:
            filled, growth = fill_with_forecast(output.prediction, target)
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

    def configure_optimizers(self) -> Any:
        """Build the optimiser, on a processor a fused one, and the scheduler of its learning rate."""
        configured = super().configure_optimizers()
        if not isinstance(configured, Optimizer):
            fit_to_training(configured[1], self.trainer)
        if self.device.type == "cpu":
            fuse(configured if isinstance(configured, Optimizer) else configured[0][0])
        return configured

    def on_train_start(self) -> None:
        """Let each process draw its own dropout and samples; what they train on is shuffled by Lightning."""
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

    def _epoch_loss(self, stage: ModuleStage) -> float | None:
        mean = self._losses[stage].take()
        return None if mean is None else float(self._over_processes(mean, "mean"))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the losses with the weights."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["loss_history"] = self.loss_history

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Bring the losses back."""
        super().on_load_checkpoint(checkpoint)
        self.loss_history = checkpoint["loss_history"]

    def to_dtype(self, dtype: torch.dtype) -> None:
        """Cast the module; unlike Darts' own, to bfloat16 as well."""
        self.to(dtype)


def _no_rules(likelihood: TorchLikelihood | None) -> tuple[str, ...]:
    return ("unchanged",) * (1 if likelihood is None else likelihood.num_parameters)


class SamplingDropout(Dropout, MonteCarloDropout):
    """A dropout that Darts can keep active in prediction."""

    @property
    def rate(self) -> float:
        """Share of elements that a call would drop now."""
        return self.p if self.mc_dropout_enabled else 0.0


def _let_dropout_sample(module: nn.Module) -> None:
    """Make each dropout one that Darts can keep active in prediction (Monte Carlo dropout)."""
    for child in module.modules():
        if isinstance(child, nn.Dropout) and child.p > 0:
            child.__class__ = SamplingDropout
