"""What a user waits for: an epoch of ``fit``, a backtest over the test part, and the forecast of one series.

ETTh1 with its seven targets, look-back and horizon 96, width 64, one thread.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from darts import TimeSeries
from darts.models import NeuralForecastModel
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput

from benchmarks.core import data
from benchmarks.core.device import on_processor
from benchmarks.core.figures import ratio, value
from benchmarks.core.goals import Figures, Goal
from benchmarks.core.speed import Speed, Step
from benchmarks.speed._darts import quiet, trainer
from benchmarks.speed._gates import by_model
from benchmarks.speed._steps import forecast
from benchmarks.speed.peers import HEADS, MODES
from darts_tsformers import (
    AutoformerModel,
    FEDformerModel,
    InformerModel,
    ITransformerModel,
    LogSparseTransformerModel,
    PatchTSTModel,
    TemporalFusionTransformerModel,
)
from darts_tsformers.models import TSFormerModel

LENGTH, HORIZON, WIDTH = 96, 96, 64

Build = Callable[[], TorchForecastingModel]


def shared() -> dict[str, Any]:
    return {"n_epochs": 1, "batch_size": 32, "random_state": 0, **trainer()}


def ours(model: type[TSFormerModel], **arguments: Any) -> TorchForecastingModel:
    return model(LENGTH, HORIZON, d_model=WIDTH, n_heads=HEADS, **arguments, **shared())


def wrapped(name: str, **arguments: Any) -> TorchForecastingModel:
    named = {"hidden_size": WIDTH} | arguments
    return NeuralForecastModel(LENGTH, HORIZON, model=name, model_kwargs=named, **shared())


MODELS: dict[str, Build] = {
    "PatchTST": partial(ours, PatchTSTModel, n_encoder_layers=2, d_ff=256),
    "iTransformer": partial(ours, ITransformerModel, d_ff=256),
    "Informer": partial(ours, InformerModel, d_ff=256),
    "LogSparse": partial(ours, LogSparseTransformerModel, mode="direct"),
    "Autoformer": partial(ours, AutoformerModel, d_ff=256),
    "FEDformer": partial(ours, FEDformerModel, d_ff=256, modes=MODES),
    "TFT": partial(ours, TemporalFusionTransformerModel, d_variable=8),
}
DECODER: dict[str, Any] = {"n_head": HEADS, "conv_hidden_size": 256}
PEERS: dict[str, Build] = {
    "PatchTST, neuralforecast": partial(
        wrapped, "PatchTST", n_heads=HEADS, encoder_layers=2, linear_hidden_size=256, batch_normalization=True
    ),
    "iTransformer, neuralforecast": partial(wrapped, "iTransformer", n_heads=HEADS, d_ff=256),
    "Informer, neuralforecast": partial(wrapped, "Informer", **DECODER),
    "Autoformer, neuralforecast": partial(wrapped, "Autoformer", **DECODER),
    "FEDformer, neuralforecast": partial(wrapped, "FEDformer", modes=MODES, **(DECODER | {"n_head": 8})),
    "TFT, neuralforecast": partial(wrapped, "TFT", n_head=HEADS),
}


def etth1() -> tuple[TimeSeries, data.DataSet]:
    given = data.read("ETTh1")
    return TimeSeries.from_dataframe(given.frame), given


def trained(build: Build) -> tuple[TorchForecastingModel, TimeSeries, data.DataSet]:
    """Train on a few windows: how well does not matter for how long it takes."""
    quiet()
    series, given = etth1()
    return fitted(build, series[: LENGTH + HORIZON + 7]), series, given


def fitted(build: Build, series: TimeSeries) -> TorchForecastingModel:
    model = build()
    with on_processor():
        return model.fit(series, verbose=False)


def one_epoch(build: Build, *, windows: int) -> Step:
    quiet()
    series, _ = etth1()
    part = series[: LENGTH + HORIZON + windows - 1]
    return lambda: fitted(build, part)


def backtest(build: Build, *, windows: int) -> Step:
    model, series, given = trained(build)
    start = given.validation - LENGTH
    part = series[start : given.validation + HORIZON + windows - 1]

    def step() -> object:
        with on_processor():
            return model.historical_forecasts(
                part, forecast_horizon=HORIZON, stride=1, retrain=False, last_points_only=False, verbose=False
            )

    return step


def latency(build: Build, *, steps: int) -> Step:
    model, series, _ = trained(build)
    part = series[:LENGTH]

    def step() -> object:
        with on_processor():
            return model.predict(steps, part, verbose=False)

    return step


def bare_network(build: Build, *, steps: int) -> Step:  # noqa: ARG001
    model, series, _ = trained(build)
    device = torch.get_default_device()
    past = torch.from_numpy(series[:LENGTH].values())[None].to(device)
    return forecast(model.model.eval().to(device), PLModuleInput(past_target=past, stage=ModuleStage.PREDICT))


def milliseconds_more(case: str, other: str) -> Callable[[Figures], float | None]:
    def read(figures: Figures) -> float | None:
        ours, theirs = (value(figures, "time", name) for name in (case, other))
        return None if ours is None or theirs is None else ours - theirs

    return read


def against_peers(what: str, most: dict[str, float], why: str = "") -> list[Goal]:
    return [
        Goal(
            f"{what}, {name}: ours / neuralforecast",
            ratio("time", name, f"{name}, neuralforecast"),
            at_most=bound,
            why=why,
        )
        for name, bound in most.items()
    ]


AROUND = (
    "What Darts does with series and batches, the same for both, was not measured alone; inference has the networks by "
    "themselves"
)
NOTE = (
    "neuralforecast's models, iTransformer excepted, forecast one target: Darts folds the 7 into 7 times the windows. "
    f"Its FEDformer takes no other number of heads than 8, all else has {HEADS}. Our TFT embeds a variable in 8 "
    f"numbers, neuralforecast's in {WIDTH}. The rest is each model's default, which differs: Auto-Correlation's factor "
    "is 1 in ours and 3 there, so that it chooses three times the delays, ProbSparse's 5 and 3."
)

NAMES = [name.split(",")[0] for name in PEERS]
ALL = MODELS | PEERS
CHECKS = by_model(MODELS)
BENCHMARKS = [
    Speed(
        name="fit_epoch",
        title="One epoch of ETTh1 by fit",
        cases={name: partial(one_epoch, build) for name, build in ALL.items()},
        checks=CHECKS,
        sizes=[{"windows": 8449}],
        repeats=1,
        warm_up=False,
        seconds=900,
        goals=against_peers("Epoch", dict.fromkeys(NAMES, 1.0) | {"Informer": 0.2, "Autoformer": 0.2}),
        note=f"All 8,449 windows of the training part, batches of 32. {NOTE} fit steps with Adam, fused in ours "
        "on a processor and plain in the others.",
    ),
    Speed(
        name="backtest",
        title="Backtest over the test part of ETTh1, every window",
        cases={name: partial(backtest, build) for name, build in ALL.items()},
        checks=CHECKS,
        sizes=[{"windows": 2785}],
        repeats=3,
        warm_up=False,
        seconds=900,
        goals=against_peers("Backtest", dict.fromkeys(NAMES, 1.0), AROUND),
        note=f"historical_forecasts at stride 1 without retraining. {NOTE}",
    ),
    Speed(
        name="predict_latency",
        title="Forecast of one series by predict",
        cases={name: partial(latency, build) for name, build in ALL.items()}
        | {f"{name}, bare network": partial(bare_network, build) for name, build in MODELS.items()},
        checks=CHECKS | by_model(f"{name}, bare network" for name in MODELS),
        sizes=[{"steps": HORIZON}],
        repeats=31,
        goals=[
            Goal(f"predict of {name}, milliseconds beyond the bare network",
                 milliseconds_more(name, f"{name}, bare network"), at_most=10)
            for name in MODELS
        ],
        note=NOTE,
    ),
]  # fmt: skip
