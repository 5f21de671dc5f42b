"""The protocol of the published tables.

Standardised by the training part; weights of the lowest validation loss, which is all that validation is for; all test
windows at stride 1, each scored once; errors on the standardised scale. Papers that test in batches and drop the last
incomplete one leave windows out: their figures are kept beside those of all windows.
"""

import logging
import time
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from benchmarks.core.data import DataSet
from benchmarks.core.device import accelerator, on_processor
from darts_tsformers.adapter.callbacks import BestWeights

Scores = dict[str, float]


def trainer(patience: int = 3) -> dict[str, Any]:
    """Return arguments of the trainer: quiet, and back to the best weights."""
    return quiet() | {"callbacks": [BestWeights(patience)]}


def quiet() -> dict[str, Any]:
    """Return arguments of a trainer that says nothing and leaves no files."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    return {
        "accelerator": accelerator(),
        "devices": 1,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }


def with_gaps(given: DataSet, share: float) -> DataSet:
    """Hide a share of the values, drawn one by one."""
    hidden = np.random.default_rng(0).random(given.frame.shape) < share
    return replace(given, frame=given.frame.mask(hidden))


def without_gaps(given: DataSet) -> DataSet:
    """Repeat the last value across gaps, which needs nothing that comes later; at the start the first."""
    return replace(given, frame=given.frame.ffill().bfill())


def series_of(given: DataSet, *, by_component: bool = False) -> list[TimeSeries]:
    """Return the table as one series, or each column as one, which a model then forecasts by the same weights."""
    whole = TimeSeries.from_dataframe(given.frame)
    return [whole.univariate_component(name) for name in whole.components] if by_component else [whole]


def train(
    model: TorchForecastingModel,
    given: DataSet,
    stride: int = 1,
    future: TimeSeries | None = None,
    *,
    by_component: bool = False,
    **how: Any,
) -> dict[str, float]:
    """Train on the training part and stop by the validation part; return its lowest loss, when, and the seconds.

    ``how`` are further arguments of ``fit``.
    """
    series = series_of(given, by_component=by_component)
    known = None if future is None else [future] * len(series)
    start = time.perf_counter()
    with on_processor():
        model.fit(
            [one[: given.train] for one in series],
            val_series=[one[given.train - model.input_chunk_length : given.validation] for one in series],
            future_covariates=known,
            val_future_covariates=known,
            stride=stride,
            verbose=False,
            **how,
        )
    (best,) = (one for one in model.trainer.callbacks if isinstance(one, BestWeights))
    return {"validation loss": best.loss, "best epoch": best.epoch, "seconds": time.perf_counter() - start}


def forecasts(
    model: TorchForecastingModel,
    given: DataSet,
    future: TimeSeries | None = None,
    *,
    by_component: bool = False,
    stride: int = 1,
) -> np.ndarray:
    """Return the forecasts of test windows, all of them or one in some steps, ``(windows, H, C)``."""
    series = series_of(given, by_component=by_component)
    with on_processor():
        found = model.historical_forecasts(
            [one[given.validation - model.input_chunk_length :] for one in series],
            future_covariates=None if future is None else [future] * len(series),
            forecast_horizon=model.output_chunk_length,
            stride=stride,
            retrain=False,
            last_points_only=False,
            verbose=False,
        )
    return np.concatenate([np.stack([forecast.values() for forecast in each]) for each in found], axis=-1)


def actual(given: DataSet, horizon: int) -> np.ndarray:
    """Return what came, ``(windows, H, C)``."""
    test = given.frame.to_numpy()[given.validation :]
    return np.lib.stride_tricks.sliding_window_view(test, horizon, axis=0).transpose(0, 2, 1)


def repeated(given: DataSet, horizon: int, season: int = 1) -> np.ndarray:
    """Return the last season again and again, for all test windows."""
    values = given.frame.to_numpy()
    starts = np.arange(given.validation, len(values) - horizon + 1)
    steps = np.arange(horizon) % season - season
    return values[starts[:, None] + steps]


def scores(forecast: np.ndarray, truth: np.ndarray, dropped: int = 32) -> Scores:
    """Return mean errors over all windows, and over those left when the last incomplete batch is dropped."""
    kept = len(truth) - len(truth) % dropped
    errors = forecast - truth
    return {
        "windows": len(truth),
        "mse": float(np.square(errors).mean()),
        "mae": float(np.abs(errors).mean()),
        "published windows": kept,
        "mse, published windows": float(np.square(errors[:kept]).mean()),
        "mae, published windows": float(np.abs(errors[:kept]).mean()),
    }
