"""Forecasting horizons of sktime as steps ahead."""

import numpy as np
import pandas as pd
from sktime.forecasting.base import ForecastingHorizon

from darts_tsformers.models import TSFormerModel
from darts_tsformers.sktime._panel import Instance


def steps_ahead(fh: ForecastingHorizon, one: Instance) -> np.ndarray:
    """Return how many steps after the last observation of a series each entry of a horizon lies."""
    entries = fh.to_pandas()
    if fh.is_relative and pd.api.types.is_integer_dtype(entries):
        return entries.to_numpy()
    stamps = one.rows.index[-1] + entries if fh.is_relative else entries
    return one.axis.steps(stamps) - (one.length - 1)


def whole_chunks(steps: list[np.ndarray], model: TSFormerModel) -> int:
    """Return how many steps a model has to forecast for all the steps asked for, in whole chunks of its output.

    Darts would use only a part of the first chunks to end on the last step asked for; then the forecast of a step would
    depend on what else is asked for.
    """
    length = model.output_chunk_length
    return -(-int(max(ahead.max() for ahead in steps)) // length) * length
