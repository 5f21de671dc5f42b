"""Classical forecasters beside the candidates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from darts import TimeSeries

from darts_tsformers.tuning.task import Task
from darts_tsformers.workflow.baselines import SeasonalNaive, Smoothing, without_gaps
from darts_tsformers.workflow.names import NAIVE, SMOOTHING

NAMES = (NAIVE, SMOOTHING)
_FEWEST_SMOOTHED = 16


@dataclass(frozen=True)
class Classical:
    """A classical forecaster, which is fitted anew to each series that it forecasts.

    Attributes
    ----------
    name
        One of :data:`NAMES`.
    season
        Steps in a seasonal period; 1 for none.
    series
        What it forecasts unless it is given something else.
    """

    name: str
    season: int
    series: TimeSeries | Sequence[TimeSeries]

    def predict(
        self, n: int, series: TimeSeries | Sequence[TimeSeries] | None = None, **_covariates: Any
    ) -> TimeSeries | Sequence[TimeSeries]:
        """Forecast ``n`` steps after the end of one series or several; by default of what it was tuned on.

        It reads no covariates; it may be given some, as other models are.
        """
        given = self.series if series is None else series
        return self.forecast(given, n) if isinstance(given, TimeSeries) else [self.forecast(one, n) for one in given]

    def forecast(self, series: TimeSeries, n: int) -> TimeSeries:
        """Forecast one series."""
        history = without_gaps(series)
        season = self.season if len(history) > 2 * self.season else 1
        if self.name == SMOOTHING and len(history) >= _FEWEST_SMOOTHED:
            return Smoothing.choose(season, history)(history, n)
        return SeasonalNaive(season)(history, n)


def error(task: Task, name: str) -> float:
    """Judge a classical forecaster on the validation windows."""
    model = Classical(name, task.season, task.series)
    return task.error([model.forecast(one, task.horizon) for one in task.histories()["series"]])
