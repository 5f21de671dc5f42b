"""Series of several requests, forecast together."""

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import perf_counter
from typing import Any

import numpy as np

from darts_tsformers.serving.forecasters import Item
from darts_tsformers.serving.limits import Limits

logger = logging.getLogger(__name__)


class Batches:
    """A thread that forecasts what waits for it.

    Parameters
    ----------
    forecast
        From items to forecasts, one each.
    limits
        How many items at most, and how long the first of them waits.
    """

    def __init__(self, forecast: Callable[[Sequence[Item]], np.ndarray], limits: Limits) -> None:
        self._forecast = forecast
        self._limits = limits
        self._waiting: queue.SimpleQueue[tuple[Item, Future[np.ndarray]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> "Future[np.ndarray]":
        """Let an item be forecast."""
        future: Future[np.ndarray] = Future()
        self._waiting.put((item, future))
        return future

    @property
    def is_alive(self) -> bool:
        """Whether items are forecast."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Forecast what waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            batch, is_last = self._next()
            if batch:
                self._answer(batch)
            if is_last:
                return

    def _next(self) -> tuple[list[tuple[Item, "Future[np.ndarray]"]], bool]:
        """Wait for an item, and a moment for others; say whether it is time to end."""
        first = self._waiting.get()
        if first is None:
            return [], True
        batch, deadline = [first], perf_counter() + self._limits.batch_seconds
        while len(batch) < self._limits.max_batch:
            try:
                following = self._waiting.get(timeout=max(deadline - perf_counter(), 0))
            except queue.Empty:
                break
            if following is None:
                return batch, True
            batch.append(following)
        return batch, False

    def _answer(self, batch: list[tuple[Item, Any]]) -> None:
        try:
            found = self._forecast([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1:  # one series must not cost the others their forecast
                for one in batch:
                    self._answer([one])
                return
            batch[0][1].set_exception(error)
            return
        for (_, future), one in zip(batch, found, strict=True):
            future.set_result(one)
