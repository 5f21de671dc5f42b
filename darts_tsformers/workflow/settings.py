"""What the workflow chooses by itself, from the horizon, the frequency and the length of a series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from darts import TimeSeries

from darts_tsformers.catalogue import by_model_name, forecasters
from darts_tsformers.recommendation import Recommendation, recommend
from darts_tsformers.seasonality import seasonal_period
from darts_tsformers.workflow.calendar_encoders import calendar_encoders
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.splits import Split, split_rows

AUTO = "auto"
"""In place of a model: the one that :func:`~darts_tsformers.recommendation.recommend` puts first."""

MIN_BASELINE_ROWS = 16
"""Rows that any classical forecaster needs."""

MIN_LOOKBACK = 4
"""Fewest steps that a model is to see, unless fewer are asked for."""

_USUAL_LOOKBACK = 168
_MAX_SEASONAL_LOOKBACK = 336
_MAX_BATCH_COMPONENTS = 256
_MAX_STEPS_PER_EPOCH = 100
_MAX_STEPS = 2000
_GIVEN_BY = {
    "input_chunk_length": "lookback",
    "output_chunk_length": "horizon",
    "n_epochs": "epochs",
    "likelihood": "quantiles",
    "random_state": "seed",
}
_SET_HERE = ("output_chunk_shift", "pl_trainer_kwargs")


@dataclass(frozen=True)
class Settings:
    """How one forecaster is built, trained and tested.

    Attributes
    ----------
    model
        A name of :func:`~darts_tsformers.catalogue.forecasters`.
    horizon, lookback
        Steps to forecast, and steps before them that the model sees.
    season
        Steps in a seasonal period; 1 for none.
    quantiles
        Quantiles to forecast, ascending; empty for a point forecast.
    seed
        Of the initial weights, the order of windows and dropout.
    epochs, steps_per_epoch, patience
        At most so many epochs of at most so many batches, stopping after so many epochs without a gain in validation.
    split
        The rows of training, validation and test.
    model_arguments
        Arguments of the model's class beyond these.
    recommendation
        Why it is this model; None if it was asked for.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow.settings import choose_settings
    >>> days = pd.date_range("2024-01-01", periods=90, freq="D", name="day")
    >>> week = np.sin(np.arange(90) * 2 * np.pi / 7) + np.arange(90) % 5
    >>> settings = choose_settings(TimeSeries.from_times_and_values(days, week), horizon=7, model="patchtst")
    >>> settings.lookback, settings.season, settings.model_class
    (21, 7, 'PatchTSTModel')
    """

    model: str
    horizon: int
    lookback: int
    season: int
    quantiles: tuple[float, ...]
    seed: int
    epochs: int
    steps_per_epoch: int
    patience: int
    split: Split
    model_arguments: Mapping[str, Any]
    recommendation: Recommendation | None

    @property
    def model_class(self) -> str:
        """Name of the model's class."""
        return forecasters()[self.model].model_name

    @property
    def needs_paths(self) -> bool:
        """Whether quantiles are counted over sampled paths."""
        return bool(forecasters()[self.model].load().needs_paths(**self.model_arguments))


