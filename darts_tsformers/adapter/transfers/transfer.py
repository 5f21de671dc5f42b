"""From one module into another: which weights are taken over, and which are not, by name."""

from collections.abc import Iterable
from typing import Any

import torch
from darts.logging import get_logger
from torch import Tensor

from darts_tsformers.adapter.module import TSFormerModule
from darts_tsformers.pretraining.encoder import has_encoder, head_names
from darts_tsformers.window.units import Unit

NETWORK, OBJECTIVE, SHARED_HEAD = "forecaster.network.", "forecaster.objective.", "forecaster.covariate_head."

TRANSFERS = ("probe", "full", "probe_then_full")

logger = get_logger(__name__)


def require_forecasts(model: Any) -> None:
    """Raise ``ValueError`` if a model was pre-trained alone."""
    objective = None if model.model is None else model.model.forecaster.objective
    if objective is not None:
        raise ValueError(
            f"{type(model).__name__} was pre-trained, by objective={objective.name!r}, and cannot forecast yet: fit it "
            f"first, with transfer one of {list(TRANSFERS)}"
        )


def freeze(module: TSFormerModule, *, encoder: bool) -> None:
    """Freeze the encoder, if asked for, and a head that nothing would teach."""
    head = _has_idle_head(module)
    if encoder or head:
        heads = _heads_of(module)
        for name, parameter in module.named_parameters():
            if (name in heads) is head:
                parameter.requires_grad_(False)


@torch.no_grad()
def take_over(module: TSFormerModule, source: TSFormerModule) -> None:
    """Take over each weight of the same name and shape, and say which were not.

    Units of the data are measured anew. A head that was never trained is not taken over, and what is of an objective
    only by the same objective.

    Raises
    ------
    ValueError
        If nothing of the network fits.
    """
    own, theirs = _weights_of(module), _weights_of(source)
    if _has_idle_head(source):
        for name in _heads_of(source):
            theirs.pop(name, None)
    if module.hparams.objective != source.hparams.objective:
        own, theirs = ({n: w for n, w in one.items() if not n.startswith(OBJECTIVE)} for one in (own, theirs))
    fitting = {name for name, weight in theirs.items() if name in own and own[name].shape == weight.shape}
    if not any(name.startswith(NETWORK) for name in fitting):
        raise ValueError(
            "nothing that was learnt fits: no weight of the network has the name and the shape of one here"
        )
    for name in fitting:
        own[name].copy_(theirs[name])
    _report(own, theirs, fitting, _heads_of(module))


def _has_idle_head(module: TSFormerModule) -> bool:
    """Whether a module learns by an objective that does not teach its head."""
    objective = module.forecaster.objective
    return objective is not None and not objective.teaches_head


def _heads_of(module: TSFormerModule) -> set[str]:
    """Name the parameters that only a forecast needs: the network's head, and the shared one of covariates."""
    network = module.forecaster.network
    of_network = head_names(network) if has_encoder(type(network)) else set()
    shared = {name for name, _ in module.named_parameters() if name.startswith(SHARED_HEAD)}
    return {NETWORK + name for name in of_network} | shared


def _weights_of(module: TSFormerModule) -> dict[str, Tensor]:
    """Return parameters and buffers by name, without the units of the data."""
    units = tuple(f"{path}." for path, part in module.named_modules() if isinstance(part, Unit))
    return {name: weight for name, weight in module.state_dict().items() if not name.startswith(units)}


def _report(own: dict[str, Tensor], theirs: dict[str, Tensor], fitting: set[str], heads: set[str]) -> None:
    """Name what was not transferred."""
    new = [name for name in own if name not in fitting]
    as_heads, others = [n for n in new if n in heads], [n for n in new if n not in heads]
    left = [name for name in theirs if name not in fitting and name not in own]
    if as_heads:
        logger.info(f"Trained from the start, as they are of the head: {_named(as_heads, own, theirs)}.")
    if others:
        logger.warning(f"Not transferred, and trained from the start: {_named(others, own, theirs)}.")
    if left:
        logger.warning(f"Not transferred, as the model has no such weights: {', '.join(left)}.")


def _named(names: Iterable[str], own: dict[str, Tensor], theirs: dict[str, Tensor]) -> str:
    """List names, with the shapes where these differ."""
    shapes = {
        name: f" ({tuple(theirs[name].shape)} there, {tuple(own[name].shape)} here)" for name in own if name in theirs
    }
    return ", ".join(name + shapes.get(name, "") for name in names)
