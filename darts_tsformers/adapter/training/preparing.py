"""What is learnt of a training part before training: units, and what the network asks for."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.utils.data import TorchTrainingDataset
from darts.utils.data.torch_datasets.utils import TorchTrainingSample
from darts.utils.utils import n_steps_between
from pytorch_lightning import Trainer
from torch import Tensor

from darts_tsformers.adapter.module import TSFormerModule
from darts_tsformers.networks._series import TrainingSeries

MANY = 1000
"""Windows that tell enough of a unit."""


@torch.no_grad()
def prepare(module: TSFormerModule, dataset: TorchTrainingDataset, trainer: Trainer) -> None:
    """Show a module its training part, in the precision that it will be trained in."""
    if trainer.precision == "64-true":
        module.double()
    whole = TrainingPart(dataset)
    module.measure(whole if whole.is_known else SomeWindows(dataset))
    module.forecaster.prepare(whole)


class TrainingPart(Iterable[TrainingSeries]):
    """The series of a data set, each made when it is its turn: memory is that of one of them.

    They are copies, which a network may change.

    Parameters
    ----------
    dataset
        To train on; it has to know its series, as those of Darts do.
    """

    def __init__(self, dataset: TorchTrainingDataset) -> None:
        self._dataset = dataset

    def __iter__(self) -> Iterator[TrainingSeries]:
        past, future = self._known("past_covariates"), self._known("future_covariates")
        has_static = self._known("uses_static_covariates_covariates")
        for i, series in enumerate(self._known("series")):
            static = series.static_covariates_values(copy=True) if has_static else None
            yield TrainingSeries(
                target=torch.from_numpy(series.values(copy=True)),
                past=None if past is None else _over(past[i], series),
                future=None if future is None else _over(future[i], series),
                static=None if static is None else torch.from_numpy(static),
            )

    @property
    def is_known(self) -> bool:
        """Whether the data set tells its series."""
        names = ("series", "past_covariates", "future_covariates", "uses_static_covariates_covariates")
        return all(hasattr(self._dataset, name) for name in names)

    def _known(self, name: str) -> Any:
        if not hasattr(self._dataset, name):
            raise ValueError(
                f"train_dataset={type(self._dataset).__name__}(...) must have {name!r}: the network learns from whole "
                "series before it is trained"
            )
        return getattr(self._dataset, name)


class SomeWindows(Iterable[TrainingSeries]):
    """The look-backs of a data set that does not tell its series, each for a series; of many, some.

    Parameters
    ----------
    dataset
        To train on.
    """

    def __init__(self, dataset: TorchTrainingDataset) -> None:
        self._dataset = dataset

    def __iter__(self) -> Iterator[TrainingSeries]:
        n = len(self._dataset)
        for one in _windows(self._dataset, np.linspace(0, n - 1, min(n, MANY), dtype=int).tolist()):
            others = (one.past_covariates, one.historic_future_covariates, one.static_covariates)
            given = (None if table is None else torch.tensor(table) for table in others)
            yield TrainingSeries(torch.tensor(one.past_target), *given)


def _windows(dataset: TorchTrainingDataset, numbers: list[int]) -> Iterable[TorchTrainingSample]:
    """Return windows in one piece where a data set can, as PyTorch's loaders do."""
    at_once = getattr(dataset, "__getitems__", None)
    return (dataset[i] for i in numbers) if at_once is None else at_once(numbers)


def _over(covariates: TimeSeries, series: TimeSeries) -> Tensor:
    """Return covariates over the steps of a series; NaN where they do not reach."""
    values = covariates.values(copy=False)
    start = n_steps_between(covariates.start_time(), series.start_time(), series.freq)
    first = max(start, 0)
    end = max(first, min(start + len(values), len(series)))
    over = np.full((len(series), values.shape[1]), np.nan, values.dtype)
    over[first:end] = values[first - start : end - start]
    return torch.from_numpy(over)
