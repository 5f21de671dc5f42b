"""What all trials of a study share: the series, and the windows at their ends that judge."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from darts import TimeSeries

from darts_tsformers.seasonality import seasonal_period
from darts_tsformers.workflow.errors import DataError
from darts_tsformers.workflow.scores import score

METRICS = ("MASE", "MAE", "RMSE")
Metric: TypeAlias = str | Callable[[TimeSeries, TimeSeries], float]
"""One of :data:`METRICS`, or what makes a number of what came and what was forecast, such as a metric of Darts."""

_SHARE, _MOST_WINDOWS, _MOST_IN_A_PANEL = 0.2, 10, 3


@dataclass(frozen=True)
class Task:
    """Series to forecast, and how forecasts are judged.

    The last fifth of each series, at most ten windows of one horizon or, of several series, three, is not trained on.

    Attributes
    ----------
    series, past_covariates, future_covariates
        One for each series; None for no covariates.
    horizon
        Steps of a window.
    season
        Steps in a seasonal period; 1 for none.
    metric
        What is to be low.
    is_single
        Whether one series was given, not a sequence.
    """

    series: Sequence[TimeSeries]
    past_covariates: Sequence[TimeSeries] | None
    future_covariates: Sequence[TimeSeries] | None
    horizon: int
    season: int
    metric: Metric
    is_single: bool

    @cached_property
    def ends(self) -> list[list[int]]:
        """For each series the rows before each of its windows."""
        most = _MOST_WINDOWS if len(self.series) == 1 else _MOST_IN_A_PANEL
        counts = [min(max(int(_SHARE * len(one)) // self.horizon, 1), most) for one in self.series]
        return [
            [len(one) - k * self.horizon for k in range(n, 0, -1)] for one, n in zip(self.series, counts, strict=True)
        ]

    @property
    def typical(self) -> TimeSeries:
        """The series of median length."""
        return sorted(self.series, key=len)[len(self.series) // 2]

    def training_data(self, lookback: int) -> dict[str, Any]:
        """Return arguments of ``fit``: rows before the windows to train on, those of the windows to validate on."""
        cuts = [(one, ends[0]) for one, ends in zip(self.series, self.ends, strict=True)]
        covariates = self._covariates()
        return {
            "series": [one[:start] for one, start in cuts],
            "val_series": [one[max(start - lookback, 0) :] for one, start in cuts],
            **covariates,
            **{f"val_{name}": given for name, given in covariates.items()},
        }

    def all_data(self) -> dict[str, Any]:
        """Return arguments of ``fit`` to train on all rows: a series where one was given, or a list."""
        data = {"series": self.series, **self._covariates()}
        return {name: given[0] if self.is_single and given else given for name, given in data.items()}

    def _covariates(self) -> dict[str, Any]:
        return {"past_covariates": self.past_covariates, "future_covariates": self.future_covariates}

    def histories(self) -> dict[str, Any]:
        """Return arguments of ``predict``: what was known before each window of each series."""
        repeats = list(map(len, self.ends))

        def each(given: Sequence[TimeSeries] | None) -> list[TimeSeries] | None:
            return None if given is None else [one for one, n in zip(given, repeats, strict=True) for _ in range(n)]

        pairs = zip(self.series, self.ends, strict=True)
        return {
            "series": [one[:end] for one, ends in pairs for end in ends],
            "past_covariates": each(self.past_covariates),
            "future_covariates": each(self.future_covariates),
        }

    def error(self, forecasts: Sequence[TimeSeries]) -> float:
        """Judge forecasts of all windows, in the order of :meth:`histories`: the mean over the series.

        Raises
        ------
        DataError
            If the metric is not a finite number.
        """
        rest = iter(forecasts)
        own = [[next(rest) for _ in ends] for ends in self.ends]
        errors = np.array([self._error(windows, one) for windows, one in zip(own, self.series, strict=True)])
        found = float(errors[~np.isnan(errors)].mean()) if not np.isnan(errors).all() else float("nan")
        if not np.isfinite(found):
            raise DataError(f"metric {self.metric_name} of the validation windows is {found}: choose another, as 'MAE'")
        return found

    def _error(self, windows: Sequence[TimeSeries], target: TimeSeries) -> float:
        if isinstance(self.metric, str):
            return score(windows, target, self.season)[self.metric]
        return float(np.mean([self.metric(target.slice_intersect(one), one) for one in windows]))

    @property
    def metric_name(self) -> str:
        """What tables call the metric."""
        return self.metric if isinstance(self.metric, str) else getattr(self.metric, "__name__", repr(self.metric))

    def fingerprint(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Return plain data that tell this task from others."""
        digest = hashlib.blake2b(digest_size=16)
        for one in (*self.series, *(self.past_covariates or ()), *(self.future_covariates or ())):
            digest.update(repr((one.start_time(), one.freq, one.components.tolist())).encode())
            digest.update(np.ascontiguousarray(one.values(copy=False)).tobytes())
        return {
            "horizon": self.horizon,
            "season": self.season,
            "metric": self.metric_name,
            "data": digest.hexdigest(),
            **extra,
        }


def usual_season(series: Sequence[TimeSeries]) -> int:
    """Return the season that the frequency suggests, or 1 where a series is short for it."""
    season = seasonal_period(series[0].freq)
    return season if 4 * season <= min(map(len, series)) else 1
