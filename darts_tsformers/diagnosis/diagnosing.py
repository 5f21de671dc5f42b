"""Forecast windows of a series, measure, and say what is found."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from types import UnionType

import numpy as np
from darts import TimeSeries
from matplotlib.axes import Axes

from darts_tsformers.adapter.checks.fitted import require_fitted
from darts_tsformers.adapter.training.finite import has_lost_weights, lost_forecasts_allowed
from darts_tsformers.checks import require_at_least
from darts_tsformers.diagnosis.figures import Figures
from darts_tsformers.diagnosis.measuring import measure
from darts_tsformers.diagnosis.picture import bars
from darts_tsformers.diagnosis.rules import RULES, verdict
from darts_tsformers.models import TSFormerModel
from darts_tsformers.seasonality import seasonal_period

N_SAMPLES = 101


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
    ...     is_log_likelihood=False, lost_share=0.0, variance_ratio=0.02, mae=1.5, mae_last_value=2.0, mae_seasonal=1.8,
    ...     missing_share=0.0, dead_share=0.0, tiny_share=0.0, season=7,
    ... )
    >>> diagnosis = Diagnosis(figures, findings=("The forecast is flat.",))
    >>> print(diagnosis)  # doctest: +ELLIPSIS
    Better than repeating the last season of 7 steps: MAE 1.5 against 1.8, 17% less, over 5 windows.
    - The forecast is flat.
    <BLANKLINE>
                 n_windows  5
    ...
            skill_seasonal  0.1667
    """

    figures: Figures
    findings: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Whether the model is better than the better one of two naive forecasts, in a sentence."""
        return verdict(self.figures)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the mean absolute errors of the model and of naive forecasts as bars.

        Parameters
        ----------
        ax
            Where to draw; a new figure of pyplot by default.

        Returns
        -------
        What was drawn on.
        """
        return bars(self.figures, ax)

    def __str__(self) -> str:
        skills = {name: getattr(self.figures, name) for name in ("skill_last_value", "skill_seasonal")}
        said = [self.verdict, *(f"- {finding}" for finding in self.findings or ("Nothing stands out.",)), ""]
        return "\n".join(
            said + [f"{name:>22}  {_written(value)}" for name, value in (asdict(self.figures) | skills).items()]
        )


def _written(value: float | bool | None) -> str:
    if value is None:
        return "unknown"
    return str(value) if isinstance(value, bool) else f"{value:.4g}"


def diagnose(
    model: TSFormerModel,
    series: TimeSeries,
    *,
    past_covariates: TimeSeries | None = None,
    future_covariates: TimeSeries | None = None,
    n_windows: int = 20,
    season: int | None = None,
    unit: float | Sequence[float] = 1.0,
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
    season
        Steps of the season that the naive forecast repeats, at most the look-back; by default what the frequency
        suggests, or 1 where that is longer than the look-back.
    unit
        What 1 in each component of ``series`` stands for in the units to report errors in. For a series of standard
        scores, it is the standard deviation.

    Returns
    -------
    The figures and the findings; ``print`` begins with the verdict.

    Raises
    ------
    TypeError
        If ``model`` is not a model of this package.
    ValueError
        If it is not fitted, if the series or covariates are anything else than one ``TimeSeries`` each, if the series
        is too short for one window, ``n_windows`` below 1, ``season`` out of range, or ``unit`` not above 0 or not one
        for each component.

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
    _check_one(TimeSeries, series=series)
    _check_one(TimeSeries | None, past_covariates=past_covariates, future_covariates=future_covariates)
    require_fitted(model)
    units = _units(series, unit)
    season = _season(model, series, season)
    lookback, horizon = model.min_input_chunk_length, model.output_chunk_length
    first = lookback + model.output_chunk_shift
    n_possible = len(series) - first - horizon + 1
    if n_possible < 1:
        raise ValueError(
            f"series has {len(series)} steps, but a look-back of {lookback} and a horizon of {horizon} "
            f"need {first + horizon}"
        )
    stride = max(1, n_possible // n_windows)
    if has_lost_weights(model.model):  # torch draws no samples of what they forecast
        starts = range(first, first + n_possible, stride)
        forecasts = [series[start : start + horizon] * np.nan for start in starts]
    else:
        with lost_forecasts_allowed():
            forecasts = model.historical_forecasts(
                series,
                past_covariates=past_covariates,
                future_covariates=future_covariates,
                start=series.time_index[lookback],
                forecast_horizon=horizon,
                stride=stride,
                retrain=False,
                last_points_only=False,
                num_samples=1 if model.likelihood is None else N_SAMPLES,
                random_state=0,
                verbose=False,
            )
    figures = measure(model, series, forecasts, season, units)
    return Diagnosis(figures, tuple(rule.words(figures) for rule in RULES if rule.holds(figures)))


def _units(series: TimeSeries, unit: float | Sequence[float]) -> np.ndarray:
    units = np.atleast_1d(np.asarray(unit, dtype=float))
    if len(units) not in (1, series.n_components) or not (units > 0).all():
        raise ValueError(
            f"unit={unit!r} must be above 0: one number, or one for each of {series.n_components} components"
        )
    return units


def _season(model: TSFormerModel, series: TimeSeries, season: int | None) -> int:
    lookback = model.input_chunk_length
    if season is None:
        suggested = seasonal_period(series.freq)
        return suggested if suggested <= lookback else 1
    require_at_least(1, season=season)
    if season > lookback:
        raise ValueError(f"season={season} must be at most input_chunk_length={lookback}, of which it is repeated")
    return season


def _check_one(kind: type | UnionType, **given: object) -> None:
    for name, one in given.items():
        if not isinstance(one, kind):
            raise ValueError(f"{name} must be one TimeSeries, not {type(one).__name__}: diagnose one after the other")
