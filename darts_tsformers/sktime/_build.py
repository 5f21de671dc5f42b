"""From the arguments of a forecaster to a Darts model."""

import copy
from collections.abc import Callable, Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np
from darts.utils.likelihood_models.torch import QuantileRegression

from darts_tsformers.adapter.arguments import DOCS
from darts_tsformers.models import TSFormerModel

EXPLICIT = ("batch_size", "n_epochs", "random_state")
QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
LOUD = {"logger": "log_tensorboard", "enable_checkpointing": "save_checkpoints"}
"""Which arguments of Darts ask for what a quiet trainer leaves out."""


def build(
    model_class: Callable[..., TSFormerModel],
    *,
    quantiles: Sequence[float] | None,
    random_state: int | None,
    model_kwargs: dict[str, Any] | None,
    **arguments: Any,
) -> TSFormerModel:
    """Make an untrained Darts model.

    Parameters
    ----------
    model_class
        The class of the model.
    quantiles
        Quantiles to learn, or None.
    random_state
        The seed; None for one of chance, drawn without touching NumPy's global generator.
    model_kwargs
        Further arguments of Darts.
    **arguments
        All else that the model takes.

    Raises
    ------
    ValueError
        If ``model_kwargs`` holds something unknown, or something that ``quantiles`` already says.
    """
    options = checked_options(model_kwargs, quantiles)
    if quantiles is not None:
        options["likelihood"] = QuantileRegression(checked_quantiles(quantiles))
    options["pl_trainer_kwargs"] = trainer_arguments(options)
    seed = np.random.default_rng().integers(2**31 - 1).item() if random_state is None else random_state
    return model_class(random_state=seed, **copy.deepcopy(arguments), **options)


def learnt_quantiles(model_class: type[TSFormerModel], quantiles: Sequence[float] | None) -> Sequence[float] | None:
    """Return the quantiles that a model learns: none if it draws paths, off which any can be read."""
    return None if model_class.network_class.draws_paths else quantiles


def is_probabilistic(
    model_class: type[TSFormerModel], quantiles: Sequence[float] | None, model_kwargs: dict[str, Any] | None
) -> bool:
    """Whether a model forecasts a distribution; told before the arguments are checked."""
    options = model_kwargs if isinstance(model_kwargs, dict) else {}
    return model_class.network_class.draws_paths or quantiles is not None or options.get("likelihood") is not None


def trainer_arguments(model_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    """Return the arguments of the Lightning trainer: ``pl_trainer_kwargs`` over those of a quiet one."""
    options = model_kwargs or {}
    quiet = {name: value for name, value in QUIET.items() if not options.get(LOUD.get(name, ""))}
    return quiet | (options.get("pl_trainer_kwargs") or {})


def checked_options(model_kwargs: dict[str, Any] | None, quantiles: Sequence[float] | None) -> dict[str, Any]:
    """Return a copy of ``model_kwargs`` that training may change."""
    if not isinstance(model_kwargs, dict | None):
        raise ValueError(f"model_kwargs={model_kwargs!r} must be None or a dict of arguments of Darts")
    options = copy.deepcopy(model_kwargs or {})
    allowed = sorted(set(DOCS) - set(EXPLICIT))
    for name in options:
        if name not in allowed:
            raise ValueError(f"model_kwargs has {name!r}, which must be one of {allowed}")
    for name in ("likelihood", "loss_fn"):
        if options.get(name) is not None and quantiles is not None:
            raise ValueError(
                f"model_kwargs has {name!r}, which needs quantiles=None: quantiles={quantiles!r} bring their own"
            )
    return options


def checked_quantiles(quantiles: Sequence[float]) -> list[float]:
    """Return the quantiles in order; raise ``ValueError`` if they are not symmetric about the median."""
    are_numbers = isinstance(quantiles, Iterable) and all(isinstance(level, Real) for level in quantiles)
    levels = sorted(quantiles) if are_numbers else []
    symmetric = np.allclose(np.add(levels, levels[::-1]), 1)
    if not (levels and levels[0] > 0 and 0.5 in levels and symmetric):
        raise ValueError(f"quantiles={quantiles!r} must lie in (0, 1), symmetric about 0.5, which is one of them")
    return levels
