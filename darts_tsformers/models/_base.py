"""The adapter: any network of this package as a Darts torch model. The only file that touches Darts' internals."""

import inspect
import os
from abc import ABC
from dataclasses import replace
from typing import Any, ClassVar

import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule, io_processor
from darts.models.forecasting.torch_forecasting_model import MixedCovariatesTorchModel
from darts.utils.data.torch_datasets.utils import (
    PLModuleInput,
    PLModuleOutput,
    TorchTrainingBatch,
    TorchTrainingSample,
)
from darts.utils.serialization import add_safe_globals
from darts.utils.torch import MonteCarloDropout
from torch import nn

from darts_tsformers.attention import attention_spec
from darts_tsformers.layers.checks import require_at_least
from darts_tsformers.layers.window import Sizes, Window
from darts_tsformers.models._docs import compose_docstring, full_signature
from darts_tsformers.models._likelihoods import restore_rules
from darts_tsformers.networks._forecaster import Forecaster
from darts_tsformers.networks._network import NETWORKS, Network


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
    **kwargs
        Arguments of Darts' :class:`PLForecastingModule`.
    """

    def __init__(
        self,
        network: str,
        network_params: dict[str, Any],
        use_instance_norm: bool,
        instance_norm_affine: bool,
        train_variates: int | float | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train_variates = train_variates
        self.forecaster = Forecaster(
            NETWORKS[network](self._sizes(), **network_params),
            use_instance_norm=use_instance_norm,
            instance_norm_affine=instance_norm_affine,
            restore_rules=restore_rules(self.likelihood) if use_instance_norm else _no_rules(self.likelihood),
        )
        _let_dropout_sample(self.forecaster)

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
            n_parameters=1 if self.likelihood is None else self.likelihood.num_parameters,
        )

    @io_processor
    def forward(self, x_in: PLModuleInput) -> PLModuleOutput:
        """Forecast one batch of windows."""
        window = Window(
            target=x_in.past_target,
            past=x_in.past_covariates,
            historic_future=x_in.historic_future_covariates,
            future=x_in.future_covariates,
            static=x_in.static_covariates,
        )
        return PLModuleOutput(prediction=self.forecaster(window))

    def training_step(self, train_batch: TorchTrainingBatch, batch_idx: int) -> torch.Tensor:
        """Train on one batch, or on the components of it that ``train_variates`` draws."""
        if self.train_variates is not None:
            n_targets = train_batch.past_target.shape[-1]
            drawn = torch.randperm(n_targets)[: _number_drawn(self.train_variates, n_targets)]
            train_batch = _components(train_batch, drawn.to(train_batch.past_target.device))
        return super().training_step(train_batch, batch_idx)

    def _update_metrics(self, output: PLModuleOutput, target: torch.Tensor, metrics: Any) -> None:
        built_for, self.n_targets = self.n_targets, target.shape[-1]
        try:
            super()._update_metrics(output, target, metrics)
        finally:
            self.n_targets = built_for

    def to_dtype(self, dtype: torch.dtype) -> None:
        """Cast the module; unlike Darts' own, to bfloat16 as well."""
        self.to(dtype)


