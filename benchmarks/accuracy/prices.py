"""Day-ahead prices of Nord Pool by the Temporal Fusion Transformer: is it better than naive, and does it know why?

The forecasts of load and wind are known a day ahead; three covariates of noise are known as well, and should not count.
Look-back 168, horizon 24, all test windows at stride 1. The error is that of the median.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import QuantileRegression

from benchmarks.accuracy.models import trained_by
from benchmarks.accuracy.protocol import trainer
from benchmarks.core import data
from benchmarks.core.device import on_processor
from benchmarks.core.figures import by_model, mean_of, seeds_of
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.trial import Trials
from darts_tsformers import TemporalFusionTransformerModel
from darts_tsformers.recording import recording

LOOKBACK, HORIZON, SEASONS = 168, 24, (24, 168)
QUANTILES = [0.1, 0.5, 0.9]
KNOWN = ["Grid load forecast", "Wind power forecast"]
NOISE = ["white", "white too", "slow"]
PRICE = "OT"


def prices() -> data.DataSet:
    """Read price and forecasts, and add noise of two colours."""
    given = data.read("epf_NP")
    rng = np.random.default_rng(0)
    white, white_too = rng.normal(size=(2, len(given.frame)))
    slow = pd.Series(rng.normal(size=len(given.frame) + 23)).rolling(24).mean().to_numpy()[23:]
    noise = pd.DataFrame({"white": white, "white too": white_too, "slow": slow / slow.std()}, index=given.frame.index)
    return replace(given, frame=given.frame.join(noise.astype(np.float32)))


def series(given: data.DataSet, *columns: str) -> TimeSeries:
    return TimeSeries.from_dataframe(given.frame[list(columns)])


def naive_error(given: data.DataSet, season: int) -> float:
    """Return the mean absolute error of repeating the last season, over all test windows."""
    price = given.frame[PRICE].to_numpy()
    windows = np.lib.stride_tricks.sliding_window_view(price, season + HORIZON)[given.validation - season :]
    repeated = np.resize(windows[:, :season].T, (HORIZON, len(windows))).T
    return float(np.abs(windows[:, season:] - repeated).mean())


def fit(given: data.DataSet, seed: int) -> TemporalFusionTransformerModel:
    model = TemporalFusionTransformerModel(
        LOOKBACK,
        HORIZON,
        d_model=32,
        likelihood=QuantileRegression(QUANTILES),
        add_encoders={"cyclic": {"future": ["hour", "dayofweek"]}},
        random_state=seed,
        pl_trainer_kwargs=trainer() | {"gradient_clip_val": 1.0},
        **trained_by(2e-3, 0.6, batch=64, epochs=6),
    )
    price, known = series(given, PRICE), series(given, *KNOWN, *NOISE)
    with on_processor():
        return model.fit(
            price[: given.train],
            future_covariates=known,
            val_series=price[given.train - LOOKBACK : given.validation],
            val_future_covariates=known,
            stride=5,
            verbose=False,
        )


def median_error(model: TemporalFusionTransformerModel, given: data.DataSet) -> tuple[int, float]:
    """Return how many test windows there are, and the mean absolute error of the median over them."""
    with on_processor():
        found = model.historical_forecasts(
            series(given, PRICE)[given.validation - LOOKBACK :],
            future_covariates=series(given, *KNOWN, *NOISE),
            forecast_horizon=HORIZON,
            stride=1,
            retrain=False,
            last_points_only=False,
            predict_likelihood_parameters=True,
            verbose=False,
        )
    median = np.stack([forecast.values()[:, QUANTILES.index(0.5)] for forecast in found])
    price = given.frame[PRICE].to_numpy()[given.validation :]
    return len(median), float(np.abs(median - np.lib.stride_tricks.sliding_window_view(price, HORIZON)).mean())


def importance(model: TemporalFusionTransformerModel, given: data.DataSet) -> dict[str, dict[str, float]]:
    """Return the mean weight of each variable over a day a week of the test part: of the past, and of the horizon."""
    network = model.model.forecaster.network
    parts = {network.past_selection: "past", network.future_selection: "future"}
    weights: dict[str, list[torch.Tensor]] = {"past": [], "future": []}
    price, known = series(given, PRICE), series(given, *KNOWN, *NOISE)
    for now in range(given.validation, len(given.frame) - HORIZON, 7 * HORIZON):
        with on_processor(), recording("variables") as record:
            model.predict(
                HORIZON,
                price[now - LOOKBACK : now],
                future_covariates=known,
                predict_likelihood_parameters=True,
                verbose=False,
            )
        for entry in record["variables"]:
            weights[parts[entry.module]].append(entry.tensors["weights"].mean(dim=(0, 1)))
    calendar = ["hour sin", "hour cos", "weekday sin", "weekday cos"]
    names = {"past": [PRICE, *KNOWN, *NOISE, *calendar], "future": [*KNOWN, *NOISE, *calendar]}
    return {
        part: dict(zip(names[part], torch.stack(each).mean(dim=0).tolist(), strict=True))
        for part, each in weights.items()
    }


def trial(seed: int) -> dict[str, Any]:
    """Train, score, and ask which variables counted."""
    given = prices()
    model = fit(given, seed)
    windows, error = median_error(model, given)
    naive = {f"share of last {season} hours": error / naive_error(given, season) for season in SEASONS}
    counted = importance(model, given)
    least, most = (pick(counted["future"][name] for name in names) for pick, names in ((min, KNOWN), (max, NOISE)))
    return {
        "model": "TFT",
        "windows": windows,
        "mae": error,
        **naive,
        "least of a driver / most of noise, over the horizon": least / most,
        "importance": counted,
    }


def least_of_a_driver(figures: Figures) -> float | None:
    """Return the least that a driver counts, as a multiple of the most that noise does, of any seed."""
    found = by_model(figures).get("TFT")
    return min(one["least of a driver / most of noise, over the horizon"] for one in found) if found else None


SEEDS = (1, 2, 3)
REMARK = seeds_of("TFT", len(SEEDS))
BENCHMARKS = [
    Trials(
        name="prices",
        title="Day-ahead prices of Nord Pool",
        cases={f"TFT, seed {seed}": partial(trial, seed) for seed in SEEDS},
        goals=[
            *(
                Goal(f"Prices, error as a share of that of the last {season} hours",
                     mean_of("TFT", f"share of last {season} hours"), at_most=0.75, remark=REMARK)
                for season in SEASONS
            ),
            Goal("Prices, least importance of a driver / most of noise, over the horizon, in the worst seed",
                 least_of_a_driver, at_least=1, remark=REMARK),
        ],
        note="Look-back 168 hours, horizon 24, three columns of noise among the covariates. The error is the mean "
        "absolute one of the median, on the standardised scale; what is repeated knows neither load nor wind.",
    )
]  # fmt: skip
