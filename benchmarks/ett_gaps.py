"""What gaps cost: ETTh1 with a share of its values taken out at random, against the complete file and interpolation.

    python -m benchmarks.ett_gaps ETTh1.csv --model patchtst --out results.json

Protocol of the published tables: 12/4/4 months, standardised by the training part, all 2,785 test windows at stride 1,
MSE and MAE on the standardised scale against the *complete* test values. Early stopping on the validation part.
"""

import argparse
import json
import logging
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from darts import TimeSeries

from darts_tsformers import ITransformerModel, PatchTSTModel

MODELS = {"patchtst": PatchTSTModel, "itransformer": ITransformerModel}
TRAIN, VALIDATION, TEST = 8640, 11520, 14400


def load(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, index_col=0, parse_dates=True).iloc[:TEST].astype(np.float32)
    train = frame.iloc[:TRAIN]
    return (frame - train.mean()) / train.std(ddof=0)


def with_gaps(frame: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    return frame.mask(np.random.default_rng(seed).random(frame.shape) < share)


def evaluate(name: str, given: pd.DataFrame, truth: pd.DataFrame, epochs: int, seed: int) -> dict[str, float]:
    config = MODELS[name].paper_config("ETTh1") | {"n_epochs": epochs, "random_state": seed}
    if name == "itransformer":
        config |= {"lr_scheduler_cls": torch.optim.lr_scheduler.ExponentialLR, "lr_scheduler_kwargs": {"gamma": 0.5}}
    trainer = {
        "accelerator": "cpu",
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "callbacks": [pl.callbacks.EarlyStopping("val_loss", patience=3)],
    }
    model = MODELS[name](**config, pl_trainer_kwargs=trainer)
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
    epochs_run = len(model.model.loss_history)
    return {
        "windows": len(forecasts),
        "mse": float((errors**2).mean()),
        "mae": float(np.abs(errors).mean()),
        "epochs": epochs_run,
        "fit_seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", choices=MODELS, required=True)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    truth = load(arguments.data)
    holed = with_gaps(truth, arguments.share, arguments.seed)
    variants = {
        "complete": truth,
        "gaps": holed,
        "gaps, interpolated first": holed.interpolate(limit_direction="both"),
    }
    results = {}
    for label, given in variants.items():
        results[label] = evaluate(arguments.model, given, truth, arguments.epochs, arguments.seed)
        print(arguments.model, label, results[label], flush=True)
        arguments.out.write_text(json.dumps(vars(arguments) | {"results": results}, default=str, indent=2))


if __name__ == "__main__":
    main()
