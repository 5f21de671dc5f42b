"""What every objective is, and the objectives by name."""

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import nn

from darts_tsformers.networks import Network, Training
from darts_tsformers.window import Window

OBJECTIVES: dict[str, type["Objective"]] = {}


class Objective(nn.Module, ABC):
    """What a network learns by before it learns to forecast.

    It is made for one network, which it is not a part of, and sees windows as the network does: normalised, with gaps
    bridged, and ``window.missing`` says where. Its constructor takes the network and, by keyword, plain settings with
    defaults; a ``ValueError`` says if one breaks its rule. What it says to learn from is a
    :class:`~darts_tsformers.networks.Training` without a forecast:

    - Lessons are compared with what was observed, by the loss or the likelihood of the user and with sample weights,
      each window measured by its own spread.
    - Penalties are scalars that are taken as they are.

    In evaluation it draws the same each time.

    Parameters
    ----------
    network
        The network to train; what is read off it here are its sizes.

    Attributes
    ----------
    needs_future_target
        Whether it is shown what followed, in ``window.future_target``.
    """

    name: ClassVar[str]
    validates_by_lessons: ClassVar[bool] = True
    needs_future_target: ClassVar[bool] = False

    def __init_subclass__(cls, *, name: str) -> None:
        super().__init_subclass__()
        known = OBJECTIVES.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"name={name!r} is already the name of {known.__module__}.{known.__qualname__}")
        cls.name = name
        OBJECTIVES[name] = cls

    @classmethod
    def suits(cls, network: type[Network]) -> bool:
        """Whether networks of a class can learn so: by default those whose tokens stand for steps of the look-back."""
        return network.encode is not Network.encode

    @abstractmethod
    def forward(self, network: Network, window: Window) -> Training:
        """Say what to learn from a window."""
