"""Exogenous data as future covariates: what sktime calls X is known at the steps to forecast."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.sktime._panel import Instance, Key, as_series, split


def columns_of(X: pd.DataFrame | None) -> list[object]:
    """Return the names of the exogenous variables."""
    return [] if X is None else list(X.columns)


def observed_covariates(X: pd.DataFrame | None, names: list[object], series: list[Instance]) -> list[TimeSeries] | None:
    """Return the named columns of X over the steps of each series, to train with; NaN, not observed, without a row."""
    if X is None or not names:
        return None
    tables = split(X[names])
    return [as_series(one.on_grid(_rows(tables, one.key, names), one.length), names) for one in series]


def known_covariates(
    X: pd.DataFrame,
    names: list[object],
    series: list[Instance],
    horizons: list[int],
    n: int,
) -> list[TimeSeries]:
    """Return the named columns of X over the steps of each series and ``n`` steps more, to forecast with.

    Parameters
    ----------
    X
        All rows known.
    names
        Its columns, in the order of training.
    series
        The series to forecast.
    horizons
        For each the last step asked for: up to there X must be known. From there on its last row stays.
    n
        Steps that are forecast.

    Raises
    ------
    ValueError
        If X is not known at a step up to the last one asked for.
    """
    tables = split(X[names])
    covariates = []
    for one, horizon in zip(series, horizons, strict=True):
        values = one.on_grid(_rows(tables, one.key, names), one.length + n)
        last = one.length + horizon
        _require_known(values[one.length : last], one, names)
        values[last:] = pd.DataFrame(values[last - 1 :]).ffill().to_numpy()[1:]
        covariates.append(as_series(values, names))
    return covariates


def _rows(tables: Mapping[Key, pd.DataFrame], key: Key, names: list[object]) -> pd.DataFrame:
    return tables.get(key, pd.DataFrame(columns=names))


def _require_known(ahead: np.ndarray, one: Instance, names: list[object]) -> None:
    unknown = np.argwhere(np.isnan(ahead))
    if len(unknown):
        step, column = unknown[0]
        first, stamp, last = one.axis.labels(one.length + np.array([0, step, len(ahead) - 1]))
        raise ValueError(
            f"X has no value of {names[column]!r} at {stamp}, a step to forecast for {one.name}: "
            f"X must be known at every step from {first} to {last}"
        )
