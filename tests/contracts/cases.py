"""The models under contract, each at a size that trains in a blink, and the data they are given."""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries

from darts_tsformers.models import (
    AutoformerModel,
    FEDformerModel,
    InformerModel,
    ITransformerModel,
    LogSparseTransformerModel,
    PatchTSTModel,
    TemporalFusionTransformerModel,
    TSFormerModel,
)

TRAINER = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
}
L, H = 13, 5
KINDS = ("past", "future", "static")


@dataclass(frozen=True)
class Case:
    """A model class and the arguments that make it tiny."""

    model_class: type[TSFormerModel]
    arguments: dict[str, Any] = field(hash=False)
    short: dict[str, Any] = field(default_factory=dict, hash=False)
    """What has to change for a look-back of one step."""
    to_learn: dict[str, Any] = field(default_factory=dict, hash=False)
    """What has to change to learn a season of twelve steps."""
    variant: str = ""
    """What tells it from other cases of its class."""
    refuses: dict[str, str] = field(default_factory=dict, hash=False)
    """Mechanisms that cannot serve it, with the words it says so in."""

    def takes(self, argument: str) -> bool:
        return argument in inspect.signature(self.model_class).parameters

    @property
    def name(self) -> str:
        return self.model_class.__name__ + self.variant

    def model(self, input_chunk_length: int = L, output_chunk_length: int = H, **overrides: Any) -> TSFormerModel:
        trainer = TRAINER | overrides.pop("pl_trainer_kwargs", {})
        arguments = {"n_epochs": 1, "batch_size": 16, "random_state": 7} | self.arguments | overrides
        return self.model_class(input_chunk_length, output_chunk_length, pl_trainer_kwargs=trainer, **arguments)


CASES = [
    Case(
        PatchTSTModel,
        {"patch_length": 5, "stride": 3, "d_model": 8, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 11},
        short={"patch_length": 1, "stride": 1},
    ),
    Case(ITransformerModel, {"d_model": 8, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 11}),
    Case(
        InformerModel,
        {"d_model": 8, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 11, "dropout": 0.1, "use_instance_norm": True},
    ),
    Case(
        LogSparseTransformerModel,
        {"d_model": 8, "n_heads": 2, "n_decoder_layers": 2, "d_ff": 11, "kernel_size": 3},
        refuses={
            "prob_sparse": "it cannot serve a layer that forecasts row by row",
            "auto_correlation": "has no causal form",
        },
    ),
    Case(
        LogSparseTransformerModel,
        {"d_model": 8, "n_heads": 2, "n_decoder_layers": 2, "d_ff": 11, "kernel_size": 3, "mode": "direct"},
        variant="-direct",
    ),
    Case(
        AutoformerModel,
        {"d_model": 8, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 11, "kernel_size": 5},
        to_learn={"kernel_size": 13},
    ),
    Case(
        FEDformerModel,
        {"d_model": 8, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 11, "kernel_sizes": (3, 8), "modes": 3},
    ),
    Case(
        FEDformerModel,
        {
            "version": "wavelet",
            "d_model": 8,
            "n_heads": 2,
            "n_encoder_layers": 2,
            "d_ff": 11,
            "kernel_sizes": (5,),
            "modes": 3,
            "wavelet_channels": 2,
            "wavelet_order": 3,
            "n_coarse_levels": 1,
        },
        variant="-wavelet",
    ),
    Case(
        TemporalFusionTransformerModel,
        {"d_model": 8, "n_heads": 2, "d_variable": 5},
        refuses={"auto_correlation": "has no causal form"},
    ),
    Case(
        TemporalFusionTransformerModel,
        {"d_model": 8, "n_heads": 2, "n_lstm_layers": 2, "full_attention": True},
        variant="-full",
    ),
]


@dataclass(frozen=True)
class Data:
    """A target with the covariates asked for; those known in the future reach further."""

    series: TimeSeries
    past_covariates: TimeSeries | None = None
    future_covariates: TimeSeries | None = None

    def covariates(self) -> dict[str, TimeSeries]:
        named = {"past_covariates": self.past_covariates, "future_covariates": self.future_covariates}
        return {name: value for name, value in named.items() if value is not None}


@cache
def make_data(
    n_components: int = 3,
    kinds: tuple[str, ...] = KINDS,
    *,
    length: int = 53,
    seed: int = 0,
    index: str = "datetime",
    dtype: str = "float32",
) -> Data:
    rng = np.random.default_rng(seed)
    beyond = 47

    def walk(n: int, width: int, prefix: str) -> TimeSeries:
        days = pd.date_range("2001-03-05", periods=n, freq="D")
        times = days if index == "datetime" else pd.RangeIndex(11, 11 + 3 * n, 3)
        values = rng.normal(size=(n, width)).cumsum(axis=0) / 3 + 5
        return TimeSeries(times, values.astype(dtype), components=[f"{prefix}{i}" for i in range(width)])

    series = walk(length, n_components, "y")
    past = walk(length + beyond, 2, "p")
    future = walk(length + beyond, 2, "f")
    if "static" in kinds:
        static = pd.DataFrame(rng.normal(size=(n_components, 2)).astype(dtype), columns=["s0", "s1"])
        series = series.with_static_covariates(static)
    return Data(series, past if "past" in kinds else None, future if "future" in kinds else None)


@cache
def fitted(case: Case, n_components: int = 3, kinds: tuple[str, ...] = KINDS, **overrides: Any) -> TSFormerModel:
    """Fit once per worker; for checks that only read."""
    data = make_data(n_components, kinds)
    return case.model(**overrides).fit(data.series, **data.covariates())


def subsets(kinds: Iterable[str] = KINDS) -> list[tuple[str, ...]]:
    """Return none of the kinds, each alone, and all together."""
    return [(), *((kind,) for kind in kinds), tuple(kinds)]
