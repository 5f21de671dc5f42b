"""How a model forecasts: in this process, by a trainer that is kept, one thread at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from darts_tsformers.adapter.files.plain import python_values
from darts_tsformers.adapter.files.stored import StoredModel
from darts_tsformers.adapter.forecasting.alone import OneAtATime, forecasts, trains
from darts_tsformers.adapter.forecasting.prediction_trainer import PredictionTrainer
from darts_tsformers.adapter.processes import in_one_process
from darts_tsformers.adapter.transfers.transfer import require_forecasts


class PredictingModel(OneAtATime, StoredModel):
    """A model that several threads may train, forecast by and explain; see :class:`OneAtATime` for what waits."""

    _drops_out = False

    @trains
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Train; see Darts' documentation."""
        return super().fit(*args, **kwargs)

    @trains
    def fit_from_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """Train on a data set; see Darts' documentation."""
        return super().fit_from_dataset(*args, **kwargs)

    @forecasts
    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Forecast; see Darts' documentation."""
        with self._dropping_out(kwargs):
            self._check_samples(kwargs.get("num_samples", 1))
            return super().predict(*args, **kwargs)

    @forecasts
    def predict_from_dataset(self, *args: Any, **kwargs: Any) -> Any:
        """Forecast the windows of a data set; see Darts' documentation."""
        with self._dropping_out(kwargs):
            return super().predict_from_dataset(*args, **kwargs)

    @forecasts
    def historical_forecasts(self, *args: Any, **kwargs: Any) -> Any:
        """Forecast from the points of a series; see Darts' documentation."""
        with self._dropping_out(kwargs.get("predict_kwargs") or {}):
            return super().historical_forecasts(*args, **kwargs)

    @property
    def supports_probabilistic_prediction(self) -> bool:
        """Whether it can draw samples: by a likelihood, as paths, or while it is asked to by dropout.

        Darts takes any model with dropout for one that can, and without ``mc_dropout`` it gives the same sample again
        and again.
        """
        if not self.model_created or self._drops_out:
            return True
        return self.likelihood is not None or self.model.forecaster.network.draws_paths

    @contextmanager
    def _dropping_out(self, arguments: dict[str, Any]) -> Iterator[None]:
        """Let samples be drawn by dropout inside the block, if the arguments of a call ask for that."""
        before = self._drops_out
        self._drops_out = before or bool(arguments.get("mc_dropout"))
        try:
            yield
        finally:
            self._drops_out = before

    def _setup_for_predict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Forecast in this process alone: of a forecast made by several, each would have a part only."""
        self._require_weights()
        require_forecasts(self)
        self._check_samples(kwargs.get("num_samples", 1))
        of_training = self.trainer_params
        self.trainer_params = in_one_process(of_training)
        try:
            kwargs = python_values(kwargs)
            if kwargs.get("trainer") is not None:
                return super()._setup_for_predict(*args, **kwargs)
            made_with = self.trainer_params | {"verbose": kwargs.get("verbose")}
            kwargs["trainer"] = self._prediction_trainer.again(**made_with)
            found = super()._setup_for_predict(*args, **kwargs)
            self._prediction_trainer.keep(found["trainer"], **made_with)
            return found
        finally:
            self.trainer_params = of_training

    def _check_samples(self, num_samples: int) -> None:
        """Raise ``ValueError`` if there is nothing to draw samples from."""
        if num_samples > 1 and not self.supports_probabilistic_prediction:
            raise ValueError(
                f"num_samples={num_samples} must be 1: {type(self).__name__} has no likelihood to draw samples from; "
                "train it with one, such as QuantileRegression(), or draw them by mc_dropout=True"
            )

    @cached_property
    def _prediction_trainer(self) -> PredictionTrainer:
        return PredictionTrainer()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is of this session, as Darts leaves out its trainer."""
        return {name: value for name, value in super().__getstate__().items() if name != "_prediction_trainer"}
