"""What a search is asked with, checked: each error names the argument, what it is and the rule."""

import inspect
from collections.abc import Sequence
from typing import Any

from darts import TimeSeries

from darts_tsformers.adapter.search_space import Options, Range, Space
from darts_tsformers.catalogue import by_model_name, forecasters
from darts_tsformers.checks import did_you_mean, require_at_least
from darts_tsformers.tuning.task import METRICS, Metric
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.settings import AUTO


def check(horizon: int, budget_seconds: float, n_trials: int | None, metric: Metric) -> None:
    """Raise ``ValueError`` if a number is out of range or the metric unknown."""
    require_at_least(1, horizon=horizon)
    if n_trials is not None:
        require_at_least(1, n_trials=n_trials)
    if not budget_seconds > 0:
        raise DataError(f"budget_seconds={budget_seconds!r} must be above 0")
    if not callable(metric) and metric not in METRICS:
        raise DataError(f"metric={metric!r} must be one of {', '.join(METRICS)}, or a function of two series")


def names_of(model_class: type | str | Sequence[type | str]) -> list[str]:
    """Return names of the catalogue, or ``"auto"``.

    Raises
    ------
    DataError
        If one is unknown, or there are none.
    """
    several = [model_class] if isinstance(model_class, type | str) else list(model_class)
    if not several:
        raise DataError(f"model_class={model_class!r} must name at least one model")
    return [_name(one) for one in several]


def _name(model: Any) -> str:
    """Return the name of a class; of a subclass that of the first class that has one."""
    if isinstance(model, str):
        known = [AUTO, *forecasters()]
        if model not in known:
            raise DataError(f"model_class={model!r} is unknown{did_you_mean(model, known)}")
        return model
    entry = by_model_name().get(getattr(model, "__name__", ""))
    if entry is None or entry.load() is not model:
        raise DataError(f"model_class={model!r} must be a class of darts_tsformers, or its name")
    return entry.name


def listed_series(series: TimeSeries | Sequence[TimeSeries]) -> list[TimeSeries]:
    """Return series as a list.

    Raises
    ------
    DataError
        If there are none, or something else is among them.
    """
    listed = [series] if isinstance(series, TimeSeries) else list(series)
    if not listed or not all(isinstance(one, TimeSeries) for one in listed):
        raise DataError("series must be a TimeSeries or a sequence of at least one")
    return listed


def one_for_each(
    name: str, given: TimeSeries | Sequence[TimeSeries] | None, n_series: int
) -> Sequence[TimeSeries] | None:
    """Return covariates as a list.

    Raises
    ------
    DataError
        If there are not as many as series.
    """
    if given is None:
        return None
    listed = [given] if isinstance(given, TimeSeries) else list(given)
    if len(listed) != n_series:
        raise DataError(f"{name} must be one for each series, not {len(listed)} for {n_series}")
    return listed


def check_space(space: Space, models: Sequence[str]) -> None:
    """Raise a DataError if a space names what a class does not have, or holds anything but options and ranges."""
    for name, values in space.items():
        if not isinstance(values, Options | Range):
            raise DataError(f"space[{name!r}]={values!r} must be Options or a Range")
        for model in models:
            entry = forecasters()[model]
            known = inspect.signature(entry.load()).parameters
            argument = name.partition(".")[0]
            if argument not in known:
                raise DataError(
                    f"space names {name!r}, which is no argument of {entry.model_name}{did_you_mean(argument, known)}"
                )
