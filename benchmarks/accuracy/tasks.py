"""What is forecast: six data sets of long horizons, three of prices, and one with gaps.

Every model has the look-back of the table its published figure stands in; on exchange rates all have 96 steps, as
PatchTST and iTransformer there, DLinear and NLinear too. What is chosen for a data set (a learning
rate, a width) is chosen by the validation loss, which the results keep.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from darts import TimeSeries

from benchmarks.accuracy.models import BY_COMPONENT, trained_by
from benchmarks.accuracy.protocol import with_gaps
from benchmarks.core import data

Arguments = Mapping[str, Any]

LONGER = (
    *("PatchTST", "DLinear", "NLinear", "Aaren", "LMUFormer", "MambaMixer", "PatchTSMixer", "SpaceTime", "GPHT"),
    *("AutoTimes", "TEMPO", "Time-LLM"),
)
QUICK = ("iTransformer", "DLinear", "NLinear")
MARKETS = ("epf_NP", "epf_PJM", "epf_BE")
ONE_TARGET = {"batch_size": 32, "lr_scheduler_kwargs": {"gamma": 0.9}}
"""One target has fewer windows than seven: rates that fall slowly, and small batches also for models that take targets
one by one. On one window in five the validation loss of Nord Pool said so: iTransformer 0.046 for 0.052, PatchTST
0.044 for 0.050."""
ONE_TARGET_LINEAR = {"optimizer_kwargs": {"lr": 5e-3}, "lr_scheduler_kwargs": {"gamma": 0.5}}
"""The rate of their paper; by the validation loss there (0.037 for 0.082) it has to fall fast."""
FEW_WINDOWS = {"batch_size": 16, "n_epochs": 40, "lr_scheduler_kwargs": {"gamma": 0.95}, "patience": 10}
"""An epoch of few windows is few steps: more epochs of smaller batches, as in the papers."""
WIDER_PATCHTST = {"d_model": 64, "n_heads": 8, "d_ff": 128, "dropout": 0.2, **trained_by(5e-4, 0.7, batch=16)}
"""Published with a width of 128 on weather, eight times that on ETTh1; the validation loss is 0.399 for 0.423."""
NOT_NORMALISED = {"use_instance_norm": False}
PAPER_RATE = {"optimizer_kwargs": {"lr": 1e-4}}
"""Of iTransformer's paper; a third of ours."""


@dataclass(frozen=True)
class Variant:
    """A model made or trained otherwise: what a part of it is worth, or what it lacks beside the published one."""

    model: str
    arguments: Arguments = field(default_factory=dict, hash=False)
    sees_last_value: bool = False
    """Whether the last value is repeated across gaps."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set at a horizon."""

    data: str
    horizon: int
    lookback: int
    longer: int
    """Look-back of the models that are published with a longer one."""
    season: int
    stride: int = 1
    """Steps between two windows of training."""
    whole: tuple[str, ...] = ()
    """Models that are quick enough here to be trained on every window all the same."""
    patchtst_batch: int = 128
    """Batch that PatchTST is tested in, of which the last incomplete one is dropped; the others' is 32."""
    calendar: tuple[str, ...] = ("hour", "dayofweek")
    """What the models that read the calendar see of it."""
    training: Arguments = field(default_factory=dict, hash=False)
    """Arguments of the models that differ from those of :mod:`benchmarks.accuracy.models`."""
    own: Mapping[str, Arguments] = field(default_factory=dict, hash=False)
    """Arguments of single models, by their name."""
    chosen: str = ""
    """What is made or trained otherwise there, in words."""
    variants: Mapping[str, Variant] = field(default_factory=dict, hash=False)
    """Beside the models, by what they are called; the first seed alone."""
    has_future: bool = False
    """Whether all columns but the last are known over the horizon, and only the last is forecast."""
    hidden: float = 0.0
    """Share of the values that count as not observed."""
    why: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Why models are more than 5 % worse than published; ``{a name}`` stands for the error of a model or variant."""

    @property
    def name(self) -> str:
        return f"{self.data} {self.horizon}" + (" with gaps" if self.hidden else "")

    @property
    def file(self) -> str:
        return f"accuracy_{self.name.replace(' ', '_')}"

    def read(self) -> tuple[data.DataSet, TimeSeries | None]:
        """Return what is forecast, and what is known over the horizon."""
        given = data.read(self.data)
        if not self.has_future:
            return given, None
        known = TimeSeries.from_dataframe(given.frame.iloc[:, :-1])
        return replace(given, frame=given.frame.iloc[:, -1:]), known

    def observed(self, given: data.DataSet) -> data.DataSet:
        """Return what models see of what is forecast."""
        return with_gaps(given, self.hidden) if self.hidden else given


ETTH1 = Task(data="ETTh1", horizon=96, lookback=96, longer=336, season=24)
TASKS = [
    replace(
        ETTH1,
        variants={"FEDformer, without instance norm": Variant("FEDformer", NOT_NORMALISED)},
        why={
            "FEDformer": "Without instance norm, as published, its first seed has {FEDformer, without instance norm}; "
            "with it it is the same model in every table"
        },
    ),
    replace(
        ETTH1,
        data="ETTh2",
        variants={"iTransformer, at its paper's rate": Variant("iTransformer", PAPER_RATE)},
        why={
            "iTransformer": "At the learning rate of its paper, a third of ours, it has {iTransformer, at its paper's "
            "rate}; the validation loss, by which we choose, is a little higher there"
        },
    ),
    replace(ETTH1, data="ETTm1", season=96, stride=3, whole=QUICK),
    replace(
        ETTH1,
        data="weather",
        season=144,
        stride=8,
        whole=("iTransformer",),
        own={"PatchTST": WIDER_PATCHTST},
        chosen="PatchTST is 64 wide here and learns slower, from smaller batches.",
    ),
    replace(ETTH1, data="exchange_rate", longer=96, season=5),
    Task(
        data="national_illness",
        horizon=24,
        lookback=36,
        longer=104,
        season=52,
        patchtst_batch=16,
        calendar=("dayofyear",),
        training=FEW_WINDOWS,
        own={model: {"optimizer_kwargs": {"lr": 1e-2}} for model in BY_COMPONENT},
        chosen="All learn longer, from smaller batches, DLinear and NLinear faster.",
    ),
    *(
        Task(
            data=market,
            horizon=24,
            lookback=168,
            longer=168,
            season=24,
            stride=5,
            whole=("PatchTST", *QUICK),
            has_future=True,
            training=ONE_TARGET,
            own=dict.fromkeys(BY_COMPONENT, ONE_TARGET_LINEAR),
            chosen="Batches are of 32, rates fall slowly, that of DLinear and NLinear fast.",
        )
        for market in MARKETS
    ),
    replace(
        ETTH1,
        hidden=0.2,
        variants={
            f"{model}, last value across gaps": Variant(model, sees_last_value=True)
            for model in ("PatchTST", "iTransformer")
        },
    ),
]
