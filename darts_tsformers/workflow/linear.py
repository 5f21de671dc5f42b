"""Darts' linear networks as baselines: small enough to be trained anew wherever they are asked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.models import DLinearModel, NLinearModel
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from sklearn.preprocessing import StandardScaler

from darts_tsformers.workflow.baselines import Baseline, without_gaps
from darts_tsformers.workflow.settings import Settings

_BATCH = 32
_MOST_STEPS = 500
_TRAINER = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "logger": False,
}


@dataclass(frozen=True)
class Linear(Baseline):
    """Train a linear map of the look-back, the same for every component, on standard scores.

    Attributes
    ----------
    lookback, horizon
        Sizes of a window.
    steps
        Batches of 32 windows to train.
    seed
        Of the order of windows.
    """

    lookback: int
    horizon: int
    steps: int
    seed: int

    @classmethod
    def of(cls, settings: Settings) -> "Linear":
        """Take the windows of a forecaster, and its steps up to 500."""
        steps = min(settings.epochs * settings.steps_per_epoch, _MOST_STEPS)
        return cls(settings.lookback, settings.horizon, steps, settings.seed)

    model_class: ClassVar[Any]
    """The class of the Darts model."""

    def __call__(self, history: TimeSeries, horizon: int) -> TimeSeries:
        """Forecast."""
        return self._forecasts(history, [history], horizon)[0]

    def windows(self, target: TimeSeries, rows: Sequence[int], horizon: int) -> Iterator[TimeSeries]:
        """Forecast the windows that begin at these rows; it is trained once, on the rows before the first."""
        histories = [without_gaps(target[:row]) for row in rows]
        return iter(self._forecasts(histories[0], histories, horizon))

    def _forecasts(self, training: TimeSeries, histories: Sequence[TimeSeries], horizon: int) -> list[TimeSeries]:
        scaler = Scaler(StandardScaler()).fit(training)
        model = self._trained(_scaled(scaler, training))
        recent = [_scaled(scaler, history[-self.lookback :]) for history in histories]
        forecasts = model.predict(horizon, recent, verbose=False)
        return [scaler.inverse_transform(forecast.astype(training.dtype)) for forecast in forecasts]

    def _trained(self, series: TimeSeries) -> TorchForecastingModel:
        n_windows = len(series) - self.lookback - self.horizon + 1
        n_batches = min(-(-n_windows // _BATCH), self.steps)
        model = self.model_class(
            self.lookback,
            self.horizon,
            shared_weights=True,
            batch_size=_BATCH,
            n_epochs=self.steps // n_batches,
            random_state=self.seed,
            pl_trainer_kwargs=_TRAINER | {"limit_train_batches": n_batches},
        )
        return model.fit(series, verbose=False)


def _scaled(scaler: Scaler, series: TimeSeries) -> TimeSeries:
    return scaler.transform(series).astype(np.float32)


class DLinear(Linear):
    """Trend and rest of the look-back, each mapped for itself."""

    model_class = DLinearModel


class NLinear(Linear):
    """The look-back less its last value, which is added again."""

    model_class = NLinearModel
