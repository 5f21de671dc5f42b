"""Windows in batches, as Darts' modules take them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from darts.utils.data.torch_datasets.utils import (
    TorchInferenceBatch,
    TorchInferenceSample,
    TorchTrainingBatch,
    TorchTrainingSample,
)


@dataclass(frozen=True)
class WindowBatch(Sequence[Any]):
    """Windows that were cut together. As a sequence it has the samples of Darts, so that Darts' loaders take it too.

    Attributes
    ----------
    arrays
        By name of the field, ``(B, ...)``.
    forecasts
        For windows to forecast from: returns schema and first stamp of the forecast of one of them.
    """

    arrays: dict[str, np.ndarray]
    forecasts: Callable[[int], dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.arrays["past_target"])

    def __getitem__(self, i: Any) -> TorchTrainingSample | TorchInferenceSample:
        """Return one sample."""
        one = {name: values[i] for name, values in self.arrays.items()}
        return (
            TorchTrainingSample(**one) if self.forecasts is None else TorchInferenceSample(**one, **self.forecasts(i))
        )

    def __iter__(self) -> Iterator[TorchTrainingSample | TorchInferenceSample]:
        return (self[i] for i in range(len(self)))


def as_batch(windows: WindowBatch) -> TorchTrainingBatch | TorchInferenceBatch:
    """Return windows as the batch of tensors that Darts' modules take: the ``collate_fn`` of a loader.

    Parameters
    ----------
    windows
        What :class:`~darts_tsformers.panels.PanelTrainingDataset` or
        :class:`~darts_tsformers.panels.PanelInferenceDataset` gives a loader.

    Examples
    --------
    >>> import pandas as pd
    >>> from torch.utils.data import DataLoader
    >>> from darts_tsformers.panels import Panel, PanelTrainingDataset, WindowSizes, as_batch
    >>> table = pd.DataFrame({"id": [0] * 7, "t": range(7), "y": 1.0})
    >>> panel = Panel.from_pandas(table, id="id", time="t", target="y")
    >>> dataset = PanelTrainingDataset(panel, WindowSizes(lookback=3, shortest_lookback=3, horizon=2))
    >>> next(iter(DataLoader(dataset, batch_size=2, collate_fn=as_batch))).past_target.shape
    torch.Size([2, 3, 1])
    """
    tensors = {name: torch.from_numpy(values) for name, values in windows.arrays.items()}
    if windows.forecasts is None:
        return TorchTrainingBatch(**tensors)
    return TorchInferenceBatch(**tensors, series_schema=[], pred_time=[])
