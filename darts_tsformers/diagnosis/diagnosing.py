"""Forecast windows of a series, measure, and say what is found."""

from dataclasses import asdict, dataclass
from types import UnionType

import numpy as np
from darts import TimeSeries

from darts_tsformers.adapter.finite import has_lost_weights, lost_forecasts_allowed
from darts_tsformers.adapter.fitted import require_fitted
from darts_tsformers.checks import require_at_least
from darts_tsformers.diagnosis.figures import Figures
from darts_tsformers.diagnosis.measuring import measure
from darts_tsformers.diagnosis.rules import RULES
from darts_tsformers.models import TSFormerModel

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
                 n_windows  5
    ...
            skill_seasonal  0.1667
    - The forecast is flat.
    """

    figures: Figures
    findings: tuple[str, ...]

    def __str__(self) -> str:
        skills = {name: getattr(self.figures, name) for name in ("skill_last_value", "skill_seasonal")}
        lines = [f"{name:>22}  {_written(value)}" for name, value in (asdict(self.figures) | skills).items()]
        return "\n".join([*lines, *(f"- {finding}" for finding in self.findings or ("Nothing stands out.",))])


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
    TypeError
        If ``model`` is not a model of this package.
    ValueError
        If it is not fitted, if the series or covariates are anything else than one ``TimeSeries`` each, if the series
        is too short for one window, or ``n_windows`` below 1.

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
    figures = measure(model, series, forecasts)
    return Diagnosis(figures, tuple(rule.words(figures) for rule in RULES if rule.holds(figures)))


def _check_one(kind: type | UnionType, **given: object) -> None:
    for name, one in given.items():
        if not isinstance(one, kind):
            raise ValueError(f"{name} must be one TimeSeries, not {type(one).__name__}: diagnose one after the other")
