"""Does it pay to learn before forecasting? PatchTST from the start, and after it has learnt from look-backs alone.

Look-back 336, horizon 96, patches of 12 steps side by side, one seed. Few windows: the last 5 % of those of ETTh1.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from benchmarks.accuracy.models import build, trained_by
from benchmarks.accuracy.protocol import actual, forecasts, scores, series_of, train
from benchmarks.core import data
from benchmarks.core.data import DataSet
from benchmarks.core.device import on_processor
from benchmarks.core.figures import Figures
from benchmarks.core.tables import number, table
from benchmarks.core.trial import Trials
from darts_tsformers import PatchTSTModel, pretrain

LOOKBACK, HORIZON, SEED = 336, 96, 1
STRIDES = {"ETTh1": 1, "ETTm1": 16, "weather": 16}
"""Steps between two windows of training."""
FEW = 0.05
OBJECTIVES: dict[str, dict[str, Any]] = {
    "masked": {"objective": "masked", "mask_ratio": 0.4},
    "contrastive": {"objective": "contrastive"},
}
SIZES = {"patch_length": 12, "stride": 12, "pad_end": False, "d_model": 32, "n_heads": 4, "d_ff": 64, "dropout": 0.2}


def made(epochs: int) -> PatchTSTModel:
    """Return a model that is not trained."""
    return build(PatchTSTModel, LOOKBACK, HORIZON, SEED, **SIZES, **trained_by(1e-3, 0.8, batch=128, epochs=epochs))


def pretrained(names: list[str], objective: str) -> PatchTSTModel:
    """Return a model that has learnt from the training parts of data sets, each component a series of its own."""
    given = [(data.read(name), STRIDES[name]) for name in names]
    parts = [(one, component) for one, _ in given for component in series_of(one, by_component=True)]
    with on_processor():
        return pretrain(
            made(epochs=6),
            [component[: one.train] for one, component in parts],
            val_series=[component[one.train - LOOKBACK : one.validation] for one, component in parts],
            stride=max(stride for _, stride in given),
            verbose=False,
            **OBJECTIVES[objective],
        )


def few(given: DataSet) -> DataSet:
    """Leave out all windows of training but the last ones."""
    needed = LOOKBACK + HORIZON - 1
    start = given.train - needed - round(FEW * (given.train - needed))
    return replace(
        given, frame=given.frame.iloc[start:], train=given.train - start, validation=given.validation - start
    )


def trial(name: str, given: DataSet, way: str, **how: Any) -> dict[str, Any]:
    """Train to forecast, and score."""
    model = made(epochs=12)
    trained = train(model, given, STRIDES[name], by_component=True, **how)
    found = scores(forecasts(model, given, by_component=True), actual(given, HORIZON), 128)
    return {"data": name, "way": way, "lookback": LOOKBACK} | found | trained


def supervised(name: str) -> dict[str, Any]:
    return trial(name, data.read(name), "from the start")


def after(name: str, objective: str, transfer: str, way: str) -> dict[str, Any]:
    encoder = pretrained([name], objective)
    return trial(name, data.read(name), way, transfer=transfer, pretrained=encoder)


def supervised_by_few() -> dict[str, Any]:
    return trial("ETTh1", few(data.read("ETTh1")), "from the start, 5 % of the windows")


def transferred_to_few() -> dict[str, Any]:
    encoder = pretrained(["ETTm1", "weather"], "masked")
    way = "masked on ETTm1 and weather, then the head and all of it, 5 % of the windows"
    return trial("ETTh1", few(data.read("ETTh1")), way, transfer="probe_then_full", pretrained=encoder)


WAYS = {
    "masked, then the head": ("masked", "probe"),
    "masked, then all of it": ("masked", "full"),
    "contrastive, then all of it": ("contrastive", "full"),
}


def summary(figures: Figures) -> str:
    """Lay out a row a way to train, those of a data set beside the one from the start."""
    results = [case["result"] for case in figures.get("cases", {}).values() if "result" in case]
    rows = [
        [result["data"], result["way"], number(result["mse"]), number(result["mae"]), number(result["validation loss"])]
        for result in results
    ]
    return table(["data", "trained", "MSE", "MAE", "validation loss"], rows)


BENCHMARKS = [
    Trials(
        name="pretraining",
        title="Does it pay to learn before forecasting?",
        cases={f"{name}, from the start": partial(supervised, name) for name in ("ETTh1", "weather")}
        | {
            f"{name}, {way}": partial(after, name, objective, transfer, way)
            for name in ("ETTh1", "weather")
            for way, (objective, transfer) in WAYS.items()
        }
        | {"ETTh1, few windows, from the start": supervised_by_few, "ETTh1, few windows, transfer": transferred_to_few},
        summary=summary,
        threads=1,
        seconds=3600,
        note="PatchTST, 336 steps to 96, `d_model=32`, one seed; each component is a series of its own. Errors on the "
        "standardised scale, over all test windows. On weather one window in 16 is trained on. Published for PatchTST "
        "after masked pre-training on ETTh1, at a width of 128 and a look-back of 512: 0.366 and 0.384.",
    )
]
