"""From the configuration of a checkpoint to the arguments of a network, every key accounted for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ConfigMap:
    """A table of keys.

    Attributes
    ----------
    arguments
        From keys of the configuration to arguments of the network.
    defaults
        What keys that may be left out stand for then; all others of ``arguments`` must be there.
    fixed
        Keys that may have one value only, because the network has no other.
    ignored
        Keys that say nothing of what is forecast.

    Examples
    --------
    >>> from darts_tsformers.pretrained import ConfigMap
    >>> table = ConfigMap({"hidden_size": "d_model"}, fixed={"hidden_act": "silu"}, ignored=("torch_dtype",))
    >>> table.ours({"hidden_size": 8, "hidden_act": "silu", "torch_dtype": "bfloat16"})
    {'d_model': 8}
    """

    arguments: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()

    def ours(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that a configuration asks for.

        Raises
        ------
        ValueError
            If a key is missing or not known, or has a value that the network does not have; the message names it.
        """
        if unknown := sorted(config.keys() - self.arguments.keys() - self.fixed.keys() - set(self.ignored)):
            raise ValueError(f"config.json has {unknown[0]}={config[unknown[0]]!r}, which is not known")
        for key, value in self.fixed.items():
            if config.get(key, value) != value:
                raise ValueError(f"config.json has {key}={config[key]!r}, which must be {value!r}")
        given = {**self.defaults, **config}
        if missing := sorted(self.arguments.keys() - given.keys()):
            raise ValueError(f"config.json must have {missing[0]}")
        return {ours: given[key] for key, ours in self.arguments.items()}
