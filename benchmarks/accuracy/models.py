"""The models at sizes that two cores train in minutes, by name, for any look-back, horizon and seed.

Every forecaster of the package is among them: at sizes that were chosen by validation, or at those of its class.
"""

from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any

import torch
from darts.models import DLinearModel, NLinearModel
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from benchmarks.accuracy.protocol import trainer
from benchmarks.core.names import titles
from darts_tsformers import (
    AutoformerModel,
    FEDformerModel,
    InformerModel,
    ITransformerModel,
    LogSparseTransformerModel,
    MambaMixerModel,
    PatchTSMixerModel,
    PatchTSTModel,
    SMambaModel,
    TemporalFusionTransformerModel,
)

Build = Callable[..., TorchForecastingModel]
"""Of look-back, horizon and seed, and by name what a data set needs otherwise."""


def encoders(*parts: str) -> dict[str, Any]:
    """Return arguments for parts of the calendar as angles, which are known of any future."""
    return {"add_encoders": {"cyclic": {"future": list(parts)}}}


def trained_by(rate: float, gamma: float = 0.5, *, batch: int = 32, epochs: int = 8) -> dict[str, Any]:
    """Return arguments for a learning rate that falls by a factor each epoch."""
    return {
        "batch_size": batch,
        "n_epochs": epochs,
        "optimizer_kwargs": {"lr": rate},
        "lr_scheduler_cls": torch.optim.lr_scheduler.ExponentialLR,
        "lr_scheduler_kwargs": {"gamma": gamma},
    }


def build(
    kind: type[TorchForecastingModel], lookback: int, horizon: int, seed: int, *, patience: int = 3, **arguments: Any
) -> TorchForecastingModel:
    return kind(lookback, horizon, random_state=seed, pl_trainer_kwargs=trainer(patience), **arguments)


def of(kind: type[TorchForecastingModel], **arguments: Any) -> Build:
    return partial(build, kind, **arguments)


PATCHTST_42 = {"d_model": 16, "n_heads": 4, "d_ff": 128, "dropout": 0.3}
CHOSEN: dict[str, Build] = {
    "PatchTST": of(PatchTSTModel, **PATCHTST_42, **trained_by(1e-3, 0.8, batch=128, epochs=12)),
    "iTransformer": of(ITransformerModel, d_model=128, d_ff=128, **trained_by(3e-4, 0.7)),
    "Informer": of(InformerModel, d_ff=256, **trained_by(1e-3)),
    "Informer, instance norm": of(InformerModel, d_ff=256, use_instance_norm=True, **trained_by(1e-3)),
    "LogSparse": of(LogSparseTransformerModel, mode="direct", **trained_by(1e-3)),
    "Autoformer": of(AutoformerModel, attention=("auto_correlation", {"factor": 3}), **trained_by(3e-4)),
    "FEDformer": of(FEDformerModel, **trained_by(3e-4)),
    "TFT": of(TemporalFusionTransformerModel, d_model=32, d_variable=8, **trained_by(1e-3, 0.6)),
}
"""Those whose sizes were chosen, on every data set."""
SIMPLE: dict[str, Build] = {
    "DLinear": of(DLinearModel, **trained_by(1e-3, batch=256)),
    "NLinear": of(NLinearModel, **trained_by(1e-3, batch=256)),
}
EVERYWHERE = CHOSEN | SIMPLE
"""What every data set is forecast by."""
ONCE: dict[str, Build] = {
    "MambaMixer": of(MambaMixerModel, patch_length=16, d_model=32, **trained_by(1e-3, 0.6)),
    "PatchTSMixer": of(
        PatchTSMixerModel, patch_length=8, d_model=48, dropout=0.5, head_dropout=0.7, **trained_by(1e-3, 0.8, epochs=10)
    ),
    "S-Mamba": of(SMambaModel, d_model=256, d_ff=256, d_state=2, **trained_by(7e-5, 0.7)),
}
"""What one data set is forecast by, at sizes near those of the papers; others are there at the sizes of their class."""
NO_LANGUAGE_MODEL = {"backbone": "none"}
UNTRAINED = {"backbone": "random", "backbone_sizes": {"n_layer": 2, "n_embd": 64, "n_head": 4}}
"""A language model that has read nothing."""


def every_model() -> dict[str, Build]:
    """Return all forecasters there are, those whose sizes were not chosen at the sizes of their class.

    Those around a language model are there without one, and with one that was never trained.
    """
    classes = {name: entry.load() for name, entry in titles().items()}
    around = [name for name, kind in classes.items() if "backbone" in signature(kind).parameters]
    schedule = trained_by(1e-3, 0.7)
    as_they_are = {
        name: of(kind, **schedule, **(NO_LANGUAGE_MODEL if name in around else {})) for name, kind in classes.items()
    }
    untrained = {f"{name}, untrained language model": of(classes[name], **schedule, **UNTRAINED) for name in around}
    return as_they_are | untrained | ONCE | EVERYWHERE


MODELS = every_model()
READS_CALENDAR = ("Informer", "Informer, instance norm", "LogSparse", "Autoformer", "FEDformer", "TFT")
"""Those whose papers show them the calendar; iTransformer's does too, ours does without."""
BY_COMPONENT = ("DLinear", "NLinear")
"""Darts lays them over all components at once, with a weight for each pair; their paper over one at a time."""
