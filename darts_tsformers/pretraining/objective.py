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

    Attributes
    ----------
    needs_future_target
        Whether it is shown what followed, in ``window.future_target``.
    teaches_head
        Whether the head that forecasts learns too, and is taken over with the encoder.

    Examples
    --------
    The level of a window, from its tokens:

    >>> import torch
    >>> from darts_tsformers.networks import PatchTST, Training
    >>> from darts_tsformers.pretraining import Objective
    >>> from darts_tsformers.pretraining.encoder import token_width
    >>> from darts_tsformers.window import Sizes, Window
    >>> class LevelFirst(Objective, name="level_first"):
    ...     def __init__(self, network, *, bias=True):
    ...         super().__init__()
    ...         self.map = torch.nn.Linear(token_width(network), 1, bias=bias)
    ...
    ...     def forward(self, network, window):
    ...         guess = self.map(network.encode(window).mean(dim=2)).mT  # (B, C, N, D) -> (B, 1, C)
    ...         return Training(penalties={"level": (guess - window.target.mean(dim=1, keepdim=True)).square().mean()})
    >>> network = PatchTST(Sizes(24, 6), patch_length=8, d_model=8)
    >>> sorted(LevelFirst(network)(network, Window(torch.randn(2, 24, 1))).penalties)
    ['level']
    """

    name: ClassVar[str]
    validates_by_lessons: ClassVar[bool] = True
    needs_future_target: ClassVar[bool] = False
    teaches_head: ClassVar[bool] = False

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
