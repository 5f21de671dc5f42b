"""All windows of series as a data set, without a forecast of any."""

from types import SimpleNamespace

import pandas as pd
from darts.utils.historical_forecasts.optimized_historical_forecasts_torch import _create_dataset_bounds
from darts.utils.historical_forecasts.utils import _general_checks_start, _process_historical_forecast_input
from darts.utils.ts_utils import series2seq

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.adapter.checks.series import Given, given_or_kept
from darts_tsformers.adapter.forecasting.datasets import ObservedInferenceDataset


def forecast_windows(
    model: TSFormerModel,
    series: Given = None,
    past_covariates: Given = None,
    future_covariates: Given = None,
    *,
    start: pd.Timestamp | int | float | None = None,
    stride: int = 1,
) -> ObservedInferenceDataset:
    """Return the windows that ``historical_forecasts`` forecasts over one horizon, as many as there are at the end too.

    Parameters
    ----------
    model
        A fitted model.
    series, past_covariates, future_covariates
        What ``historical_forecasts`` needs; by default the one series the model was trained on, and what went with it.
    start, stride
        As there.

    Raises
    ------
    ValueError
        If there is no series, no window, or ``start`` is not within a series.
    """
    horizon, several = model.output_chunk_length, series2seq(given_or_kept(model, series))
    at = {"start": start, "start_format": "value", "stride": stride, "forecast_horizon": horizon, "overlap_end": True}
    _general_checks_start(model, several, SimpleNamespace(**at), is_conformal=False)
    found = _process_historical_forecast_input(
        model, several, series2seq(past_covariates), series2seq(future_covariates), horizon
    )
    names = ("series", "past_covariates", "future_covariates")
    data = dict(zip(names, found, strict=True))
    bounds, _ = _create_dataset_bounds(model, **data, **at, show_warnings=False)
    return model._build_inference_dataset(n=horizon, **data, stride=stride, bounds=bounds)
