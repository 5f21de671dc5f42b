"""Mappings: how a system of the golden files is built of our parts, one file a system in ``mappings/``."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from tests.reference import mappings
from tests.reference.files import Golden


@dataclass(frozen=True)
class Ours:
    """What we return for a golden file, connected to the tensors of the file.

    Parameters
    ----------
    outputs
        Our outputs under the reference's names. More than the file has does no harm.
    objectives
        What is differentiated, by what stands before the colon in the names of the gradients, ``""`` for nothing.
        By default the outputs times the weights of the file; the second form has no weights, and needs one here.
    leaves
        What else a gradient is stored of, under the gradient's name; the file's weights and inputs are known.
    """

    outputs: dict[str, Tensor]
    objectives: dict[str, Tensor] = field(default_factory=dict)
    leaves: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Mapping:
    """How we compute what the golden files of some systems hold.

    Parameters
    ----------
    systems
        What ``meta["system"]`` says in these files.
    run
        Builds our object from the settings and weights of a file and runs it.
    tolerances
        Tolerances other than the usual ones, by pattern of the key: ``{"out/*": 1e-9}``. The first that fits counts.
    left_out
        What we do not have, by pattern of the key, and why: ``{"out/raw": "the faulty form"}``. All else must be there.
    """

    systems: tuple[str, ...]
    run: Callable[[Golden], Ours]
    tolerances: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def discover() -> dict[str, Mapping]:
    """Find all mappings in the files of ``mappings/``, by system."""
    found: dict[str, Mapping] = {}
    for info in pkgutil.iter_modules(mappings.__path__, f"{mappings.__name__}."):
        for mapping in vars(importlib.import_module(info.name)).values():
            for system in mapping.systems if isinstance(mapping, Mapping) else ():
                if found.setdefault(system, mapping) is not mapping:
                    raise ValueError(f"two mappings of {system!r}, one of them in {info.name}")
    return found


def renamed(weights: dict[str, Tensor], names: dict[str, str]) -> dict[str, Tensor]:
    """Replace parts of names, one after the other."""
    ours = {}
    for name, weight in weights.items():
        for before, after in names.items():
            name = name.replace(before, after)
        ours[name] = weight
    return ours


def with_weights(module: nn.Module, weights: dict[str, Tensor]) -> nn.Module:
    """Put weights into a module as they are, so that gradients reach what they were made of; in evaluation mode.

    Raises
    ------
    ValueError
        If a weight is missing, left over or of another shape.
    """
    own = module.double().state_dict()
    if own.keys() != weights.keys():
        missing, surplus = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
        raise ValueError(f"weights missing: {missing}, left over: {surplus}")
    for name, weight in weights.items():
        if weight.shape != own[name].shape:
            raise ValueError(f"{name} has shape {tuple(weight.shape)}, ours has {tuple(own[name].shape)}")
        owner, _, last = name.rpartition(".")
        part = module.get_submodule(owner)
        (part._parameters if last in part._parameters else part._buffers)[last] = weight.clone()
    return module.eval()


def cosine(x: Tensor) -> Tensor:
    """Sum up ``x[i] * cos(0.7 i + 0.3)`` over all elements: what the second form calls "cos"."""
    steps = torch.arange(x.numel(), dtype=x.dtype)
    return (x.flatten() * torch.cos(0.7 * steps + 0.3)).sum()
