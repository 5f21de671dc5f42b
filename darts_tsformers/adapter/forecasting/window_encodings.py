"""Encodings of time that are other ones for each window, such as a position relative to the forecast."""

from typing import Any

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.encoders.encoders import CallableIndexEncoder, IntegerIndexEncoder
from darts.utils.data.torch_datasets.utils import TorchInferenceSample

CHECKED_STEPS, LATER = 64, 7


class WindowEncoder:
    """Makes the window that ``predict`` sees, of a series that ends where its past does.

    Darts encodes a series once for all windows of a backtest, so that what is relative to the forecast is so for the
    last of them alone.

    Parameters
    ----------
    model
        A fitted model with encoders.
    n
        Steps to forecast.
    """

    def __init__(self, model: Any, n: int) -> None:
        self._model = model
        self._n = n

    def __call__(self, series: TimeSeries, past: TimeSeries | None, future: TimeSeries | None) -> TorchInferenceSample:
        """Return the window at the end of a series, with covariates that are encoded for it."""
        given = [None if one is None else [one] for one in (past, future)]
        encoded = self._model.generate_predict_encodings(self._n, [series], *given)
        sample: TorchInferenceSample = self._model._build_inference_dataset(self._n, [series], *encoded)[0]
        return sample


def window_encoder(model: Any, n: int, series: TimeSeries) -> WindowEncoder | None:
    """Return what encodes each window by itself, if a model has encodings that take it."""
    encoders = getattr(model, "encoders", None)
    if encoders is None or not encoders.encoding_available:
        return None
    several = [*encoders.past_encoders, *encoders.future_encoders]
    return WindowEncoder(model, n) if any(_is_relative(one, series) for one in several) else None


def _is_relative(encoder: Any, series: TimeSeries) -> bool:
    """Say whether an encoder gives a step another value where other steps are before it."""
    if isinstance(encoder, CallableIndexEncoder):
        index = series.time_index[:CHECKED_STEPS]
        whole, part = (np.asarray(encoder.attribute(one)) for one in (index, index[LATER:]))
        return not np.array_equal(whole[LATER:], part)
    return isinstance(encoder, IntegerIndexEncoder)
