"""The seasonal naive of the boards: losses are divided by its loss, and it proves that data and metrics are right."""

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from benchmarks.boards.board import DECILES, Item

Z = np.array([NormalDist().inv_cdf(decile) for decile in DECILES])


def seasonal_naive(histories: Sequence[Item], horizon: int, season: int, rows: int | None = None) -> np.ndarray:
    """Return the deciles of repeating the last season, ``(items, H, C, 9)``.

    The spread is normal, its deviation the root of the mean squared difference over a season, times the root of the
    number of seasons ahead. A gap in a history is filled with the last value before it.

    Parameters
    ----------
    histories
        What came before the window.
    horizon
        Rows to forecast.
    season
        Rows that are repeated.
    rows
        How many of the last rows of a history are seen; None for all.
    """
    return np.stack([_one(item.target.values(copy=False)[-(rows or 0) :], horizon, season) for item in histories])


def _one(history: np.ndarray, horizon: int, season: int) -> np.ndarray:
    steps = np.arange(horizon)
    bridged = pd.DataFrame(history).ffill().to_numpy()
    deviation = np.sqrt(np.nanmean(np.square(bridged[season:] - bridged[:-season]), axis=0))
    median = bridged[len(history) - season + steps % season]
    seasons_ahead = np.sqrt(steps // season + 1)
    return median[..., None] + seasons_ahead[:, None, None] * deviation[:, None] * Z
