"""From forecasts to figures."""

import numpy as np
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.diagnosis.figures import DEAD_SPREAD, TINY_SPREAD, Figures, share
from darts_tsformers.models import TSFormerModel

NORMS = ("use_instance_norm", "use_reversible_instance_norm")


def measure(
    model: TSFormerModel, series: TimeSeries, forecasts: list[TimeSeries], season: int, units: np.ndarray
) -> Figures:
    """Hold forecasts of windows, and the losses of training, against what came; errors are multiplied by the units."""
    values = series.values(copy=False)
    horizon, shift = model.output_chunk_length, model.output_chunk_shift
    starts = [series.time_index.get_loc(forecast.start_time()) for forecast in forecasts]
    pasts = [_past(values, start - shift, model.input_chunk_length) for start in starts]
    actual = np.stack([values[start : start + horizon] for start in starts])
    predicted = np.stack([_median(forecast.all_values(copy=False)) for forecast in forecasts])
    last_value = np.stack([_repeat_last(past, 1, shift, horizon) for past in pasts])
    last_season = np.stack([_repeat_last(past, season, shift, horizon) for past in pasts])
    losses = model.model.loss_history
    validation = [val for _, val in losses if val is not None]
    past = np.stack(pasts)
    spread = np.nanstd(_filled(past), axis=1)
    return Figures(
        n_windows=len(forecasts),
        train_loss=losses[-1][0] if losses else None,
        train_loss_before=losses[-2][0] if len(losses) > 1 else None,
        validation_loss=validation[-1] if validation else None,
        best_validation_loss=float(np.fmin.reduce(validation)) if validation else None,
        is_log_likelihood=not isinstance(model.likelihood, QuantileRegression | None),
        lost_share=float(np.isnan(predicted).mean()),
        variance_ratio=_variance_ratio(predicted, actual),
        mae=float("nan") if np.isnan(predicted).any() else _mae(predicted, actual, units),
        mae_last_value=_mae(last_value, actual, units),
        mae_seasonal=_mae(last_season, actual, units),
        missing_share=float(np.isnan(past).mean()),
        dead_share=float((np.nanmax(_filled(past), axis=1) - np.nanmin(_filled(past), axis=1) < DEAD_SPREAD).mean()),
        tiny_share=float(((spread < TINY_SPREAD) & (spread >= DEAD_SPREAD)).mean()),
        season=season,
        is_normalised=any(bool(model.model_params.get(name, False)) for name in NORMS),
    )


def _past(values: np.ndarray, end: int, lookback: int) -> np.ndarray:
    """Cut out a look-back; what lies before the series was not observed."""
    past = np.full((lookback, values.shape[1]), np.nan, dtype=values.dtype)
    seen = values[max(end - lookback, 0) : end]
    past[lookback - len(seen) :] = seen
    return past


def _median(samples: np.ndarray) -> np.ndarray:
    """Return the median over the samples, NaN where one of them is no finite number."""
    return np.where(np.isfinite(samples).all(axis=-1), np.median(samples, axis=-1), np.nan)


def _repeat_last(past: np.ndarray, season: int, shift: int, horizon: int) -> np.ndarray:
    """Repeat the last season, each gap in it filled by the last known value."""
    tail = _forward_filled(past)[-season:]
    return tail[np.arange(shift, shift + horizon) % season]


def _forward_filled(past: np.ndarray) -> np.ndarray:
    rows = np.where(np.isnan(past), 0, np.arange(len(past))[:, None])
    return np.take_along_axis(past, np.maximum.accumulate(rows, axis=0), axis=0)


def _filled(past: np.ndarray) -> np.ndarray:
    """Windows with 0 for components of which nothing was observed."""
    return np.where(np.isnan(past).all(axis=1, keepdims=True), 0.0, past)


def _mae(forecast: np.ndarray, actual: np.ndarray, units: np.ndarray) -> float:
    errors = np.abs(forecast - actual) * units
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def _variance_ratio(predicted: np.ndarray, actual: np.ndarray) -> float:
    if predicted.shape[1] == 1:
        predicted, actual = predicted.swapaxes(0, 1), actual.swapaxes(0, 1)
    seen = ~np.isnan(actual)
    came = _squares(actual, seen) if seen.any() else np.nan
    return share(_squares(predicted, seen), came)


def _squares(values: np.ndarray, seen: np.ndarray) -> float:
    """Add up the squared distances from the mean of each window, of what was seen."""
    mean = np.where(seen, values, 0).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    return float((np.where(seen, values - mean, 0) ** 2).sum())
