"""What a board asks: which rows to forecast, from which rows, and by what the forecasts are judged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from darts import TimeSeries

DECILES = tuple(tenth / 10 for tenth in range(1, 10))


@dataclass(frozen=True)
class Item:
    """A series to forecast, with what is known of its future.

    Attributes
    ----------
    target
        ``(rows, components)``.
    known
        Covariates with the rows of the target; None where nothing is known.
    """

    target: TimeSeries
    known: TimeSeries | None = None

    def before(self, row: int, ahead: int = 0) -> "Item":
        """Return the rows before one, and what is known of so many rows ahead."""
        return Item(self.target[:row], None if self.known is None else self.known[: row + ahead])


@dataclass(frozen=True)
class Window:
    """Rows to forecast in each item, and all that a forecaster may see.

    Attributes
    ----------
    histories
        The rows of each item before the window, with the covariates known over the window.
    truth
        What came, ``(items, H, C)``.
    """

    histories: Sequence[Item]
    truth: np.ndarray


@dataclass(frozen=True)
class Configuration:
    """A data set at a horizon. Windows lie end to end; the last one ends with the last row.

    Parameters
    ----------
    name
        As on the board.
    read
        Returns the items.
    horizon
        Rows in a window.
    season
        Of the metrics, in rows.
    n_windows
        Windows at the end of each item.
    naive_season
        Of the seasonal naive, where the board gives it another one.
    """

    name: str
    read: Callable[[], Sequence[Item]] = field(hash=False)
    horizon: int
    season: int
    n_windows: int
    naive_season: int | None = None

    def training(self, items: Sequence[Item]) -> list[Item]:
        """Return what may be trained on: the rows before the first window."""
        return [item.before(self._first(item)) for item in items]

    def windows(self, items: Sequence[Item]) -> Iterator[Window]:
        """Yield the windows in order of time."""
        for start in range(0, self.n_windows * self.horizon, self.horizon):
            starts = [self._first(item) + start for item in items]
            yield Window(
                [item.before(row, ahead=self.horizon) for item, row in zip(items, starts, strict=True)],
                np.stack([_values(item)[row : row + self.horizon] for item, row in zip(items, starts, strict=True)]),
            )

    def _first(self, item: Item) -> int:
        return len(item.target) - self.n_windows * self.horizon


@dataclass(frozen=True)
class Board:
    """A board.

    Parameters
    ----------
    name
        As it calls itself.
    source
        File of its published rows, and the commit of the board they are from.
    n_configurations
        How many the board has in all.
    loss
        The metric that it ranks by.
    configurations
        Those that are rebuilt here.
    naive_rows
        Rows of the history that its seasonal naive sees; None for all.
    """

    name: str
    source: tuple[str, str]
    n_configurations: int
    loss: str
    configurations: Sequence[Configuration] = field(hash=False)
    naive_rows: int | None = None

    @property
    def part(self) -> str:
        """How much of the board is here, in words that go with every figure."""
        return f"{len(self.configurations)} of its {self.n_configurations} configurations"


def _values(item: Item) -> np.ndarray:
    return item.target.values(copy=False)
