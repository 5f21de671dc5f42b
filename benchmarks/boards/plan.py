"""What a configuration needs, derived from its training part, horizon and frequency."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.boards.board import Item
from darts_tsformers.seasonality import seasonal_period

LONGEST = 432
"""Rows of a look-back, unless horizon and season ask for more than their own length."""
WEEK = 168
"""Hours in it: as many rows are seen where that is no more than seven seasons."""
IN_PHASE = 250
"""Windows that have to be left where only those in phase are trained on."""
SHARE = 0.1
"""Of the rows, for validation."""


@dataclass(frozen=True)
class Plan:
    """How to train.

    Attributes
    ----------
    lookback
        Rows that a network sees.
    season
        Rows in the period that the frequency suggests.
    validation
        Rows at the end of the training part for validation: a whole number of ``stride``. 0 where there are too few.
    stride
        Rows from one window of training to the next. Windows to forecast begin in few phases of the season; where
        enough windows in these are left, they alone are trained on.
    n_windows
        Windows of training.
    """

    lookback: int
    season: int
    validation: int
    stride: int
    n_windows: int


def plan(training: Sequence[Item], horizon: int) -> Plan:
    """Return how to train on rows before the first window, the shortest item deciding."""
    rows = min(len(item.target) for item in training)
    season = seasonal_period(training[0].target.freq)
    phase = math.gcd(horizon, season)
    lookback = _lookback(rows, horizon, season)
    validation = _validation(rows, lookback, horizon, phase)
    spare = [len(item.target) - validation - lookback - horizon for item in training]
    in_phase = sum(max(rest // phase + 1, 0) for rest in spare)
    stride = phase if in_phase >= IN_PHASE else 1
    return Plan(lookback, season, validation, stride, sum(max(rest // stride + 1, 0) for rest in spare))


def _lookback(rows: int, horizon: int, season: int) -> int:
    """Return three horizons or some seasons, whole seasons where it can be, and at most what leaves rows to learn."""
    seasons = max(4 * season, min(7 * season, WEEK))
    wanted = min(max(3 * horizon, seasons), max(LONGEST, horizon))
    lookback = max(min(wanted, (rows - horizon) // 3), 1)
    return lookback if lookback < season else lookback // season * season


def _validation(rows: int, lookback: int, horizon: int, phase: int) -> int:
    """Return a share of the rows, a horizon at least, if that leaves as much to train on."""
    wanted = max(round(SHARE * rows), horizon)
    validation = math.ceil(wanted / phase) * phase
    return validation if rows - validation >= lookback + 2 * horizon else 0
