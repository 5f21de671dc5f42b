"""A forecast of what comes after the end of a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
from darts import TimeSeries


def forecast_labels(name: str, quantiles: Iterable[float], members: Iterable[str]) -> list[str]:
    """Columns of the written forecast of a target: the point, each quantile, and each model it is mixed of."""
    return [name, *(f"{name}_q{float(q)!r}" for q in quantiles), *(f"{name}_{member}" for member in members)]


@dataclass(frozen=True)
class Prediction:
    """What is forecast for the steps after the last known target.

    Attributes
    ----------
    point
        Shape ``(horizon, C)``; the median if there are quantiles.
    quantiles
        Shape ``(horizon, C)`` each, by quantile; empty for a point forecast.
    members
        Forecasts of the models that ``point`` is mixed of, shape ``(horizon, C)`` each, by name; empty if it is that
        of a single model.
    time_name
        Name of the time column.

    Examples
    --------
    >>> import numpy as np
    >>> from darts import TimeSeries
    >>> from darts_tsformers.workflow import Prediction
    >>> point = TimeSeries.from_values(np.array([3.0, 5.0]), columns=["units"])
    >>> prediction = Prediction(point, quantiles={0.1: point - 1, 0.5: point, 0.9: point + 1}, members={})
    >>> prediction.to_frame().columns.tolist()
    ['units', 'units_q0.1', 'units_q0.5', 'units_q0.9']
    >>> prediction.to_frame()["units_q0.9"].tolist()
    [4.0, 6.0]
    """

    point: TimeSeries
    quantiles: Mapping[float, TimeSeries]
    members: Mapping[str, TimeSeries]
    time_name: str = "time"

    def to_frame(self) -> pd.DataFrame:
        """Return one row a step, and the columns of ``forecast.csv``."""
        forecasts = [self.point, *self.quantiles.values(), *self.members.values()]
        columns = {
            label: forecast[name].values(copy=False).ravel()
            for name in self.point.components
            for label, forecast in zip(forecast_labels(name, self.quantiles, self.members), forecasts, strict=True)
        }
        return pd.DataFrame(columns, index=self.point.time_index.rename(self.time_name))

    def __str__(self) -> str:
        return self.to_frame().to_string(float_format="{:.5g}".format)
