"""Forecasts of a trained model on windows of the past and beyond the end, in the units of the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.adapter.training.finite import lost_forecasts_allowed
from darts_tsformers.workflow.checks import require_finite
from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Table

N_PATHS = 200
"""Sampled paths of a model that forecasts step by step."""


@dataclass(frozen=True)
class Forecast:
    """What a model says about one window.

    Attributes
    ----------
    point
        Shape ``(horizon, C)``: the median if there are quantiles.
    quantiles
        Shape ``(horizon, C)`` each, by quantile; empty for a point forecast.
    """

    point: TimeSeries
    quantiles: dict[float, TimeSeries]


@lost_forecasts_allowed()
def forecast_windows(
    model: TorchForecastingModel, scaled: Table, first_row: int, settings: Settings, scaler: Scaler
) -> list[Forecast]:
    """Forecast every window of one horizon from ``first_row`` to the end, each from the rows before it alone."""
    forecasts = model.historical_forecasts(
        scaled.target,
        past_covariates=scaled.past_covariates,
        future_covariates=scaled.future_covariates,
        start=first_row - len(scaled.target),
        start_format="position",
        forecast_horizon=settings.horizon,
        stride=settings.horizon,
        retrain=False,
        last_points_only=False,
        verbose=False,
        **_how(settings, settings.horizon),
    )
    return [_in_units(forecast, scaled.target, settings, scaler) for forecast in forecasts]


@lost_forecasts_allowed()
def forecast_future(
    model: TorchForecastingModel, scaled: Table, settings: Settings, scaler: Scaler, horizon: int | None = None
) -> Forecast:
    """Forecast the horizon after the last known target: that of the settings, or another."""
    horizon = settings.horizon if horizon is None else horizon
    forecast = model.predict(
        horizon,
        series=scaled.target,
        past_covariates=scaled.past_covariates,
        future_covariates=scaled.future_covariates,
        verbose=False,
        **_how(settings, horizon),
    )
    return _in_units(forecast, scaled.target, settings, scaler)


@lost_forecasts_allowed()
def forecast_histories(
    model: TorchForecastingModel,
    scaled: Sequence[Table],
    ends: Sequence[int],
    settings: Settings,
    scalers: Sequence[Scaler],
) -> list[Forecast]:
    """Forecast the horizon after the first ``ends`` rows of each of several tables, all at once."""
    forecasts = model.predict(
        settings.horizon,
        series=[table.target[:end] for table, end in zip(scaled, ends, strict=True)],
        past_covariates=_each([table.past_covariates for table in scaled]),
        future_covariates=_each([table.future_covariates for table in scaled]),
        verbose=False,
        **_how(settings, settings.horizon),
    )
    return [
        _in_units(forecast, table.target, settings, scaler)
        for forecast, table, scaler in zip(forecasts, scaled, scalers, strict=True)
    ]


def _each(series: Sequence[TimeSeries | None]) -> list[TimeSeries] | None:
    return [one for one in series if one is not None] or None


def _how(settings: Settings, horizon: int) -> dict[str, Any]:
    """Return how to ask for quantiles.

    The parameters of a model that forecasts step by step, or beyond its horizon, are those along one path: its
    quantiles are of a step given the steps before, and do not widen. Samples are of whole paths.
    """
    if not settings.quantiles:
        return {}
    if settings.needs_paths or horizon > settings.horizon:
        return {"num_samples": N_PATHS, "random_state": settings.seed}
    return {"predict_likelihood_parameters": True}


def _in_units(forecast: TimeSeries, target: TimeSeries, settings: Settings, scaler: Scaler) -> Forecast:
    """Undo the scaling, in double precision, and make a series of each quantile.

    Darts lays the quantiles side by side for each component; of samples they are counted.
    Where quantiles cross they are put in order, which can only lower their loss (Chernozhukov et al., 2010).
    """
    require_finite(settings.model_class, [forecast], target.components)
    forecast = forecast.astype(np.float64)
    if not settings.quantiles:
        return Forecast(scaler.inverse_transform(forecast), {})
    if forecast.is_stochastic:
        values = np.moveaxis(np.quantile(forecast.all_values(copy=False), settings.quantiles, axis=-1), 0, -1)
    else:
        values = forecast.values(copy=False).reshape(len(forecast), target.n_components, len(settings.quantiles))
        values = np.sort(values, axis=-1)
    by_quantile = {
        q: scaler.inverse_transform(
            TimeSeries.from_times_and_values(
                forecast.time_index, np.ascontiguousarray(values[..., k]), columns=target.components
            )
        )
        for k, q in enumerate(settings.quantiles)
    }
    return Forecast(by_quantile[0.5], by_quantile)
