"""Forecasts that wait for what comes."""

from collections import OrderedDict
from dataclasses import dataclass
from uuid import uuid4

import numpy as np

from darts_tsformers.serving.forecasters import Item


@dataclass(frozen=True)
class Remembered:
    """A forecast.

    Attributes
    ----------
    point, low, high
        Shape ``(horizon, C)``: the forecast and the outermost quantiles, or the forecast again without quantiles.
    last
        The last value of each target before the forecast, shape ``(C,)``; NaN if there was none.
    has_interval
        Whether there are quantiles.
    """

    point: np.ndarray
    low: np.ndarray
    high: np.ndarray
    last: np.ndarray
    has_interval: bool


class Memory:
    """The latest forecasts by their identifier.

    Parameters
    ----------
    most
        How many; the oldest are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[str, Remembered] = OrderedDict()

    def add(self, item: Item, forecast: np.ndarray) -> str:
        """Remember a forecast, shape ``(horizon, C, 1 + quantiles)``; return its identifier."""
        forecast_id = uuid4().hex
        has_interval = forecast.shape[-1] > 2
        point, low, high = forecast[..., 0], forecast[..., min(1, forecast.shape[-1] - 1)], forecast[..., -1]
        self._kept[forecast_id] = Remembered(point, low, high, _last_values(item.target), has_interval)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return forecast_id

    def get(self, forecast_id: str) -> Remembered | None:
        """Return a forecast; None if it is not known, or was forgotten or scored."""
        return self._kept.get(forecast_id)

    def forget(self, forecast_id: str) -> None:
        """Let go of a forecast that was scored."""
        self._kept.pop(forecast_id, None)


def _last_values(target: np.ndarray) -> np.ndarray:
    last = np.full(target.shape[1], np.nan)
    for k, column in enumerate(target.T):
        observed = column[~np.isnan(column)]
        if len(observed):
            last[k] = observed[-1]
    return last
