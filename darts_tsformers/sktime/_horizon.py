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


def n_chunks(n: int, model: TSFormerModel) -> int:
    """Return how often a model has to be run, each time on its own forecast, for ``n`` steps."""
    return -(-n // model.output_chunk_length)
