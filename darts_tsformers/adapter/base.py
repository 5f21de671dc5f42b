"""The model side of the adapter: any network of this package as a Darts torch model."""

import inspect
from abc import ABC
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from darts import TimeSeries
from darts.logging import get_logger
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.utils.data import TorchInferenceDataset, TorchTrainingDataset
from darts.utils.data.torch_datasets.utils import TorchInferenceSample, TorchTrainingSample
from darts.utils.serialization import add_safe_globals

from darts_tsformers.adapter.checks.alignment import check_one_for_each, check_reach, from_start, in_dtype, warn_of_late
from darts_tsformers.adapter.checks.argument_rules import check_arguments, check_encoders, check_names
from darts_tsformers.adapter.checks.calls import CheckedCalls
from darts_tsformers.adapter.checks.names import Names, check_target, in_order, like, names_of
from darts_tsformers.adapter.checks.series import (
    check_categories,
    check_embedding_sizes,
    check_finite,
    check_observed,
    check_statics,
    check_widths,
    resolve_categories,
    static_names,
    with_statics_in_order,
)
from darts_tsformers.adapter.checks.sizes import check_sizes, without_weights
from darts_tsformers.adapter.docs import compose_docstring, full_signature
from darts_tsformers.adapter.files.plain import plain, python_values
from darts_tsformers.adapter.files.runs import new_run
from darts_tsformers.adapter.forecasting.datasets import ObservedInferenceDataset
from darts_tsformers.adapter.forecasting.predicting import PredictingModel
from darts_tsformers.adapter.forecasting.window_encodings import window_encoder
from darts_tsformers.adapter.likelihoods import restore_rules
from darts_tsformers.adapter.module import TSFormerModule
from darts_tsformers.adapter.published import PublishedModel
from darts_tsformers.adapter.starting import StartingModel
from darts_tsformers.adapter.streams.stream import StreamingModel
from darts_tsformers.adapter.training.callback_states import TrainedAnew
from darts_tsformers.adapter.training.finite import WatchedModel
from darts_tsformers.adapter.training.loss import is_joint
from darts_tsformers.adapter.training.preparing import prepare
from darts_tsformers.adapter.training.variates import number_drawn
from darts_tsformers.adapter.transfers.finetuning import check_patterns
from darts_tsformers.adapter.transfers.updating import UpdatingModel
from darts_tsformers.checks import require_at_least, require_flag
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._streaming import leaves_out_start, require_norm
from darts_tsformers.window import Sizes

logger = get_logger(__name__)


