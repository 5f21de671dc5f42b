"""What must hold before a training and after it, so that nobody waits for an error."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from darts import TimeSeries

from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.names import MIXED
from darts_tsformers.workflow.prediction import forecast_labels
from darts_tsformers.workflow.settings import MIN_BASELINE_ROWS, Settings
from darts_tsformers.workflow.splits import Split
from darts_tsformers.workflow.table import Table

_FEWEST_VALUES = 3
_LAST_YEAR = 9900
"""Calendars end with the year 9999, and a picture has margins."""


def check_before_training(table: Table, settings: Settings) -> None:
    """Raise a DataError if the series are nothing to train on, or the forecast could not be written as one table."""
    _refuse_far_future(table.target, settings.horizon)
    _require_distinct_columns(table, settings.quantiles, [settings.model_class, *MIXED])
    _refuse_constant(table.target)
    _require_values_to_train(table, settings.split)
    require_known_future(table, settings.horizon)


def require_finite(label: str, forecasts: Iterable[TimeSeries], targets: Sequence[str]) -> None:
    """Raise a DataError if a forecast of the model of this name has a value that is no finite number.

    A forecast has one component or more for each target, side by side.
    """
    for forecast in forecasts:
        values = forecast.all_values(copy=False).reshape(len(forecast), len(targets), -1)
        finite = np.isfinite(values).all(axis=(0, 2))
        if not finite.all():
            name = targets[int(np.argmin(finite))]
            raise DataError(
                f"the forecast of '{name}' by {label} is not finite: look for extreme values in it and in covariates"
            )


def _refuse_far_future(target: TimeSeries, horizon: int) -> None:
    try:
        end = target.end_time() + horizon * target.freq
    except (ValueError, OverflowError):
        end = None
    if end is None or (target.has_datetime_index and end.year > _LAST_YEAR):
        raise DataError(
            f"a horizon of {horizon} steps after {target.end_time()} ends beyond the year {_LAST_YEAR}: correct the "
            "time column or shorten the horizon"
        )


def _require_distinct_columns(table: Table, quantiles: Sequence[float], members: Sequence[str]) -> None:
    labels = [label for name in table.target.components for label in forecast_labels(name, quantiles, members)]
    repeated = [label for label, count in Counter([table.time_name, *labels]).items() if count > 1]
    if repeated:
        raise DataError(
            f"column '{repeated[0]}' would stand twice in forecast.csv, which adds endings such as _Theta to the "
            "targets: rename it in the data"
        )


def _refuse_constant(target: TimeSeries) -> None:
    for name, column in zip(target.components, target.values(copy=False).T, strict=True):
        observed = column[~np.isnan(column)]
        if len(observed) and (observed == observed[0]).all():
            raise DataError(f"target '{name}' is constant, {observed[0]:g} in all rows: there is nothing to forecast")


def _require_values_to_train(table: Table, split: Split) -> None:
    end, test = (table.target.time_index[row] for row in (split.validation_start, split.test_start))
    for name, n in _n_values(table.target[: split.validation_start]).items():
        if n < _FEWEST_VALUES:
            values = "1 value" if n == 1 else f"{n} values"
            raise DataError(
                f"target '{name}' has only {values} before {end}, where training ends: it needs at least "
                f"{_FEWEST_VALUES}; leave it out or bring a longer series"
            )
    if not any(_n_values(table.target[split.validation_start : split.test_start]).values()):
        raise DataError(
            f"no target has a value from {end} to {test}, which stop the training: fill the gap or shorten the series"
        )
    for kind, series in (("past", table.past_covariates), ("future", table.future_covariates)):
        counts = {} if series is None else _n_values(series.drop_after(end))
        for name, n in counts.items():
            if n == 0:
                raise DataError(
                    f"{kind} covariate '{name}' has no values before {end}, where training ends: leave it out"
                )


def _n_values(series: TimeSeries) -> Mapping[str, int]:
    counts = (~np.isnan(series.values(copy=False))).sum(axis=0).tolist()
    return dict(zip(series.components, counts, strict=True))


def rows_needed(lookback: int, horizon: int, season: int) -> int:
    """Return the rows that a model with this look-back forecasts from, and those beside it are fitted to."""
    return max(lookback + horizon, MIN_BASELINE_ROWS, 2 * season + 2)


def require_history(table: Table, needed: int) -> None:
    """Raise a DataError if a table is too short to be forecast, or a target has no value in the last rows."""
    if len(table.target) < needed:
        raise DataError(f"{len(table.target)} rows are too few: the forecaster needs the last {needed}")
    for name, n in _n_values(table.target[-needed:]).items():
        if n == 0:
            raise DataError(f"target '{name}' has no value in the last {needed} rows: bring newer data")


def require_known_future(table: Table, horizon: int) -> None:
    """Raise a DataError if a future covariate is not known over the horizon after the last target."""
    if table.future_covariates is None:
        return
    needed = table.target.end_time() + horizon * table.target.freq
    for name in table.future_covariates.components:
        known = table.known_until.get(name, table.future_covariates.end_time())
        if known < needed:
            raise DataError(
                f"future covariate '{name}' is known until {known}, a horizon of {horizon} needs it until {needed}: "
                "add rows with empty targets, or shorten the horizon"
            )
