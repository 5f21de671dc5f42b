"""Day-ahead prices of Nord Pool by the Temporal Fusion Transformer: is it better than naive, and does it know why?

    python -m benchmarks.epf_tft NP.csv.gz --threads 1 --out benchmarks/results/epf_tft.json

The forecasts of load and wind are known a day ahead; three covariates of noise are known as well, and should not count.
Look-back 168, horizon 24, 70/10/20 % of the rows for training, validation and test, standardised by the training part,
all test windows at stride 1. The error is that of the median.
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
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers import TemporalFusionTransformerModel
from darts_tsformers.layers.recording import recording

LOOKBACK, HORIZON = 168, 24
TRAIN, VALIDATION = 36691, 36691 + 5242
QUANTILES = [0.1, 0.5, 0.9]
KNOWN = ["load", "wind"]
NOISE = ["white", "white too", "slow"]


def load(path: Path) -> pd.DataFrame:
    """Read price and forecasts, and add noise of two colours."""
    frame = pd.read_csv(path, index_col=0, parse_dates=True).set_axis([*KNOWN, "price"], axis=1)
    rng = np.random.default_rng(0)
    frame["white"], frame["white too"] = rng.normal(size=(2, len(frame)))
    frame["slow"] = pd.Series(rng.normal(size=len(frame) + 23)).rolling(24).mean().to_numpy()[23:]
    train = frame.iloc[:TRAIN]
    return ((frame - train.mean()) / train.std(ddof=0)).astype(np.float32)


def errors_of_naive(price: np.ndarray, season: int) -> float:
    """Return the mean absolute error of repeating the last season, over all test windows."""
    windows = np.lib.stride_tricks.sliding_window_view(price, season + HORIZON)[VALIDATION - season :]
    repeated = np.resize(windows[:, :season].T, (HORIZON, len(windows))).T
    return float(np.abs(windows[:, season:] - repeated).mean())


def fit(arguments: argparse.Namespace, frame: pd.DataFrame) -> TemporalFusionTransformerModel:
    model = TemporalFusionTransformerModel(
        LOOKBACK,
        HORIZON,
        d_model=arguments.d_model,
        use_instance_norm=arguments.instance_norm,
        likelihood=QuantileRegression(QUANTILES),
        add_encoders={"cyclic": {"future": ["hour", "dayofweek"]}},
        n_epochs=arguments.epochs,
        batch_size=64,
        optimizer_kwargs={"lr": 2e-3},
        lr_scheduler_cls=torch.optim.lr_scheduler.ExponentialLR,
        lr_scheduler_kwargs={"gamma": 0.6},
        random_state=arguments.seed,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "logger": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "gradient_clip_val": 1.0,
            "callbacks": [pl.callbacks.EarlyStopping("val_loss", patience=3)],
        },
    )
    known = TimeSeries.from_dataframe(frame[[*KNOWN, *NOISE]])
    price = TimeSeries.from_dataframe(frame[["price"]])
    return model.fit(
        price[:TRAIN],
        future_covariates=known,
        val_series=price[TRAIN - LOOKBACK : VALIDATION],
        val_future_covariates=known,
        stride=arguments.stride,
        verbose=False,
    )


def median_forecasts(model: TemporalFusionTransformerModel, frame: pd.DataFrame) -> np.ndarray:
    """Forecast every test window, ``(windows, H)``."""
    forecasts = model.historical_forecasts(
        TimeSeries.from_dataframe(frame[["price"]].iloc[VALIDATION - LOOKBACK :]),
        future_covariates=TimeSeries.from_dataframe(frame[[*KNOWN, *NOISE]]),
        forecast_horizon=HORIZON,
        stride=1,
        retrain=False,
        last_points_only=False,
        predict_likelihood_parameters=True,
        verbose=False,
    )
    return np.stack([forecast.values()[:, QUANTILES.index(0.5)] for forecast in forecasts])


def importance(model: TemporalFusionTransformerModel, frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean weight of each variable over the days of the test part: of the past, and of the horizon."""
    n_days = (len(frame) - VALIDATION) // HORIZON
    network = model.model.forecaster.network
    parts = {network.past_selection: "past", network.future_selection: "future"}
    weights: dict[str, list[torch.Tensor]] = {"past": [], "future": []}
    for day in range(0, n_days, 7):
        now = VALIDATION + HORIZON * day
        with recording("variables") as record:
            model.predict(
                HORIZON,
                TimeSeries.from_dataframe(frame[["price"]].iloc[now - LOOKBACK : now]),
                future_covariates=TimeSeries.from_dataframe(frame[[*KNOWN, *NOISE]]),
                predict_likelihood_parameters=True,
                verbose=False,
            )
        for entry in record["variables"]:
            weights[parts[entry.module]].append(entry.tensors["weights"].mean(dim=(0, 1)))
    calendar = ["hour sin", "hour cos", "weekday sin", "weekday cos"]
    names = {"past": ["price", *KNOWN, *NOISE, *calendar], "future": [*KNOWN, *NOISE, *calendar]}
    return {
        part: dict(zip(names[part], torch.stack(each).mean(dim=0).tolist(), strict=True))
        for part, each in weights.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--d-model", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--stride", type=int, default=5, help="steps between two windows of training")
    parser.add_argument("--instance-norm", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    frame = load(arguments.data)
    price = frame["price"].to_numpy()
    start, worked = time.perf_counter(), time.process_time()
    model = fit(arguments, frame)
    seconds, worked = time.perf_counter() - start, time.process_time() - worked
    forecasts = median_forecasts(model, frame)
    actual = np.lib.stride_tricks.sliding_window_view(price[VALIDATION:], HORIZON)
    mae = float(np.abs(forecasts - actual).mean())
    naive = {f"NaiveSeasonal({season})": errors_of_naive(price, season) for season in (24, 168)}
    results = {
        "arguments": {name: value for name, value in vars(arguments).items() if name not in ("data", "out")},
        "windows": len(forecasts),
        "mae": mae,
        "mae of naive forecasts": naive,
        "ratio": {name: mae / error for name, error in naive.items()},
        "losses": model.model.loss_history,
        "fit_seconds": seconds,
        "fit_processor_seconds": worked,
        "importance": importance(model, frame),
    }
    known = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    label = f"d_model {arguments.d_model}, instance norm {arguments.instance_norm}, seed {arguments.seed}"
    arguments.out.write_text(json.dumps(known | {label: results}, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
