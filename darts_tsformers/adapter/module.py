"""The module side of the adapter: any network of this package in Darts' training and prediction loops."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from darts.models.forecasting.pl_forecasting_module import io_processor
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput, PLModuleOutput
from darts.utils.likelihood_models.torch import TorchLikelihood
from darts.utils.torch import MonteCarloDropout
from torch import nn
from torch.optim import Optimizer

from darts_tsformers.adapter.forecasting.sampling import SamplingModule
from darts_tsformers.adapter.likelihoods import drawn, expected_value, has_unit, in_order, n_levels, restore_rules
from darts_tsformers.adapter.schedules import fit_to_training
from darts_tsformers.adapter.training.learning import LearningModule
from darts_tsformers.adapter.training.optimizer import fuse, leave_out_frozen
from darts_tsformers.adapter.training.reversible_norm import ObservedRINorm
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import let_recompute
from darts_tsformers.networks._lessons import Training
from darts_tsformers.networks._network import NETWORKS, Feed
from darts_tsformers.networks._paths import Noise, drawn_paths
from darts_tsformers.networks._series import TrainingSeries
from darts_tsformers.networks._streaming_forecaster import build_forecaster
from darts_tsformers.pretraining import OBJECTIVES
from darts_tsformers.recording import revise
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.statics import Category, StaticFeatures

NO_LONGER_OF_A_NETWORK = ("recompute",)
"""Hyper-parameters of networks in files of version 0.1 that are arguments of every model now."""


class TSFormerModule(LearningModule, SamplingModule):
    """A forecaster inside Darts' training and prediction loops.

    Parameters
    ----------
    network
        Registered name of the architecture.
    network_params
        Its hyper-parameters, plain data.
    use_instance_norm, instance_norm_affine
        See :class:`~darts_tsformers.networks.Forecaster`; ``"running"`` for normalisation by what was seen so far.
    train_variates
        See :class:`~darts_tsformers.adapter.training.learning.LearningModule`, whose attribute ``loss_history`` it has.
    recompute
        Whether the backward pass computes what the layers kept anew.
    objective
        Name and settings of what it learns by instead of forecasts; None for none.
    categories
        Column, cardinality and embedding width of each categorical static covariate.
    **kwargs
        Arguments of Darts' module for forecasting.
    """

    def __init__(
        self,
        network: str,
        network_params: dict[str, Any],
        use_instance_norm: bool | str,
        instance_norm_affine: bool,
        train_variates: int | float | None,
        categories: Sequence[tuple[int, int, int]],
        recompute: bool = False,
        objective: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(train_variates=train_variates, **kwargs)
        sizes = self._sizes()
        network_params = {name: value for name, value in network_params.items() if name not in NO_LONGER_OF_A_NETWORK}
        statics = StaticFeatures(sizes.n_static, [Category(*category) for category in categories])
        self.forecaster = build_forecaster(
            NETWORKS[network](replace(sizes, n_static=statics.n_features), **network_params),
            statics=statics,
            use_instance_norm=use_instance_norm,
            instance_norm_affine=instance_norm_affine,
            restore_rules=(
                restore_rules(self.likelihood)
                if use_instance_norm or has_unit(self.likelihood)
                else _no_rules(self.likelihood)
            ),
        )
        if objective is not None:
            settings = {name: value for name, value in objective.items() if name != "name"}
            self.forecaster.objective = OBJECTIVES[objective["name"]](self.forecaster.network, **settings)
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

    def measure(self, series: Iterable[TrainingSeries]) -> None:
        """Learn the units of the training part, once, before the first training step."""
        uses_unit = self.forecaster.instance_norm is not None or has_unit(self.likelihood)
        target = self.forecaster.measure(
            series, measures_target=uses_unit and self.rin is None, pools_target=self.train_variates is not None
        )
        self.measure_loss_by(target)

    def forward(self, x_in: PLModuleInput, *, sample: bool = False, noise: Noise | None = None) -> PLModuleOutput:
        """Forecast one batch of windows: likelihood parameters. In training, those that the network learns from.

        A network that feeds on itself feeds on what its likelihood expects. With ``sample`` it is one path for each
        window instead, see :meth:`sample`.
        """
        if sample:
            return self._path(x_in, noise)
        learnt_from = self.learn(x_in).forecast if x_in.stage is ModuleStage.TRAIN else None
        if learnt_from is not None:
            return PLModuleOutput(prediction=learnt_from)
        forecast = self._forecast(x_in)
        return forecast.replace(prediction=in_order(self.likelihood, forecast.prediction))

    @property
    def validates_by_lessons(self) -> bool:
        """Whether its network has no other measure than what it learns from."""
        return self.forecaster.learner.validates_by_lessons

    def learn(self, x_in: PLModuleInput) -> Training:
        """Return all that the network learns from, in the units of the data."""
        past, future = x_in.past_target, x_in.future_target
        future = future if self.forecaster.learner.needs_future_target else None
        if self.rin is not None:
            past = self.rin(past)
            future = None if future is None else self.rin.transform(future)
        window = replace(_window(x_in.replace(past_target=past)), future_target=future)
        training: Training = self.forecaster(window, learns=True)
        return training if self.rin is None else training.map(self.rin.inverse).measured_by(None)

    def refine(self, x_in: PLModuleInput, base: torch.Tensor, *, seed: int, **how: Any) -> torch.Tensor:
        """Refine forecasts ``(n, H, C)`` of one window, ``x_in``; see :meth:`Network.refine`."""
        past = x_in.past_target
        if self.rin is not None:
            past = self.rin(past)
            base = self.rin.transform(base)

        def refined(window: Window, noise: Noise) -> torch.Tensor:
            return self.forecaster.refine(window, base[noise.of_rows], noise, **how)

        window = _window(x_in.replace(past_target=past))
        out = drawn_paths(refined, window, len(base), seed=seed).squeeze(1)
        return out if self.rin is None else self.rin.inverse(out.unsqueeze(-1)).squeeze(-1)

    def sample(self, x_in: PLModuleInput, noise: Noise | None) -> torch.Tensor:
        """Draw one path for each window: by noise, or by samples of a likelihood that the network feeds on."""
        drawn: torch.Tensor = self(x_in, sample=True, noise=noise).prediction
        return drawn.squeeze(-1)

    @io_processor
    def _forecast(self, x_in: PLModuleInput) -> PLModuleOutput:
        prediction = self.forecaster(_window(x_in), self._feed(partial(expected_value, self.likelihood)))
        if self.rin is not None:
            revise("trend", self.rin.inverse)
        return PLModuleOutput(prediction=prediction)

    @io_processor
    def _path(self, x_in: PLModuleInput, noise: Noise | None) -> PLModuleOutput:
        if noise is not None:
            return PLModuleOutput(prediction=self.forecaster.sample(_window(x_in), noise).unsqueeze(-1))
        feed, path = self._feed(partial(drawn, self.likelihood)), []

        def feed_and_keep(parameters: torch.Tensor) -> torch.Tensor:
            path.append(feed(parameters))
            return path[-1]

        self.forecaster(_window(x_in), feed_and_keep)
        horizon = torch.cat(path, dim=1)[:, -self._output_chunk_length :]  # what came between may have been fed too
        return PLModuleOutput(prediction=horizon.unsqueeze(-1))

    def _feed(self, choose: Callable[[torch.Tensor], torch.Tensor]) -> Feed:
        """Let values be chosen in the units of the data, where the likelihood speaks, of quantiles in order."""
        rin = self.rin

        def chosen(parameters: torch.Tensor) -> torch.Tensor:
            return choose(in_order(self.likelihood, parameters))

        return chosen if rin is None else lambda parameters: rin.transform(chosen(rin.inverse(parameters)))

    def configure_optimizers(self) -> Any:
        """Build the optimiser, on a processor a fused one, and the scheduler of its learning rate."""
        configured = super().configure_optimizers()
        if not isinstance(configured, Optimizer):
            fit_to_training(configured[1], self.trainer)
        optimizer = configured if isinstance(configured, Optimizer) else configured[0][0]
        leave_out_frozen(optimizer, self)
        if self.device.type == "cpu":
            fuse(optimizer)
        return configured

    def to_dtype(self, dtype: torch.dtype) -> None:
        """Cast the module; unlike Darts' own, to bfloat16 as well."""
        self.to(dtype)


def _window(x_in: PLModuleInput) -> Window:
    return Window(
        target=x_in.past_target,
        past=x_in.past_covariates,
        historic_future=x_in.historic_future_covariates,
        future=x_in.future_covariates,
        static=x_in.static_covariates,
    )


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
