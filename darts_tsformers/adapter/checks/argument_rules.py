"""The rules of the arguments that pass through to Darts, in one table; checked when a model is made."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from os import PathLike
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
import torchmetrics
from darts.dataprocessing.encoders.encoders import CyclicTemporalEncoder, DatetimeAttributeEncoder
from darts.models.forecasting.torch_forecasting_model import MixedCovariatesTorchModel
from darts.utils.likelihood_models.torch import TorchLikelihood
from pytorch_lightning import Callback, Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from darts_tsformers.checks import did_you_mean

MOST = 2**31 - 1
"""Above any number of epochs or windows; what counts them has 32 bits at some places."""
SOME_DAYS = pd.date_range("2001-01-01", periods=3, freq="D")
OF_LIGHTNING = ("monitor", "interval", "frequency", "strict", "name")
"""Keys of ``lr_scheduler_kwargs`` that say when a scheduler steps, and are not its own."""


class Rule(NamedTuple):
    """What a value has to be, and the words for it."""

    holds: Callable[[Any], bool]
    words: str


def check_names(model_class: type, params: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if a class of models has no argument of a name."""
    known = inspect.signature(model_class).parameters
    for name, value in params.items():
        if name not in known:
            raise ValueError(f"{name}={value!r} is no argument of {model_class.__name__}{did_you_mean(name, known)}")