class TSFormerModel(
    PublishedModel,
    StartingModel,
    UpdatingModel,
    StreamingModel,
    CheckedCalls,
    TrainedAnew,
    WatchedModel,
    PredictingModel,
    ABC,
):
    """Base class of all forecasters: what a subclass has to say is its network and its arguments.

    A subclass sets :attr:`network_class` and writes an explicit ``__init__`` whose keyword arguments are the network's,
    with the same names and defaults, next to those of the shared path (``use_instance_norm``, ...). The rest is done
    here: documentation, signature, safe loading, checks when the model is made, statics, likelihoods, precision.

    Losses, logged ones and thresholds such as Huber's ``delta`` too, are in standard deviations of each component
    within the series of the training part, so that a model trains alike in any unit; for counts, shares and likelihoods
    with priors they are in the units of the data.

    Attributes
    ----------
    network_class
        The architecture.
    tiny, tiny_variants
        Arguments that make a model small enough to train in a blink, for tests with look-backs from four steps on; and
        by name what to change in them for another form of it.

    Raises
    ------
    ValueError
        When a model is made, if an argument breaks its rule; the message names the argument, its value and the rule.

    Examples
    --------
    A forecaster that goes on from the last value, at a slope that it learns:

    >>> import numpy as np
    >>> import torch
    >>> from darts import TimeSeries
    >>> from darts_tsformers.models import TSFormerModel
    >>> from darts_tsformers.networks import Network
    >>> class Drift(Network, name="drift"):
    ...     def __init__(self, sizes):
    ...         super().__init__(sizes)
    ...         self.slope = torch.nn.Parameter(torch.zeros(sizes.n_targets, sizes.n_parameters))
    ...
    ...     def forward(self, window):  # (B, L, C) -> (B, H, C, Q)
    ...         steps = torch.arange(1, self.sizes.output_length + 1, device=self.slope.device)
    ...         return window.target[:, -1:, :, None] + steps[:, None, None] * self.slope
    >>> class DriftModel(TSFormerModel):
    ...     network_class = Drift
    ...
    ...     def __init__(self, input_chunk_length, output_chunk_length, output_chunk_shift=0, **kwargs):
    ...         super().__init__()
    >>> series = TimeSeries.from_values(np.arange(60, dtype=np.float32))
    >>> model = DriftModel(12, 3, n_epochs=1, random_state=0, pl_trainer_kwargs={"enable_progress_bar": False})
    >>> model.fit(series, verbose=False).predict(3, verbose=False).values().ravel().round()
    array([59., 59., 59.], dtype=float32)
    """

    network_class: ClassVar[type[Network]]
    tiny: ClassVar[dict[str, Any]] = {}
    tiny_variants: ClassVar[dict[str, dict[str, Any]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not hasattr(cls, "network_class"):
            return
        signature = full_signature(inspect.signature(cls.__init__))
        cls.__signature__ = signature
        cls.__doc__ = compose_docstring(cls.__doc__ or "", cls.network_class.__doc__ or "", signature)
        add_safe_globals([cls])

    def __init__(self) -> None:
        check_names(type(self), self.model_params)
        check_arguments(python_values(self.model_params))
        super().__init__(**self._extract_torch_model_params(**python_values(self.model_params)))
        self._model_params |= python_values(self._model_params)  # Darts' copies: training changes what it was given
        params = self.model_params
        self._network_params = plain(self._network_arguments())
        self._model_params |= self._network_params
        self._shared_params = {
            "use_instance_norm": params.get("use_instance_norm", True),
            "instance_norm_affine": params.get("instance_norm_affine", False),
            "train_variates": params.get("train_variates"),
            "recompute": params.get("recompute", False),
        }
        self.pl_module_params = self._extract_pl_module_params(**params)
        self._considers_static_covariates = params.get("use_static_covariates", True)
        self._static_names: list[str] | None = None
        self._component_names: Names = {}
        self._check()

    def _network_arguments(self) -> dict[str, Any]:
        known = inspect.signature(self.network_class).parameters
        return {name: value for name, value in self.model_params.items() if name in known}

    def _check(self) -> None:
        """Fail now, not in ``fit``, on anything the network or the shared path will refuse."""
        params = self.model_params
        lookback = params["input_chunk_length"]
        require_at_least(1, input_chunk_length=lookback, output_chunk_length=params["output_chunk_length"])
        require_at_least(0, output_chunk_shift=params["output_chunk_shift"])
        require_at_least(1, min_input_chunk_length=self.min_input_chunk_length)
        check_encoders(self)
        check_sizes(
            self._network_params
            | {name: params[name] for name in ("input_chunk_length", "output_chunk_length", "output_chunk_shift")}
        )
        if self.min_input_chunk_length > lookback:
            raise ValueError(
                f"min_input_chunk_length={self.min_input_chunk_length} must be at most input_chunk_length={lookback}"
            )
        flags = ("instance_norm_affine", "use_static_covariates", "recompute")
        require_flag(**{name: params[name] for name in flags if name in params})
        check_embedding_sizes(params.get("categorical_embedding_sizes"))
        likelihood = params.get("likelihood")
        if likelihood is not None and self.network_class.draws_paths:
            raise ValueError(f"likelihood={likelihood!r} must be None: {type(self).__name__} draws paths instead")
        if self._shared_params["use_instance_norm"]:
            restore_rules(likelihood)
        sizes = Sizes(lookback, params["output_chunk_length"], params["output_chunk_shift"])
        network = without_weights(self.network_class, sizes, self._network_params)
        require_norm(self._shared_params["use_instance_norm"], network)
        train_variates = self._shared_params["train_variates"]
        if train_variates is not None:
            number_drawn(train_variates, n_targets=1)
            tie = self._width_tie(network)
            if tie is not None:
                raise ValueError(
                    f"train_variates={train_variates!r} needs a model that is not tied to its components; "
                    f"it is by {self._named(tie)}"
                )

    def _width_tie(self, network: Network) -> str | None:
        """Name what belongs to single components of the target: an argument, or the architecture."""
        params = self.model_params
        ties = {
            network.width_tie: network.width_tie is not None,
            "instance_norm_affine": self._shared_params["instance_norm_affine"],
            "use_reversible_instance_norm": bool(params.get("use_reversible_instance_norm", False)),
            "likelihood": is_joint(params.get("likelihood")),
        }
        return next((name for name, is_tied in ties.items() if is_tied), None)

    def _named(self, tie: str) -> str:
        return f"{tie}={self.model_params[tie]!r}" if tie in self.model_params else f"its {tie}"

    def _create_model(self, train_sample: TorchTrainingSample) -> PLForecastingModule:
        module = TSFormerModule(
            network=self.network_class.name,
            network_params=self._network_params,
            categories=self._categories(),
            objective=self._plan.objective,
            **self._shared_params,
            **self.pl_module_params,
        )
        module.run = self._run = new_run()
        return module

    def _categories(self) -> list[tuple[int, int, int]]:
        sizes = self.model_params.get("categorical_embedding_sizes")
        return resolve_categories(sizes, self._static_names) if sizes and self._considers_static_covariates else []

    def _setup_finetuning(self, model: PLForecastingModule) -> None:
        check_patterns(model, self.enable_finetuning)
        super()._setup_finetuning(model)

    def fit_from_dataset(self, train_dataset: TorchTrainingDataset, *args: Any, **kwargs: Any) -> "TSFormerModel":
        """Train on a data set; see Darts' documentation. Static covariates have the names of its first series."""
        if self.model is None:
            self._static_names = static_names(getattr(train_dataset, "series", None))
        return super().fit_from_dataset(train_dataset, *args, **kwargs)

    def _checked(self, series: Sequence[TimeSeries]) -> Sequence[TimeSeries]:
        """Put static covariates in the order of training, and refuse what no batch can be made of."""
        check_widths(series)
        network = None if self.model is None else self.model.forecaster.network
        check_target(series, self._component_names, None if network is None else self._width_tie(network))
        if self.uses_static_covariates or (self.model is None and self.considers_static_covariates):
            check_statics(series)
        if self.considers_static_covariates and self._static_names is not None:
            series = with_statics_in_order(series, self._static_names)
        check_categories(series, self._categories())
        return series

    def _aligned(
        self,
        series: Sequence[TimeSeries],
        past_covariates: Sequence[TimeSeries] | None,
        future_covariates: Sequence[TimeSeries] | None,
    ) -> tuple[Sequence[TimeSeries], Sequence[TimeSeries] | None, Sequence[TimeSeries] | None]:
        """Check what a data set is made of; give all one type of number, and covariates the start of their series."""
        covariates = {"past_covariates": past_covariates, "future_covariates": future_covariates}
        check_one_for_each(series, **covariates)
        dtype = self._dtype(series)
        series = self._checked(in_dtype(series, dtype))
        past, future = (
            None if given is None else from_start(in_dtype(in_order(name, given, self._component_names), dtype), series)
            for name, given in covariates.items()
        )
        check_finite(series=series, past_covariates=past, future_covariates=future)
        return series, past, future

    def _dtype(self, series: Sequence[TimeSeries]) -> np.dtype:
        """Return the type of number that the model takes; before it is made it becomes that of the first series."""
        if self.model is None:
            return series[0].dtype
        return np.dtype("float64" if self.model.dtype == torch.float64 else "float32")

    def _process_validation_set(self, series: Sequence[TimeSeries], *args: Any, **kwargs: Any) -> Any:
        """Bring the series to validate on to the type of those to train on as well."""
        val_series, *covariates = super()._process_validation_set(series, *args, **kwargs)
        return None if val_series is None else in_dtype(val_series, self._dtype(series)), *covariates

    def _build_train_dataset(
        self,
        series: Sequence[TimeSeries],
        past_covariates: Sequence[TimeSeries] | None,
        future_covariates: Sequence[TimeSeries] | None,
        sample_weight: Sequence[TimeSeries] | str | None,
        max_samples_per_ts: int | None,
        stride: int = 1,
    ) -> TorchTrainingDataset:
        if self._static_names is None:
            self._static_names = static_names(series)
        if not self._component_names and self.model is None:
            covariates = {"past_covariates": past_covariates, "future_covariates": future_covariates}
            self._component_names = names_of(series=series, **covariates)
        check_observed(series)
        warn_of_late(series, past_covariates=past_covariates, future_covariates=future_covariates)
        series, past_covariates, future_covariates = self._aligned(series, past_covariates, future_covariates)
        horizon, shift = (self.output_chunk_length, self.output_chunk_shift) if self._requires_training else (0, 0)
        needed = self.min_input_chunk_length + shift + horizon
        long_enough = [i for i, one in enumerate(series) if len(one) >= needed] or list(range(len(series)))
        if len(long_enough) < len(series):
            logger.warning(
                f"{len(series) - len(long_enough)} of {len(series)} series have fewer than the {needed} steps that a "
                "window needs to train or validate on; they are left out there and can still be forecast."
            )
        looked_back_on, forecast = slice(-shift - horizon or None), slice(needed - horizon, None)
        check_reach(series, long_enough, looked_back_on, past_covariates=past_covariates)
        check_reach(series, long_enough, slice(None), future_covariates=future_covariates)
        if not isinstance(sample_weight, str | None):
            check_one_for_each(series, sample_weight=sample_weight)
            sample_weight = like(series, in_dtype(sample_weight, series[0].dtype))
            check_reach(series, long_enough, forecast, sample_weight=sample_weight)

        def kept(given: Any) -> Any:
            return given if given is None or isinstance(given, str) else [given[i] for i in long_enough]

        return super()._build_train_dataset(
            kept(series),
            kept(past_covariates),
            kept(future_covariates),
            kept(sample_weight),
            max_samples_per_ts,
            stride,
        )

    def _build_inference_dataset(
        self,
        n: int,
        series: Sequence[TimeSeries],
        past_covariates: Sequence[TimeSeries] | None,
        future_covariates: Sequence[TimeSeries] | None,
        stride: int = 0,
        bounds: np.ndarray | None = None,
    ) -> TorchInferenceDataset:
        self._require_weights()
        series, past_covariates, future_covariates = self._aligned(series, past_covariates, future_covariates)
        return ObservedInferenceDataset(
            series=series,
            past_covariates=past_covariates,
            future_covariates=future_covariates,
            n=n,
            stride=stride,
            bounds=bounds,
            input_chunk_length=(self.min_input_chunk_length, self.input_chunk_length),
            output_chunk_length=self.output_chunk_length,
            output_chunk_shift=self.output_chunk_shift,
            use_static_covariates=self.uses_static_covariates,
            begins_with_series=leaves_out_start(self.model.forecaster.network),
            encode=None if bounds is None else window_encoder(self, n, series[0]),
        )

    def _setup_for_train(self, train_dataset: TorchTrainingDataset, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Let go of the last forecast, with the network that made it and its series; show a new network its series."""
        self.__dict__.pop("_prediction_trainer", None)
        is_new = self.model is None
        if is_new:
            self._fit_called = False
        found = super()._setup_for_train(train_dataset, *args, **kwargs)
        if is_new:
            prepare(found["model"], train_dataset, found["trainer"])
            self.begin_as_planned(found["model"])
        return found

    def _check_ckpt_parameters(self, tfm_save: "TSFormerModel") -> None:
        """Check as Darts does; this is also the one place where ``load_weights`` has the saved model at hand.

        From it come the names of the static covariates, without which no category can be found again.
        """
        if type(tfm_save) is not type(self):
            raise ValueError(f"weights for {type(self).__name__} must be its own, not of {type(tfm_save).__name__}")
        super()._check_ckpt_parameters(tfm_save)
        self._static_names = tfm_save._static_names
        self._component_names = tfm_save._component_names

    def _validate_predict_ds_output(
        self, train_sample: TorchTrainingSample, inference_sample: TorchInferenceSample
    ) -> None:
        n_trained, n_given = train_sample.past_target.shape[1], inference_sample.past_target.shape[1]
        if n_trained != n_given:
            tie = self._width_tie(self.model.forecaster.network)
            if tie is not None:
                raise ValueError(
                    f"series has {n_given} components, but the model was trained on {n_trained} and {self._named(tie)} "
                    "has parameters for each of them; train a model without that to forecast another number"
                )
            train_sample = train_sample.replace(
                past_target=inference_sample.past_target,
                static_covariates=_as_many_rows(train_sample.static_covariates, n_given),
            )
        super()._validate_predict_ds_output(train_sample=train_sample, inference_sample=inference_sample)

    @property
    def min_input_chunk_length(self) -> int:
        """Fewest steps of a series that can be forecast; what is missing of the look-back counts as not observed."""
        shortest: int | None = self.model_params.get("min_input_chunk_length")
        return self.input_chunk_length if shortest is None else shortest

    @property
    def supports_static_covariates(self) -> bool:
        """Every model of this package takes static covariates."""
        return True


def _as_many_rows(static: np.ndarray | None, n: int) -> np.ndarray | None:
    return static if static is None or len(static) == 1 else np.resize(static, (n, static.shape[1]))
