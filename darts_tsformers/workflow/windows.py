"""Forecasts of a trained model on windows of the past and beyond the end, in the units of the data."""

from dataclasses import dataclass

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from darts_tsformers.workflow.settings import Settings
from darts_tsformers.workflow.table import Table


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
        predict_likelihood_parameters=bool(settings.quantiles),
        verbose=False,
    )
    return [_in_units(forecast, scaled.target, settings, scaler) for forecast in forecasts]


def forecast_future(model: TorchForecastingModel, scaled: Table, settings: Settings, scaler: Scaler) -> Forecast:
    """Forecast the horizon after the last known target."""
    forecast = model.predict(
        settings.horizon,
        series=scaled.target,
        past_covariates=scaled.past_covariates,
        future_covariates=scaled.future_covariates,
        predict_likelihood_parameters=bool(settings.quantiles),
        verbose=False,
    )
    return _in_units(forecast, scaled.target, settings, scaler)


def _in_units(forecast: TimeSeries, target: TimeSeries, settings: Settings, scaler: Scaler) -> Forecast:
    """Undo the scaling, in double precision, and make a series of each quantile.

    Darts lays the quantiles side by side for each component.
    Where quantiles cross they are put in order, which can only lower their loss (Chernozhukov et al., 2010).
    """
    forecast = forecast.astype(np.float64)
    if not settings.quantiles:
        return Forecast(scaler.inverse_transform(forecast), {})
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
