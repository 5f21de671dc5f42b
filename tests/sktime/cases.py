"""The forecasters at a size that trains in a blink, the data they are given, and their Darts models beside them."""

import os
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

import darts_tsformers.sktime
from darts_tsformers.models import TSFormerModel
from darts_tsformers.sktime._forecaster import TSFormerForecaster
from tests.contracts.cases import TRAINER

L, H, LENGTH = 7, 3, 41
QUANTILES = (0.1, 0.5, 0.9)
FORECASTERS = [getattr(darts_tsformers.sktime, name) for name in darts_tsformers.sktime.__all__]
every_forecaster = pytest.mark.parametrize("forecaster_class", FORECASTERS, ids=lambda cls: cls.__name__)
OF_EACH_KIND = [
    darts_tsformers.sktime.PatchTSTForecaster,
    darts_tsformers.sktime.LogSparseTransformerForecaster,  # step by step
    darts_tsformers.sktime.TemporalFusionTransformerForecaster,  # selects variables
    darts_tsformers.sktime.TSDiffForecaster,  # draws paths
    darts_tsformers.sktime.ReGENNForecaster,  # prepared by the training part
    darts_tsformers.sktime.TimeMoEForecaster,  # weights of others
    darts_tsformers.sktime.AutoTimesForecaster,  # around a language model
]
"""One factory makes all forecasters; what models differ in is held by the contracts."""
one_of_each_kind = pytest.mark.parametrize(
    "forecaster_class",
    FORECASTERS if os.environ.get("ALL_FORMS") else OF_EACH_KIND,
    ids=lambda cls: cls.__name__,
)


def tiny(forecaster_class: type[TSFormerForecaster], **overrides: Any) -> TSFormerForecaster:
    point = forecaster_class.get_test_params()[0]
    return forecaster_class(
        **point | {"input_chunk_length": L, "output_chunk_length": H, "random_state": 5} | overrides
    )


def darts_model(forecaster: TSFormerForecaster, **overrides: Any) -> TSFormerModel:
    """Make the Darts model of a forecaster by hand."""
    arguments = forecaster.get_params(deep=False)
    for name in ("quantiles", "num_samples", "pretraining", "model_kwargs"):
        del arguments[name]
    return forecaster.model_class(**arguments | {"pl_trainer_kwargs": TRAINER} | overrides)


def point_forecast(forecaster: TSFormerForecaster, model: TSFormerModel, n: int, **given: Any) -> list[np.ndarray]:
    """Return the point forecast of each series: of a model that draws paths their median."""
    series = given.pop("series", None)
    if model.network_class.draws_paths:
        given |= {"num_samples": forecaster.num_samples, "random_state": 0}
    forecasts = model.predict(n, series, **given)
    several = [forecasts] if isinstance(forecasts, TimeSeries) else forecasts
    return [np.median(one.all_values(), axis=-1) for one in several]


def months(length: int = LENGTH, start: str = "2001-03") -> pd.PeriodIndex:
    return pd.period_range(start, periods=length, freq="M")


def make_y(length: int = LENGTH, n_variables: int = 1, *, seed: int = 0, index: pd.Index | None = None) -> pd.DataFrame:
    walk = np.random.default_rng(seed).normal(size=(length, n_variables)).cumsum(axis=0)
    return pd.DataFrame(walk + 20, months(length) if index is None else index, [f"y{i}" for i in range(n_variables)])


def make_X(length: int = LENGTH + 11, *, seed: int = 1, index: pd.Index | None = None) -> pd.DataFrame:  # noqa: N802
    values = np.random.default_rng(seed).normal(size=(length, 2))
    return pd.DataFrame(values, months(length) if index is None else index, ["price", "holiday"])


def make_panel(lengths: dict[str, int]) -> pd.DataFrame:
    parts = {name: make_y(length, seed=i) for i, (name, length) in enumerate(lengths.items())}
    return pd.concat(parts, names=["store", "month"])


def as_darts(table: pd.DataFrame) -> TimeSeries:
    return TimeSeries(pd.RangeIndex(len(table)), table.to_numpy("float32"), components=list(table.columns))
