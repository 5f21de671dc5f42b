"""From the names of weights in a checkpoint to those in a network, every one accounted for."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_SHOWN = 5


@dataclass(frozen=True)
class KeyMap:
    r"""A table of names.

    Attributes
    ----------
    renames
        Pairs of a regular expression and what takes its place, applied one after the other to each name.
    unused
        Regular expressions of whole names in the checkpoint that a network has no use for, such as tables it computes.
    added
        Regular expressions of whole names in the network that a checkpoint may lack; they stay as they are then.

    Examples
    --------
    >>> from darts_tsformers.pretrained import KeyMap
    >>> table = KeyMap(renames=((r"^layers\.(\d+)\.attn", r"encoder.\1.attention"),), unused=(r".*inv_freq",))
    >>> table.ours("layers.3.attn.weight"), table.ours("rotary.inv_freq")
    ('encoder.3.attention.weight', None)
    """

    renames: tuple[tuple[str, str], ...] = ()
    unused: tuple[str, ...] = ()
    added: tuple[str, ...] = ()

    def ours(self, name: str) -> str | None:
        """Return our name of a weight; None if it is not used."""
        if _fits(self.unused, name):
            return None
        for pattern, replacement in self.renames:
            name = re.sub(pattern, replacement, name)
        return name


def load_mapped(network: nn.Module, weights: Mapping[str, Tensor], key_map: KeyMap, source: str) -> None:
    """Put the weights of a checkpoint into a network, cast to its type of number.

    Parameters
    ----------
    network
        Where they go; left as it was if anything does not fit.
    weights
        By the names of the checkpoint.
    key_map
        The table of names.
    source
        What the error message calls the checkpoint.

    Raises
    ------
    ValueError
        If a weight of the network is missing in the checkpoint, if one of the checkpoint has no place, if two have the
        same one, or if a shape differs. The message names them.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.pretrained import KeyMap, load_mapped
    >>> linear = torch.nn.Linear(2, 1)
    >>> table = KeyMap(renames=((r"^proj", "weight"), (r"^shift", "bias")))
    >>> load_mapped(linear, {"proj": torch.ones(1, 2), "shift": torch.zeros(1)}, table, "checkpoint 'tiny'")
    >>> linear(torch.ones(1, 2)).item()
    2.0
    """
    own = network.state_dict()
    found: dict[str, Tensor] = {}
    homeless, twice, misshapen = [], [], []
    for name, weight in weights.items():
        ours = key_map.ours(name)
        if ours is None:
            continue
        if ours not in own:
            homeless.append(name)
        elif ours in found:
            twice.append(name)
        elif weight.shape != own[ours].shape:
            misshapen.append(f"{name} {tuple(weight.shape)} for {tuple(own[ours].shape)}")
        else:
            found[ours] = weight
    missing = sorted(own.keys() - found.keys() - {key_map.ours(name) for name in weights})
    missing = [name for name in missing if not _fits(key_map.added, name)]
    faults = {"missing": missing, "without a place": homeless, "given twice": twice, "of another shape": misshapen}
    said = "; ".join(f"{fault}: {_listed(names)}" for fault, names in faults.items() if names)
    if said:
        raise ValueError(f"{source} does not fit {type(network).__name__}: {said}")
    with torch.no_grad():
        for name, weight in found.items():
            own[name].copy_(weight)


def _fits(patterns: Iterable[str], name: str) -> bool:
    return any(re.fullmatch(pattern, name) for pattern in patterns)


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
