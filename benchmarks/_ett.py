"""ETTh1 by the protocol of the published tables.

12/4/4 months, standardised by the training part, the weights of the lowest validation loss, all test windows at stride
1, MSE and MAE on the standardised scale.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.models import TSFormerModel
from darts_tsformers.workflow.training import BestWeights

TRAIN, VALIDATION, TEST = 8640, 11520, 14400


def load(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, index_col=0, parse_dates=True).iloc[:TEST].astype(np.float32)
    train = frame.iloc[:TRAIN]
    return (frame - train.mean()) / train.std(ddof=0)


def trainer(patience: int = 3) -> dict[str, object]:
    return {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
        "callbacks": [BestWeights(patience)],
    }


def evaluate(model: TSFormerModel, given: pd.DataFrame, truth: pd.DataFrame) -> dict[str, float]:
    """Train on ``given`` and score against ``truth``."""
    lookback, horizon = model.input_chunk_length, model.output_chunk_length
    series = TimeSeries.from_dataframe(given)
    start = time.perf_counter()
    model.fit(series[:TRAIN], val_series=series[TRAIN - lookback : VALIDATION], verbose=False)
    seconds = time.perf_counter() - start
    forecasts = model.historical_forecasts(
        series[VALIDATION - lookback :],
        forecast_horizon=horizon,
        stride=1,
        retrain=False,
        last_points_only=False,
        verbose=False,
    )
    actual = np.lib.stride_tricks.sliding_window_view(truth.to_numpy()[VALIDATION:], horizon, axis=0)
    errors = np.stack([forecast.values() for forecast in forecasts]) - actual.transpose(0, 2, 1)
    return {
        "windows": len(forecasts),
        "mse": float((errors**2).mean()),
        "mae": float(np.abs(errors).mean()),
        "epochs": len(model.model.loss_history),
        "fit_seconds": seconds,
    }