def choose_settings(
    target: TimeSeries,
    horizon: int,
    model: str = AUTO,
    *,
    future_covariates: TimeSeries | None = None,
    lookback: int | None = None,
    season: int | None = None,
    epochs: int | None = None,
    quantiles: Sequence[float] | None = None,
    seed: int = 0,
    model_arguments: Mapping[str, Any] | None = None,
    calendar: bool = False,
    n_series: int = 1,
) -> Settings:
    """Check what is given and choose the rest.

    The look-back is 168 steps or seven seasons, whichever is less, or twice the season (but no more than 336 for that)
    or the horizon where that is more, at most half of what there is to train on, in whole seasons. Small series get
    small batches and many epochs, long ones at most 2,000 steps in all.

    Parameters
    ----------
    target
        What is to be forecast.
    horizon, lookback
        In steps; at least 1.
    model
        A name of :func:`~darts_tsformers.catalogue.forecasters`, or :data:`AUTO`.
    season
        Steps in a seasonal period; by default that which the frequency suggests, or 1 where the series is short for it.
    future_covariates
        What is known over the horizon, which counts in the choice of a model.
    epochs
        Most epochs to train; at least 1.
    quantiles
        Between 0 and 1, symmetric around 0.5, which is one of them.
    seed
        Of everything that is drawn.
    model_arguments
        Arguments of the model's class; they go before what is chosen here.
    calendar
        Whether the model sees where a step stands in the day, the week and the year.
    n_series
        How many series like this one the model is trained on.

    Raises
    ------
    DataError
        If an argument is out of its range or the series is too short for it.
    """
    names = [AUTO, *forecasters()]
    if model not in names:
        raise DataError(f"unknown model '{model}': choose from {', '.join(names)}")
    for name, value in (("horizon", horizon), ("look-back", lookback), ("season", season), ("epochs", epochs)):
        if value is not None and value < 1:
            raise DataError(f"{name} {value} must be at least 1")
    if not 0 <= seed < 2**31:
        raise DataError(f"seed {seed} must be at least 0 and below 2^31")
    _check_model_arguments(model_arguments or {})

    n_rows = len(target)
    min_train_rows = _min_train_rows(MIN_LOOKBACK if lookback is None else lookback, horizon)
    split = split_rows(n_rows, horizon, min_train_rows, target.n_components)
    season = _season(target, split) if season is None else season
    if 2 * season > split.validation_start:
        raise DataError(
            f"season {season} is too long: {split.validation_start} rows to train on must hold two; shorten it "
            "or bring a longer series"
        )
    lookback = lookback or _lookback(split.validation_start, horizon, season)
    needed = _min_train_rows(lookback, horizon) + 2 * horizon
    if n_rows < needed:
        raise DataError(
            f"{n_rows} rows are too few: a look-back of {lookback} and a horizon of {horizon} need {needed}, to train, "
            "to validate and to test; shorten them or bring a longer series"
        )
    n_windows = n_series * (split.validation_start - lookback - horizon + 1)
    arguments: dict[str, Any] = {"batch_size": _batch_size(n_windows, target.n_components)}
    if calendar:
        arguments["add_encoders"] = calendar_encoders(target.time_index[: split.validation_start])
    recommendation = None
    if model == AUTO:
        recommendation = _recommended(target[: split.validation_start], horizon, future_covariates)
        model = by_model_name()[recommendation.best.model].name
        arguments |= recommendation.best.arguments
    model_class = forecasters()[model].load()
    arguments |= model_class.starting_sizes(lookback, season, n_windows) | dict(model_arguments or {})
    steps = min(-(-n_windows // arguments["batch_size"]), _MAX_STEPS_PER_EPOCH)
    epochs = epochs or min(max(_MAX_STEPS // steps, 20), 200)
    return Settings(
        model=model,
        horizon=horizon,
        lookback=lookback,
        season=season,
        quantiles=_checked_quantiles(quantiles),
        seed=seed,
        epochs=epochs,
        steps_per_epoch=steps,
        patience=max(5, epochs * 15 // 100),
        split=split,
        model_arguments=arguments,
        recommendation=recommendation,
    )


def _check_model_arguments(given: Mapping[str, Any]) -> None:
    for name in given:
        if name in _GIVEN_BY:
            raise DataError(f"model_arguments must not hold '{name}': give {_GIVEN_BY[name]} instead")
        if name in _SET_HERE:
            raise DataError(f"model_arguments must not hold '{name}', which is set by the workflow")
    if given.get("batch_size", 1) < 1:
        raise DataError(f"batch_size {given['batch_size']} must be at least 1")


def _recommended(history: TimeSeries, horizon: int, future_covariates: TimeSeries | None) -> Recommendation:
    if np.isnan(history.values(copy=False)).all():
        raise DataError(
            f"no target has a value up to {history.end_time()}, where training ends: leave out what is empty or bring "
            "a longer series"
        )
    return recommend(history, horizon, future_covariates=future_covariates)


def _season(target: TimeSeries, split: Split) -> int:
    season = seasonal_period(target.freq)
    return season if 2 * season <= split.validation_start else 1


def _min_train_rows(lookback: int, horizon: int) -> int:
    return max(lookback + horizon, MIN_BASELINE_ROWS)


def _lookback(n_train: int, horizon: int, season: int) -> int:
    usual = min(_USUAL_LOOKBACK, 7 * season) if season > 1 else _USUAL_LOOKBACK
    wanted = max(usual, min(2 * season, _MAX_SEASONAL_LOOKBACK), 2 * horizon)
    lookback = max(min(wanted, (n_train - horizon) // 2), MIN_LOOKBACK)
    return lookback if lookback < season else lookback // season * season


def _batch_size(n_windows: int, n_components: int) -> int:
    usual = 16 if n_windows < 500 else 32 if n_windows < 2000 else 64
    return min(usual, max(_MAX_BATCH_COMPONENTS // n_components, 8))


def _checked_quantiles(quantiles: Sequence[float] | None) -> tuple[float, ...]:
    chosen = tuple(sorted(set(quantiles or ())))
    if not chosen:
        return ()
    mirrored = all(any(abs(1 - q - other) < 1e-9 for other in chosen) for q in chosen)
    if 0.5 not in chosen or not mirrored or chosen[0] <= 0:
        given = " ".join(f"{q:g}" for q in quantiles or ())
        raise DataError(
            f"quantiles {given} must lie between 0 and 1, include 0.5, and have 1 - q for each q, such as 0.1 0.5 0.9"
        )
    return chosen
