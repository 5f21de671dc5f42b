"""One forecaster in one configuration: trained once before the first window, then asked window after window."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks.boards.board import Board, Configuration, Item
from benchmarks.boards.metrics import Sums, metrics, sums
from benchmarks.boards.naive import seasonal_naive
from benchmarks.boards.published import NAIVE, row

Forecast = Callable[[Sequence[Item]], np.ndarray]
"""Histories, with what is known of the horizon, to deciles ``(items, H, C, 9)``."""
Recipe = Callable[[Sequence[Item], int, int], tuple[Forecast, dict[str, Any]]]
"""Training part, horizon and seed to a forecaster, and what to keep of how it was made.

It decides everything from these: it is given nothing else, and no row from the first window on.
"""

TOLERANCE = 1e-6


class ProofError(AssertionError):
    """The seasonal naive is not as published, so files or metrics are not the board's."""


def prove(board: Board, configuration: Configuration, items: Sequence[Item]) -> list[Sums]:
    """Return the sums of the seasonal naive, window by window.

    Raises
    ------
    ProofError
        If a metric differs from the published one by more than a millionth of it.
    """
    season = configuration.naive_season or configuration.season

    def repeat(histories: Sequence[Item]) -> np.ndarray:
        return seasonal_naive(histories, configuration.horizon, season, board.naive_rows)

    windows = scored(configuration, items, repeat)
    found = metrics(windows)
    for metric, wanted in row(board, configuration.name).items():
        if not abs(found[metric] - wanted) <= TOLERANCE * abs(wanted):
            raise ProofError(
                f"{board.name}, {configuration.name}: {metric} of the seasonal naive is {found[metric]:.10g}, "
                f"published {wanted:.10g}; the files or the metrics are not the board's"
            )
    return windows


def scored(configuration: Configuration, items: Sequence[Item], forecast: Forecast) -> list[Sums]:
    """Return the sums of a forecaster, window by window; it never sees the rows of the window."""
    windows = configuration.windows(items)
    return [sums(window, forecast(window.histories), configuration.season) for window in windows]


def faults(board: Board) -> Iterator[tuple[str, str]]:
    """Yield each configuration of a board, and what is wrong with its seasonal naive; empty where nothing is."""
    for configuration in board.configurations:
        try:
            prove(board, configuration, configuration.read())
        except ProofError as error:
            yield configuration.name, str(error)
        else:
            yield configuration.name, ""


def naive_trial(board: Board, configuration: Configuration) -> dict[str, Any]:
    """Score the seasonal naive."""
    windows = prove(board, configuration, configuration.read())
    return _result(NAIVE, configuration, windows)


def trial(board: Board, configuration: Configuration, model: str, recipe: Recipe, seed: int) -> dict[str, Any]:
    """Prove the configuration, then train and score.

    Raises
    ------
    ProofError
        If the seasonal naive is not as published.
    ValueError
        If a forecast is not finite or not of its shape.
    """
    items = configuration.read()
    prove(board, configuration, items)
    start = time.perf_counter()
    forecast, made = recipe(configuration.training(items), configuration.horizon, seed)
    trained = time.perf_counter()
    windows = scored(configuration, items, forecast)
    times = {"seconds of training": trained - start, "seconds of forecasts": time.perf_counter() - trained}
    return _result(model, configuration, windows) | {"seed": seed} | made | times


def _result(model: str, configuration: Configuration, windows: Sequence[Sums]) -> dict[str, Any]:
    kept = {what: [float(f"{window[what]:.9g}") for window in windows] for what in windows[0]}
    return {"model": model, "configuration": configuration.name, **metrics(windows), "windows": kept}
