"""Windows to predict from, checked for what no model can do without."""

from dataclasses import replace
from typing import Any

import numpy as np
from darts.utils.data import SequentialTorchInferenceDataset
from darts.utils.data.torch_datasets.utils import TorchInferenceSample

from darts_tsformers.adapter.forecasting.window_encodings import WindowEncoder


class ObservedInferenceDataset(SequentialTorchInferenceDataset):
    """Darts' windows for prediction, where a component without any observed value shows its last known level.

    Parameters
    ----------
    **kwargs
        As for Darts' data set.
    begins_with_series
        Whether nothing is put before the first step of a series that is shorter than the window.
    encode
        What makes a window of a series up to its end and the covariates, where each is encoded by itself.

    Raises
    ------
    ValueError
        On access, if a future covariate is NaN at a step to forecast; the message names series, component and time.
    """

    def __init__(self, *, begins_with_series: bool = False, encode: WindowEncoder | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._encode = encode
        self.begins_with_series = begins_with_series

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one window."""
        if self._encode is not None:
            i, end = self.position(index)
            covariates = (self.past_covariates, self.future_covariates)
            return self._encode(self.series[i][:end], *(None if one is None else one[i] for one in covariates))
        sample = super().__getitem__(index)
        if sample.future_covariates is not None and np.isnan(sample.future_covariates[: self.n]).any():
            raise ValueError(self._unknown_future(index, sample))
        series_index, end = self.position(index)
        if self.begins_with_series and end < self.input_chunk_length:
            return sample
        before = self.series[series_index].values(copy=False)[:end]
        return replace(sample, past_target=with_last_known(sample.past_target, before))

    def position(self, index: int) -> tuple[int, int]:
        """Which series a window is of, and where in it the past ends."""
        if self.bounds is None:
            return index, len(self.series[index])
        return self._find_list_index(index, self.cum_lengths, self.bounds, self.stride)

    def _unknown_future(self, index: int, sample: TorchInferenceSample) -> str:
        series_index, _ = self.position(index)
        covariates = self.future_covariates[series_index]
        step, component = np.argwhere(np.isnan(sample.future_covariates))[0]
        time = sample.pred_time + step * covariates.freq
        return (
            f"future_covariates component {covariates.components[component]!r} of series {series_index} is NaN at "
            f"{time}, a step to forecast; future covariates must be known there"
        )


def with_last_known(window: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Put the last observed value of each component that is not observed in the window in its first row."""
    blind = np.isnan(window).all(axis=0)
    if not blind.any():
        return window
    window = window.copy()
    window[0, blind] = last_known(values)[blind]
    return window


def last_known(values: np.ndarray) -> np.ndarray:
    """Return the last observed value of each component, ``(n, C) -> (C,)``; 0 where there is none."""
    observed = ~np.isnan(values)
    last = len(values) - 1 - observed[::-1].argmax(axis=0)
    return np.where(observed.any(axis=0), values[last, np.arange(values.shape[1])], 0.0).astype(values.dtype)