def check_arguments(params: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` if an argument of Darts breaks its rule.

    Those of an optimiser, a scheduler and a trainer are bound to what they are for, so that a wrong name is found.
    """
    for name, rule in RULES.items():
        if name in params and not rule.holds(params[name]):
            raise ValueError(f"{name}={params[name]!r} must be {rule.words}")
    if params.get("loss_fn", torch.nn.MSELoss()) is None and params.get("likelihood") is None:
        raise ValueError("loss_fn=None must be a loss, such as torch.nn.MSELoss(), or there must be a likelihood")
    _check_optimizer(params)
    _check_trainer(params.get("pl_trainer_kwargs") or {})


def check_encoders(model: MixedCovariatesTorchModel) -> None:
    """Raise ``ValueError`` if Darts cannot make the encoders of a model, or has no such attribute of a date."""
    try:
        made = model.initialize_encoders()
        for encoder in [*made.past_encoders, *made.future_encoders]:
            if isinstance(encoder, CyclicTemporalEncoder | DatetimeAttributeEncoder):
                encoder._encode(SOME_DAYS, target_end=SOME_DAYS[-1], dtype=np.dtype("float32"))
    except Exception as error:
        raise ValueError(f"add_encoders={model.add_encoders!r} must be what Darts can encode: {error}") from error


def _check_optimizer(params: Mapping[str, Any]) -> None:
    """Make an optimiser of one weight, and see whether a scheduler of it takes its arguments."""
    made_by, arguments = params.get("optimizer_cls", torch.optim.Adam), params.get("optimizer_kwargs")
    try:
        optimizer = made_by(params=[torch.nn.Parameter(torch.zeros(1))], **(arguments or {}))
    except Exception as error:
        raise ValueError(f"optimizer_kwargs={arguments!r} must be arguments of {_name(made_by)}: {error}") from error
    scheduler, arguments = params.get("lr_scheduler_cls"), params.get("lr_scheduler_kwargs")
    if scheduler is None:
        return
    own = {name: value for name, value in (arguments or {}).items() if name not in OF_LIGHTNING}
    try:
        inspect.signature(scheduler).bind(optimizer=optimizer, **own)
    except TypeError as error:
        raise ValueError(
            f"lr_scheduler_kwargs={arguments!r} must be arguments of {_name(scheduler)}: {error}"
        ) from None


def _check_trainer(arguments: Mapping[str, Any]) -> None:
    known = inspect.signature(Trainer).parameters
    for name in arguments:
        if name not in known:
            raise ValueError(
                f"pl_trainer_kwargs has {name!r}, which must be an argument of Lightning's Trainer"
                f"{did_you_mean(name, known)}"
            )
    for name, rule in TRAINER_RULES.items():
        if name in arguments and not rule.holds(arguments[name]):
            raise ValueError(f"pl_trainer_kwargs[{name!r}]={arguments[name]!r} must be {rule.words}")


def _name(made_by: Any) -> str:
    return str(getattr(made_by, "__name__", made_by))


def _is_integer(value: Any, least: int) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= MOST


def _at_least(least: int) -> Rule:
    return Rule(lambda value: _is_integer(value, least), f"an integer from {least} to {MOST}")


def _makes(*kinds: type) -> Callable[[Any], bool]:
    """Say whether a value is one of some classes, or a function that makes one."""
    return lambda value: issubclass(value, kinds) if isinstance(value, type) else callable(value)


def _has_names(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(name, str) for name in value))


def _are_metrics(value: Any) -> bool:
    if isinstance(value, dict):
        return _has_names(value) and _are_metrics([*value.values()])
    several = value if isinstance(value, list | tuple) else [value]
    return all(isinstance(one, torchmetrics.Metric | torchmetrics.MetricCollection) for one in several)


def _is_seed(value: Any) -> bool:
    is_number = isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < 2**32
    return value is None or is_number or isinstance(value, np.random.RandomState)


def _is_finetuning(value: Any) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, bool | None)
    patterns = next(iter(value.values()), None)
    named = len(value) == 1 and next(iter(value)) in ("freeze", "unfreeze")
    return named and isinstance(patterns, list) and all(isinstance(one, str) for one in patterns)


def _are_options_of_norm(value: Any) -> bool:
    if not isinstance(value, dict):
        return isinstance(value, bool)
    is_small = isinstance(value.get("eps", 1e-5), float) and value.get("eps", 1e-5) > 0
    return value.keys() <= {"affine", "eps"} and isinstance(value.get("affine", True), bool) and is_small


def _are_callbacks(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and all(isinstance(one, Callback) for one in value)


FLAG = Rule(lambda value: isinstance(value, bool), "True or False")
NAMED = Rule(_has_names, "None or a dict of names to values")
EPOCHS = Rule(lambda value: _is_integer(value, -1), f"an integer from 0 to {MOST}, or -1 for no end")
RULES: dict[str, Rule] = {
    "batch_size": _at_least(1),
    "n_epochs": EPOCHS,
    "loss_fn": Rule(
        lambda value: value is None or (callable(value) and not isinstance(value, type)),
        "a loss, such as torch.nn.MSELoss(), and not its name or class",
    ),
    "likelihood": Rule(
        lambda value: isinstance(value, TorchLikelihood | None), "None or a likelihood of Darts for torch models"
    ),
    "torch_metrics": Rule(
        lambda value: value is None or _are_metrics(value), "None or metrics of torchmetrics, and not names or classes"
    ),
    "optimizer_cls": Rule(_makes(Optimizer), "a class of optimizer, such as torch.optim.Adam"),
    "optimizer_kwargs": NAMED,
    "lr_scheduler_cls": Rule(
        lambda value: value is None or _makes(LRScheduler, ReduceLROnPlateau)(value),
        "None or a class of scheduler, such as torch.optim.lr_scheduler.ExponentialLR",
    ),
    "lr_scheduler_kwargs": NAMED,
    "use_reversible_instance_norm": Rule(
        _are_options_of_norm, 'True, False or a dict of "affine" to a bool and "eps" to a float above 0'
    ),
    "add_encoders": NAMED,
    "random_state": Rule(_is_seed, "None or an integer from 0 to 2**32 - 1"),
    "pl_trainer_kwargs": NAMED,
    "enable_finetuning": Rule(
        _is_finetuning, 'None, True, False or a dict of "freeze" or "unfreeze" to a list of patterns'
    ),
    "model_name": Rule(
        lambda value: value is None or (isinstance(value, str) and value != ""), "None or the name of a folder"
    ),
    "work_dir": Rule(lambda value: isinstance(value, str | PathLike), "the path of a folder"),
    "log_tensorboard": FLAG,
    "nr_epochs_val_period": _at_least(1),
    "force_reset": FLAG,
    "save_checkpoints": FLAG,
    "show_warnings": FLAG,
}
TRAINER_RULES: dict[str, Rule] = {
    "max_epochs": EPOCHS,
    "check_val_every_n_epoch": _at_least(1),
    "callbacks": Rule(_are_callbacks, "a list of callbacks"),
}
