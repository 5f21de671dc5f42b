"""Architectures: plain modules from a normalised window to raw outputs. They know nothing of Darts.

Each has a file of its own, and can be imported from here.
"""

from importlib import import_module
from pkgutil import iter_modules

from darts_tsformers.networks._forecaster import Forecaster
from darts_tsformers.networks._lessons import Lesson, Score, Training
from darts_tsformers.networks._network import NETWORKS, Network
from darts_tsformers.networks._paths import Noise, median_path
from darts_tsformers.networks._series import TrainingSeries
from darts_tsformers.networks._streaming import StreamingNetwork

for _file in iter_modules(__path__, f"{__name__}."):
    import_module(_file.name)
_ARCHITECTURES = {one.__name__: one for one in NETWORKS.values() if one.__module__.startswith(f"{__name__}.")}
globals().update(_ARCHITECTURES)

_SHARED = (Forecaster, Lesson, Network, Noise, Score, StreamingNetwork, Training, TrainingSeries, median_path)

__all__ = sorted([*(one.__name__ for one in _SHARED), *_ARCHITECTURES])