class TSFormerModel(MixedCovariatesTorchModel, ABC):
    """Base class of all forecasters: what a subclass has to say is its network and its arguments.

    A subclass sets :attr:`network_class` and writes an explicit ``__init__`` whose keyword arguments are the network's,
    with the same names and defaults, next to those of the shared path (``use_instance_norm``, ...). The rest is done
    here: documentation, signature, safe loading, checks when the model is made, statics, likelihoods, precision.

    Attributes
    ----------
    network_class
        The architecture.
    paper_configs
        Published sizes by data set, as keyword arguments.
    """

    network_class: ClassVar[type[Network]]
    paper_configs: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        signature = full_signature(inspect.signature(cls.__init__))
        cls.__signature__ = signature
        cls.__doc__ = compose_docstring(cls.__doc__ or "", cls.network_class.__doc__ or "", signature)
        add_safe_globals([cls])

    def __init__(self) -> None:
        params = dict(self.model_params)
        super().__init__(**self._extract_torch_model_params(**params))
        self._network_params = _plain(
            {k: v for k, v in params.items() if k in inspect.signature(self.network_class).parameters}
        )
        self._model_params |= self._network_params
        self._shared_params = {
            "use_instance_norm": params["use_instance_norm"],
            "instance_norm_affine": params.get("instance_norm_affine", False),
            "train_variates": params.get("train_variates"),
        }
        self.pl_module_params = self._extract_pl_module_params(**params)
        self._considers_static_covariates = params["use_static_covariates"]
        self._check()

    def _check(self) -> None:
        """Fail now, not in ``fit``, on anything the network or the shared path will refuse."""
        params = self.model_params
        require_at_least(1, **{name: params[name] for name in ("input_chunk_length", "output_chunk_length")})
        require_at_least(0, output_chunk_shift=params["output_chunk_shift"])
        if self._shared_params["use_instance_norm"]:
            restore_rules(params.get("likelihood"))
        sizes = Sizes(params["input_chunk_length"], params["output_chunk_length"], params["output_chunk_shift"])
        with torch.device("meta"):
            network = self.network_class(sizes, **self._network_params)
        train_variates = self._shared_params["train_variates"]
        if train_variates is None:
            return
        _number_drawn(train_variates, n_targets=1)
        tied = {
            "instance_norm_affine": self._shared_params["instance_norm_affine"],
            "use_reversible_instance_norm": bool(params.get("use_reversible_instance_norm", False)),
            "individual_head": not network.any_width,
        }
        for name, is_tied in tied.items():
            if is_tied:
                raise ValueError(
                    f"train_variates={train_variates!r} needs a model that is not tied to its components; "
                    f"set {name}=False"
                )

    def _create_model(self, train_sample: TorchTrainingSample) -> PLForecastingModule:
        return TSFormerModule(
            network=self.network_class.name,
            network_params=self._network_params,
            **self._shared_params,
            **self.pl_module_params,
        )

    def save(self, path: str | os.PathLike[str] | None = None, clean: bool = False, **kwargs: Any) -> None:
        """Save the model under ``path`` and its weights under ``path + ".ckpt"``; see Darts' documentation.

        Unlike in Darts, any path-like is taken, and a model that was loaded and has not run since keeps its weights.
        """
        if self.trainer is None and self.model is not None:
            trainer = self._init_trainer(self.trainer_params)
            trainer.strategy.connect(self.model)
            self.trainer = trainer
        super().save(None if path is None else os.fspath(path), clean, **kwargs)

    @staticmethod
    def load(path: str | os.PathLike[str], *args: Any, **kwargs: Any) -> "TSFormerModel":
        """Load a saved model; see Darts' documentation. Any path-like is taken."""
        return MixedCovariatesTorchModel.load(os.fspath(path), *args, **kwargs)

    @property
    def supports_static_covariates(self) -> bool:
        """Every model of this package takes static covariates."""
        return True

    @classmethod
    def paper_config(cls, dataset: str) -> dict[str, Any]:
        """Return the published sizes for a data set as keyword arguments of the class.

        Raises
        ------
        ValueError
            If no sizes are known for ``dataset``.
        """
        if dataset not in cls.paper_configs:
            raise ValueError(f"dataset={dataset!r} must be one of {sorted(cls.paper_configs)}")
        return dict(cls.paper_configs[dataset])


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    """Network parameters as plain data: a mechanism becomes its name, with its arguments if it has any."""
    if "attention" not in params:
        return params
    name, arguments = attention_spec(params["attention"])
    return params | {"attention": (name, arguments) if arguments else name}


def _no_rules(likelihood: Any) -> tuple[str, ...]:
    return ("unchanged",) * (1 if likelihood is None else likelihood.num_parameters)


def _let_dropout_sample(module: nn.Module) -> None:
    """Make each dropout one that Darts can keep active in prediction (Monte Carlo dropout)."""
    for child in module.modules():
        if type(child) is nn.Dropout and child.p > 0:
            child.__class__ = MonteCarloDropout


def _number_drawn(train_variates: int | float, n_targets: int) -> int:
    if isinstance(train_variates, float) and 0 < train_variates <= 1:
        return max(1, round(train_variates * n_targets))
    if isinstance(train_variates, int) and not isinstance(train_variates, bool) and train_variates >= 1:
        return min(train_variates, n_targets)
    raise ValueError(f"train_variates={train_variates!r} must be None, an integer of at least 1 or a share in (0, 1]")


def _components(batch: TorchTrainingBatch, drawn: torch.Tensor) -> TorchTrainingBatch:
    """Keep the drawn components of target, statics and weights; what is one for all stays."""

    def rows(static: torch.Tensor | None) -> torch.Tensor | None:
        return static if static is None or static.shape[1] == 1 else static[:, drawn]

    def columns(x: torch.Tensor | None) -> torch.Tensor | None:
        return x if x is None or x.shape[-1] == 1 else x[..., drawn]

    return replace(
        batch,
        past_target=columns(batch.past_target),
        future_target=columns(batch.future_target),
        sample_weight=columns(batch.sample_weight),
        static_covariates=rows(batch.static_covariates),
    )
