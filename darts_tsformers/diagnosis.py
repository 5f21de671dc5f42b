"""Is this model any good on this series? Figures, and in words what is wrong and what to try."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
from darts import TimeSeries

from darts_tsformers.layers.checks import require_at_least
from darts_tsformers.models import TSFormerModel
from darts_tsformers.seasonality import seasonal_period

__all__ = ["Diagnosis", "Figures", "diagnose"]

FLAT_BELOW = 0.1
MISSING_ABOVE = 0.3
OVERFIT_ABOVE = 0.1
STILL_FALLING_ABOVE = 0.02
DEAD_SPREAD = 1e-6
TINY_SPREAD = 1e-2  # its square is ten times what the normalisation adds to the variance
N_SAMPLES = 101


@dataclass(frozen=True)
class Figures:
    """What was measured, over windows spread over the series, in the series' own units where there are any.

    Attributes
    ----------
    n_windows
        Windows forecast.
    train_loss, validation_loss, best_validation_loss, train_loss_before
        Mean losses of the last epoch, the lowest validation loss, and the training loss one epoch earlier; None where
        the model keeps none.
    variance_ratio
        Variance of the forecasts within their windows over that of what came; 1 is as lively as the data. Across
        windows where the horizon is a single step.
    mae, mae_last_value, mae_seasonal
        Mean absolute errors: of the model, of repeating the last value, of repeating the last season.
    missing_share
        Share of the input that was not observed.
    dead_share, tiny_share
        Share of windows that are constant, so that there is no spread to normalise by, and of those whose spread is so
        small that the normalisation hardly sees it.
    season
        Steps of the seasonal period used.

    Examples
    --------
    >>> from darts_tsformers.diagnosis import Figures
    >>> figures = Figures(
    ...     n_windows=5, train_loss=0.18, train_loss_before=0.2, validation_loss=0.33, best_validation_loss=0.3,
    ...     variance_ratio=0.9, mae=1.5, mae_last_value=2.0, mae_seasonal=1.8,
    ...     missing_share=0.0, dead_share=0.0, tiny_share=0.0, season=7,
    ... )
    >>> round(figures.overfit, 3), round(figures.still_falling, 3), figures.skill_last_value
    (0.1, 0.1, 0.25)
    """

    n_windows: int
    train_loss: float | None
    train_loss_before: float | None
    validation_loss: float | None
    best_validation_loss: float | None
    variance_ratio: float
    mae: float
    mae_last_value: float
    mae_seasonal: float
    missing_share: float
    dead_share: float
    tiny_share: float
    season: int

    @property
    def overfit(self) -> float:
        """How far the last validation loss is above the best one, as a share of it; 0 where there is none."""
        return _relative(self.validation_loss, self.best_validation_loss)

    @property
    def still_falling(self) -> float:
        """By what share the training loss fell in the last epoch; 0 where that is not known."""
        return -_relative(self.train_loss, self.train_loss_before)

    @property
    def skill_last_value(self) -> float:
        """One minus the error over that of the last value; above 0 is better than naive."""
        return 1 - self.mae / max(self.mae_last_value, np.finfo(float).tiny)

    @property
    def skill_seasonal(self) -> float:
        """One minus the error over that of the last season; above 0 is better than naive."""
        return 1 - self.mae / max(self.mae_seasonal, np.finfo(float).tiny)


@dataclass(frozen=True)
class Diagnosis:
    """Figures and what they say.

    Attributes
    ----------
    figures
        What was measured.
    findings
        What is wrong, each with what to try; empty if nothing is.

    Examples
    --------
    >>> from darts_tsformers.diagnosis import Diagnosis, Figures
    >>> figures = Figures(
    ...     n_windows=5, train_loss=0.2, train_loss_before=0.2, validation_loss=0.3, best_validation_loss=0.3,
    ...     variance_ratio=0.02, mae=1.5, mae_last_value=2.0, mae_seasonal=1.8,
    ...     missing_share=0.0, dead_share=0.0, tiny_share=0.0, season=7,
    ... )
    >>> diagnosis = Diagnosis(figures, findings=("The forecast is flat.",))
    >>> print(diagnosis)  # doctest: +ELLIPSIS
                 n_windows  5
    ...
            skill_seasonal  0.1667
    - The forecast is flat.
    """

    figures: Figures
    findings: tuple[str, ...]

    def __str__(self) -> str:
        numbers = {name: "unknown" if value is None else f"{value:.4g}" for name, value in asdict(self.figures).items()}
        skills = {
            "skill_last_value": f"{self.figures.skill_last_value:.4g}",
            "skill_seasonal": f"{self.figures.skill_seasonal:.4g}",
        }
        lines = [f"{name:>22}  {value}" for name, value in (numbers | skills).items()]
        return "\n".join([*lines, *(f"- {finding}" for finding in self.findings or ("Nothing stands out.",))])


class Rule(NamedTuple):
    """When a finding holds, and how it is worded."""

    holds: Callable[[Figures], bool]
    words: Callable[[Figures], str]


RULES = (
    Rule(
        lambda f: f.variance_ratio < FLAT_BELOW,
        lambda f: (
            f"The forecast is flat: its variance is {f.variance_ratio:.1%} of what came. Try a look-back of at least "
            f"two seasons ({2 * f.season} steps), more epochs, less dropout, or covariates that drive the series."
        ),
    ),
    Rule(
        lambda f: f.skill_last_value <= 0,
        lambda f: (
            f"No better than repeating the last value (MAE {f.mae:.4g} against {f.mae_last_value:.4g}). Try more "
            "epochs, use_instance_norm=True, a smaller model; or the series is close to a random walk."
        ),
    ),
    Rule(
        lambda f: f.season > 1 and f.skill_seasonal <= 0,
        lambda f: (
            f"No better than repeating the last season of {f.season} steps (MAE {f.mae:.4g} against "
            f"{f.mae_seasonal:.4g}). Try a look-back of several seasons, calendar encoders (add_encoders), more epochs."
        ),
    ),
    Rule(
        lambda f: f.overfit > OVERFIT_ABOVE,
        lambda f: (
            f"The validation loss ended {f.overfit:.0%} above its best: it overfits. Stop early, keep the best "
            "checkpoint, or use more dropout or a smaller model."
        ),
    ),
    Rule(
        lambda f: f.still_falling > STILL_FALLING_ABOVE and f.overfit <= 0,
        lambda f: (
            f"The training loss fell by {f.still_falling:.0%} in the last epoch: it was still learning. Train for "
            "more epochs or with a higher learning rate."
        ),
    ),
    Rule(
        lambda f: f.missing_share > MISSING_ABOVE,
        lambda f: (
            f"{f.missing_share:.0%} of the input was not observed. Try a coarser frequency, or a shorter look-back "
            "that holds more of what was."
        ),
    ),
    Rule(
        lambda f: f.dead_share > 0,
        lambda f: (
            f"{f.dead_share:.0%} of the windows are constant: there is no spread to normalise by. Try a longer "
            "look-back, or leave out components that never move."
        ),
    ),
    Rule(
        lambda f: f.tiny_share > 0,
        lambda f: (
            f"{f.tiny_share:.0%} of the windows have a standard deviation below {TINY_SPREAD:g}, which the "
            "normalisation hardly sees. Scale the series, with Darts' Scaler for one."
        ),
    ),
)


def diagnose(
    model: TSFormerModel,
    series: TimeSeries,
    *,
    past_covariates: TimeSeries | None = None,
    future_covariates: TimeSeries | None = None,
    n_windows: int = 20,
) -> Diagnosis:
    """Forecast windows spread over a series and say how the model does.

    Parameters
    ----------
    model
        A fitted model of this package. Of a probabilistic one the median is judged.
    series
        At least look-back plus horizon long; use one that the model was not trained on where you can.
    past_covariates, future_covariates
        What the model was trained with.
    n_windows
        About how many windows to forecast; at least 1.

    Returns
    -------
    The figures and the findings; ``print`` shows both.

    Raises
    ------
    ValueError
        If the series is too short for one window, or ``n_windows`` below 1.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers import PatchTSTModel
    >>> from darts_tsformers import diagnose
    >>> series = TimeSeries.from_values(np.sin(np.arange(90) / 2).astype(np.float32))
    >>> quiet = {"enable_progress_bar": False}
    >>> model = PatchTSTModel(24, 6, patch_length=6, stride=6, n_epochs=1, random_state=0, pl_trainer_kwargs=quiet)
    >>> diagnosis = diagnose(model.fit(series[:60], verbose=False), series, n_windows=5)
    >>> diagnosis.figures.n_windows
    6
    >>> diagnosis.figures.mae < diagnosis.figures.mae_last_value
    True
    """
    require_at_least(1, n_windows=n_windows)
    lookback, horizon = model.min_input_chunk_length, model.output_chunk_length
    first = lookback + model.output_chunk_shift
    n_possible = len(series) - first - horizon + 1
    if n_possible < 1:
        raise ValueError(
            f"series has {len(series)} steps, but a look-back of {lookback} and a horizon of {horizon} "
            f"need {first + horizon}"
        )
    forecasts = model.historical_forecasts(
        series,
        past_covariates=past_covariates,
        future_covariates=future_covariates,
        start=series.time_index[first],
        forecast_horizon=horizon,
        stride=max(1, n_possible // n_windows),
        retrain=False,
        last_points_only=False,
        num_samples=1 if model.likelihood is None else N_SAMPLES,
        random_state=0,
        verbose=False,
    )
    figures = _measure(model, series, forecasts)
    return Diagnosis(figures, tuple(rule.words(figures) for rule in RULES if rule.holds(figures)))


def _measure(model: TSFormerModel, series: TimeSeries, forecasts: list[TimeSeries]) -> Figures:
    values = series.values(copy=False)
    horizon, shift = model.output_chunk_length, model.output_chunk_shift
    starts = [series.time_index.get_loc(forecast.start_time()) for forecast in forecasts]
    pasts = [_past(values, start - shift, model.input_chunk_length) for start in starts]
    actual = np.stack([values[start : start + horizon] for start in starts])
    predicted = np.stack([np.median(forecast.all_values(copy=False), axis=-1) for forecast in forecasts])
    season = _usable_season(series, model.input_chunk_length)
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
        best_validation_loss=min(validation) if validation else None,
        variance_ratio=_variance_ratio(predicted, actual),
        mae=_mae(predicted, actual),
        mae_last_value=_mae(last_value, actual),
        mae_seasonal=_mae(last_season, actual),
        missing_share=float(np.isnan(past).mean()),
        dead_share=float((np.nanmax(_filled(past), axis=1) - np.nanmin(_filled(past), axis=1) < DEAD_SPREAD).mean()),
        tiny_share=float(((spread < TINY_SPREAD) & (spread >= DEAD_SPREAD)).mean()),
        season=season,
    )


def _past(values: np.ndarray, end: int, lookback: int) -> np.ndarray:
    """Cut out a look-back; what lies before the series was not observed."""
    past = np.full((lookback, values.shape[1]), np.nan, dtype=values.dtype)
    seen = values[max(end - lookback, 0) : end]
    past[lookback - len(seen) :] = seen
    return past


def _relative(now: float | None, before: float | None) -> float:
    if now is None or before is None:
        return 0.0
    return (now - before) / max(abs(before), np.finfo(float).tiny)


def _usable_season(series: TimeSeries, lookback: int) -> int:
    season = seasonal_period(series.freq)
    return season if season <= lookback else 1


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


def _mae(forecast: np.ndarray, actual: np.ndarray) -> float:
    errors = np.abs(forecast - actual)
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")


def _variance_ratio(predicted: np.ndarray, actual: np.ndarray) -> float:
    if predicted.shape[1] == 1:
        predicted, actual = predicted.swapaxes(0, 1), actual.swapaxes(0, 1)
    known = np.where(np.isnan(actual).any(axis=1, keepdims=True), np.nan, actual)
    came = np.nanmean(known.var(axis=1)) if np.isfinite(known).any() else np.nan
    return float(predicted.var(axis=1).mean() / max(came, np.finfo(float).tiny))
