"""What is learnt of the units of a training part, before a network is trained on it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from torch import Tensor

from darts_tsformers.networks._series import TrainingSeries
from darts_tsformers.window import Sizes
from darts_tsformers.window.units import Moments


class Measured(NamedTuple):
    """Moments of the columns of a training part, numbers alone among the static ones."""

    target: Moments
    past: Moments
    future: Moments
    static: Moments


def measure(series: Iterable[TrainingSeries], sizes: Sizes, numeric: Sequence[int]) -> Measured:
    """Read the series once; ``numeric`` are the columns of static covariates that are numbers."""
    measured = Measured(*(Moments(n) for n in (sizes.n_targets, sizes.n_past, sizes.n_future, len(numeric))))
    for one in series:
        static = None if one.static is None else one.static[:, numeric]
        for moments, table in zip(measured, (one.target, one.past, one.future, static), strict=True):
            if table is not None:
                moments.add(table)
    return measured


class SeriesInUnits(Iterable[TrainingSeries]):
    """Series as a network sees them.

    Parameters
    ----------
    series
        In data units.
    target, past, future
        What brings them to other units.
    """

    def __init__(
        self,
        series: Iterable[TrainingSeries],
        *,
        target: Callable[[Tensor], Tensor],
        past: Callable[[Tensor], Tensor],
        future: Callable[[Tensor], Tensor],
    ) -> None:
        self._series = series
        self._target, self._past, self._future = target, past, future

    def __iter__(self) -> Iterator[TrainingSeries]:
        for one in self._series:
            past = None if one.past is None else self._past(one.past)
            future = None if one.future is None else self._future(one.future)
            yield replace(one, target=self._target(one.target), past=past, future=future)
