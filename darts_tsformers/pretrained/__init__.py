"""Other people's weights: where they are, under which names, and how they get into our networks. Never a pickle."""

from darts_tsformers.language.frozen import Frozen
from darts_tsformers.pretrained.checkpoint import Checkpoint
from darts_tsformers.pretrained.config_map import ConfigMap
from darts_tsformers.pretrained.key_map import KeyMap, load_mapped

__all__ = ["Checkpoint", "ConfigMap", "Frozen", "KeyMap", "load_mapped"]
