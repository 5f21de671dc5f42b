"""The models under contract, each at a size that trains in a blink, and the data they are given."""

import inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers.adapter.base import TSFormerModel
from darts_tsformers.catalogue import forecasters
from darts_tsformers.networks import Network
from darts_tsformers.networks._streaming import leaves_out_start
from darts_tsformers.window import Sizes

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
    variant: str = ""
    """What tells it from other cases of its class."""

    @property
    def short(self) -> dict[str, Any]:
        known = inspect.signature(self.model_class).parameters
        return {name: None for name in CHOSEN_BY_LENGTH if name in known and known[name].default is None}

    @property
    def to_learn(self) -> dict[str, Any]:
        return TO_LEARN.get(self.model_class.__name__, {})

    @property
    def idle_alone(self) -> tuple[str, ...]:
        """Parts of the names of parameters that do nothing where there is one target."""
        return IDLE_ALONE.get(self.model_class.__name__, ())

    @property
    def idle(self) -> tuple[str, ...]:
        """Parts of the names of parameters that may do nothing on any data."""
        return IDLE.get(self.model_class.__name__, ())

    @property
    def refuses(self) -> dict[str, str]:
        return REFUSES.get(self.name, {})

    @property
    def draws_paths(self) -> bool:
        """Whether it has no likelihood and no forecast in training, but draws paths."""
        return self.model_class.network_class.draws_paths

    @property
    def learns_from_noise(self) -> bool:
        """Whether what it learns from is drawn anew in each training step."""
        return self.draws_paths or self.model_class.__name__ in LEARNS_FROM_NOISE

    def takes(self, argument: str) -> bool:
        return argument in inspect.signature(self.model_class).parameters

    @property
    def draws_variates(self) -> bool:
        """Whether it can train on a draw of the components: not in a form that is tied to them."""
        return self.takes("train_variates") and self._network().width_tie is None

    @property
    def leaves_out_start(self) -> bool:
        """Whether its network is told where each history begins."""
        return leaves_out_start(self._network())

    def _network(self) -> Network:
        network_class = self.model_class.network_class
        known = inspect.signature(network_class).parameters
        return network_class(Sizes(L, H), **{name: value for name, value in self.arguments.items() if name in known})

    @property
    def name(self) -> str:
        return self.model_class.__name__ + self.variant

    def model(self, input_chunk_length: int = L, output_chunk_length: int = H, **overrides: Any) -> TSFormerModel:
        trainer = TRAINER | overrides.pop("pl_trainer_kwargs", {})
        arguments = {"n_epochs": 1, "batch_size": 16, "random_state": 7} | self.arguments | overrides
        return self.model_class(input_chunk_length, output_chunk_length, pl_trainer_kwargs=trainer, **arguments)


CHOSEN_BY_LENGTH = ("lags", "patch_length", "period")
"""Arguments that are chosen by the look-back where they are None, as one step asks for."""
IDLE_ALONE = {"ReGENNModel": ("network.target.",)}
"""A graph between one target and itself has nothing to learn."""
IDLE = {"MoiraiMoEModel": (".normal_loc.",)}
"""A distribution as narrow as a thousandth learns only from values next to it."""
TO_LEARN: dict[str, dict[str, Any]] = {
    "AutoTCLModel": {"end_to_end": True},
    "AutoTimesModel": {"patch_length": 12},
    "AutoformerModel": {"kernel_size": 13},
    "TimeMoEModel": {"horizon_lengths": (1, 12)},
    "TSDiffModel": {"n_diffusion_steps": 100, "n_sampling_steps": 20, "n_paths": 51, "d_state": 16},
}
"""What has to change to learn a season of twelve steps, by model. A narrow encoder does not learn one by contrast."""
LEARNS_FROM_NOISE = {"AutoTCLModel"}
"""Models that do so and draw no paths: views of windows are drawn."""
TELLS_GAPS = {"TimeCMAModel-random"}
"""Cases that write into a prompt that a value is unknown: what bridges it is not all that they see."""
NOTHING_TO_SHOW = {"AutoTimesModel-none"}
"""Cases that record nothing: without a language model, segments do not look at each other."""
ROW_BY_ROW = {
    "prob_sparse": "it cannot serve a layer that forecasts row by row",
    "auto_correlation": "has no causal form",
}
REFUSES = {
    "LogSparseTransformerModel": ROW_BY_ROW,
    "LogSparseTransformerModel-history": ROW_BY_ROW,
    "TemporalFusionTransformerModel": {"auto_correlation": "has no causal form"},
}
"""Mechanisms that cannot serve a case, with the words it says so in."""


def cases_of(model_class: type[TSFormerModel]) -> list[Case]:
    """Return a case for each form of a model that its class knows a tiny size of."""
    variants = {"": {}} | {f"-{name}": changes for name, changes in model_class.tiny_variants.items()}
    return [Case(model_class, model_class.tiny | changes, variant) for variant, changes in variants.items()]


CASES = [case for entry in forecasters().values() for case in cases_of(entry.load())]
CASE = {case.name: case for case in CASES}
SHARED = [CASE[name] for name in ("PatchTSTModel", "LogSparseTransformerModel", "TemporalFusionTransformerModel")]
"""For what the path does that all models share: components one by one, step by step, and all together."""

MAIN = CASES if os.environ.get("ALL_FORMS") else [case for case in CASES if not case.variant]
"""One form of each model; `make check-forms` takes all."""
SAMPLE = CASES if os.environ.get("ALL_FORMS") else [*SHARED, CASE["TSDiffModel"], CASE["ReGENNModel"]]
"""For what takes long on the path that all models share: beyond it, one draws paths, one is prepared."""

every_model = pytest.mark.parametrize("case", MAIN, ids=lambda case: case.name)
every_explained = pytest.mark.parametrize(
    "case", [case for case in MAIN if case.name not in NOTHING_TO_SHOW], ids=lambda case: case.name
)
each_model = pytest.mark.parametrize("case", MAIN, ids=lambda case: case.name)
every_bridged = pytest.mark.parametrize(
    "case",
    [case for case in MAIN if not case.draws_paths and case.name not in TELLS_GAPS],
    ids=lambda case: case.name,
)
every_forecast = pytest.mark.parametrize(
    "case", [case for case in MAIN if not case.draws_paths], ids=lambda case: case.name
)
"""Of models that say all that they know in one forecast: the others draw paths."""
sample_of_models = pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.name)
some_models = pytest.mark.parametrize("case", SHARED, ids=lambda case: case.name)


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
