"""Series made by seed whose last part can be forecast only by what came long before.

Each task makes batches of windows ``(n, L, C)``, the first channel the series, and what it was over the last
``horizon(L)`` steps, ``(n, H)``. These are blank in the window: what is asked is known, the answer is not. Answers have
a mean of about 0 and a deviation of about 1. Lengths are multiples of 64.
"""

from collections.abc import Callable, Mapping

import numpy as np

Batch = tuple[np.ndarray, np.ndarray]
Task = Callable[[np.random.Generator, int, int], Batch]

PARTS = 4
"""Levels of a horizon: a level holds for a quarter of it."""
KEYS = 4
"""Marks that have to be told apart."""
MARK = 4.0
"""What a mark is where it is set: far from its mean, as what is rare is once it is standardised."""
MEMORY = 0.95
"""Of autoregression: what a value keeps of the one a lag before."""
LAGS = 4
"""Lags of autoregression in a window."""
SEASON, SLOW_SEASONS = 16, 1.5
"""Steps of the fast season, and how many of the slow one a window has."""
DISTURBED = 0.5
"""Deviation of noise between or over what counts."""


def horizon(length: int) -> int:
    """Return how many steps are to be forecast."""
    return length // 16


def season(task: str, length: int) -> int:
    """Return after how many steps the series of a task comes back; where it does not, a usual season."""
    return length // LAGS if task == "long-lag AR" else SEASON


def copy(random: np.random.Generator, n: int, length: int) -> Batch:
    """Repeat the levels that the window began with, before noise."""
    ahead = horizon(length)
    levels = _levels(random, n, length)[:, :ahead]
    series = DISTURBED * random.standard_normal((n, length))
    series[:, :ahead] = levels
    return _asked(series), levels


def selective_recall(random: np.random.Generator, n: int, length: int) -> Batch:
    """Name one of several marks at a time, and ask for the level while that mark was set, once and anywhere."""
    ahead = horizon(length)
    held = ahead // PARTS
    series = DISTURBED * random.standard_normal((n, length))
    marks = np.zeros((n, length, KEYS))
    levels = random.standard_normal((n, KEYS))
    places = random.permuted(np.tile(np.arange((length - ahead) // held), (n, 1)), axis=1)[:, :KEYS]
    rows, keys = np.arange(n)[:, None, None], np.arange(KEYS)[:, None]
    at = places[..., None] * held + np.arange(held)
    series[rows, at] = levels[..., None]
    marks[rows, at, keys] = MARK
    asked = np.arange(ahead) * KEYS // ahead
    marks[:, length - ahead + np.arange(ahead), asked] = MARK
    return _asked(series, marks), levels[:, asked]


def long_lag_ar(random: np.random.Generator, n: int, length: int) -> Batch:
    """Follow the values a quarter of the window before, up to noise."""
    lag = length // LAGS
    shocks = _levels(random, n, length).reshape(n, LAGS, lag)
    seen = [shocks[:, 0]]
    for shock in shocks.swapaxes(0, 1)[1:]:
        seen.append(MEMORY * seen[-1] + (1 - MEMORY**2) ** 0.5 * shock)
    series = np.concatenate(seen, axis=1)
    return _asked(series), series[:, -horizon(length) :]


def two_seasons(random: np.random.Generator, n: int, length: int) -> Batch:
    """Continue a fast and a slow season of any phase, under noise."""
    steps = np.arange(length)
    phases = random.random((2, n, 1))
    seasons = np.sin(2 * np.pi * (steps / SEASON + phases[0])) + np.sin(
        2 * np.pi * (steps * SLOW_SEASONS / length + phases[1])
    )
    return _asked(seasons + DISTURBED * random.standard_normal((n, length))), seasons[:, -horizon(length) :]


def rare_event(random: np.random.Generator, n: int, length: int) -> Batch:
    """Recall the level of the only event, in the first half."""
    held = horizon(length) // PARTS
    series = DISTURBED * random.standard_normal((n, length))
    event = np.zeros((n, length, 1))
    level = random.standard_normal((n, 1))
    rows, at = np.arange(n)[:, None], random.integers(length // 2, size=(n, 1)) + np.arange(held)
    series[rows, at] = level
    event[rows, at] = MARK
    return _asked(series, event), np.repeat(level, horizon(length), axis=1)


def noise(random: np.random.Generator, n: int, length: int) -> Batch:
    """Have nothing to go by: the best forecast is the mean."""
    series = random.standard_normal((n, length))
    return _asked(series), series[:, -horizon(length) :]


TASKS: Mapping[str, Task] = {
    "copy": copy,
    "selective recall": selective_recall,
    "long-lag AR": long_lag_ar,
    "two seasons": two_seasons,
    "rare event": rare_event,
    "noise": noise,
}
SEASONAL = ("long-lag AR", "two seasons")
"""Tasks whose series come back after a number of steps that can be known."""


def _levels(random: np.random.Generator, n: int, length: int) -> np.ndarray:
    """Return values that hold for a part of the horizon each."""
    held = horizon(length) // PARTS
    return np.repeat(random.standard_normal((n, length // held)), held, axis=1)


def _asked(series: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """Put channels beside a series whose last part is blanked."""
    given = series.copy()
    given[:, -horizon(series.shape[1]) :] = 0
    return np.concatenate([given[..., None], *others], axis=2)
