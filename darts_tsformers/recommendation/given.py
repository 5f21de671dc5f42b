"""What a recommendation is asked with, checked: each error names the argument, what it is and the rule."""

from collections.abc import Sequence
from numbers import Real

import numpy as np
from darts import TimeSeries

from darts_tsformers.adapter.checks.series import check_finite
from darts_tsformers.checks import require_at_least


def checked_horizon(horizon: int) -> int:
    """Return steps as an integer of Python."""
    require_at_least(1, horizon=horizon)
    return int(horizon)


def checked_series(series: TimeSeries | Sequence[TimeSeries], horizon: int) -> list[TimeSeries]:
    """Return series that can be looked at together.

    Raises
    ------
    ValueError
        If they cannot.
    """
    given = _listed("series", series, "a TimeSeries or a sequence of them")
    if not given:
        raise ValueError("series is empty: it must be a TimeSeries or a sequence of at least one")
    check_finite(series=given)
    for what, found in {
        "number of components": {one.n_components for one in given},
        "frequency": {one.freq_str if one.has_datetime_index else one.freq for one in given},
    }.items():
        if len(found) > 1:
            raise ValueError(f"series must all have the same {what}, not {' and '.join(sorted(map(str, found)))}")
    longest = max(map(len, given))
    if longest <= horizon:
        raise ValueError(f"series must be longer than horizon={horizon}, the longest has {longest} steps")
    if all(np.isnan(one.values(copy=False)).all() for one in given):
        raise ValueError("series must have values that were observed")
    return given


def check_covariates(future_covariates: TimeSeries | Sequence[TimeSeries] | None, n_series: int) -> None:
    """Raise ``ValueError`` unless there are none, one for all series, or one for each."""
    if future_covariates is None:
        return
    given = _listed("future_covariates", future_covariates, "None, a TimeSeries or a sequence of them")
    if not isinstance(future_covariates, TimeSeries) and len(given) != n_series:
        raise ValueError(f"future_covariates must be one for each series, not {len(given)} for {n_series}")


def check_budget(budget_seconds: float | None) -> None:
    """Raise ``ValueError`` unless there is none or it is a number above 0."""
    if budget_seconds is None:
        return
    is_number = isinstance(budget_seconds, Real) and not isinstance(budget_seconds, bool)
    if not (is_number and budget_seconds > 0):
        raise ValueError(f"budget_seconds={budget_seconds!r} must be a number above 0")


def _listed(name: str, given: TimeSeries | Sequence[TimeSeries], rule: str) -> list[TimeSeries]:
    several = [given] if isinstance(given, TimeSeries) else given
    if not isinstance(several, Sequence) or isinstance(several, str):
        raise ValueError(f"{name} must be {rule}, not {type(given).__name__}")
    for i, one in enumerate(several):
        if not isinstance(one, TimeSeries):
            raise ValueError(f"{name} must be {rule}, but {name}[{i}] is {type(one).__name__}")
    return list(several)
