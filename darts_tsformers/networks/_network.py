"""What every architecture is, and the architectures by name."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar, TypeAlias

from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.attention import Attention
from darts_tsformers.docstrings import with_shared_parameters
from darts_tsformers.networks._arguments import ARGUMENTS
from darts_tsformers.networks._lessons import Training
from darts_tsformers.networks._paths import Noise
from darts_tsformers.networks._series import TrainingSeries
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.instance_norm import POPULATION, Spread

NETWORKS: dict[str, type["Network"]] = {}

Feed: TypeAlias = Callable[[Float[Tensor, "B T C Q"]], Float[Tensor, "B T C"]]
"""From the parameters forecast for a step, or several, to the values that the next step builds on."""


def first_parameter(parameters: Float[Tensor, "B T C Q"]) -> Float[Tensor, "B T C"]:
    """Feed on the first parameter: a point forecast."""
    return parameters[..., 0]


class Network(nn.Module, ABC):
    """A map from a window in normalised units to raw outputs in normalised units.

    A subclass is known by its name from its definition on: a saved model holds the name, never an import path. Its
    constructor takes the sizes and, by keyword, plain hyper-parameters with defaults. Its docstring may leave out what
    many networks have, such as ``d_model``: that is filled in.

    Attributes
    ----------
    sizes
        What the network was built for.
    reads
        Kinds of covariates the architecture has a place for, of ``"past"``, ``"future"`` and ``"static"``. The others
        act through the shared :class:`~darts_tsformers.window.covariates.CovariateHead`.
    validates_by_lessons
        Whether it is validated by what it learns from, as it has no other measure, and not by its forecast.
    draws_paths
        Whether it has no likelihood, but can :meth:`sample`.
    knows_start
        Whether ``window.start`` tells it where the history of each sample begins, and it leaves out what is before;
        a network that streams is always told.
    window_spread
        What instance normalisation takes for the spread of a window.
    in_data_units
        Whether it takes covariates, and a target that is not normalised window by window, in the units of the data, and
        not in those of the training part. It then has to look after units itself.
    head_patterns
        Names of the parameters that turn states into forecasts, as patterns, of a network that learns to forecast what
        follows each patch, or step, of the window: it can learn so before it is fitted, by ``"next"``.
    knows_units
        Whether its weights are of data in units of their own, as published ones are: without instance norm it takes the
        target as it is given.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import Network
    >>> class LastValue(Network, name="last_value"):
    ...     width_tie = None  # serves any number of components
    ...
    ...     def forward(self, window):
    ...         return window.target[:, -1:, :, None].expand(-1, self.sizes.output_length, -1, 1)
    >>> LastValue(Sizes(input_length=5, output_length=2))(Window(target=torch.arange(5.0).view(1, 5, 1))).flatten()
    tensor([4., 4.])
    """

    name: ClassVar[str]
    reads: ClassVar[frozenset[str]] = frozenset()
    validates_by_lessons: ClassVar[bool] = False
    draws_paths: ClassVar[bool] = False
    knows_start: ClassVar[bool] = False
    window_spread: ClassVar[Spread] = POPULATION
    in_data_units: ClassVar[bool] = False
    knows_units: bool = False
    head_patterns: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, name: str) -> None:
        super().__init_subclass__()
        known = NETWORKS.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ValueError(f"name={name!r} is already the name of {known.__module__}.{known.__qualname__}")
        cls.name = name
        cls.__doc__ = with_shared_parameters(cls.__doc__ or "", inspect.signature(cls).parameters, ARGUMENTS)
        NETWORKS[name] = cls

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes

    @property
    def width_tie(self) -> str | None:
        """What ties the network to its number of target components; None if it serves any number.

        The name of the argument to blame, or ``"architecture"``.
        """
        return "architecture"

    @property
    def feeds_on_itself(self) -> bool:
        """Whether each step, or block of steps, is forecast from the one before.

        ``forward`` then takes a :data:`Feed`, which it calls once for each of them, the last included; and the network
        reads all kinds of covariates.
        """
        return False

    @property
    def needs_future_target(self) -> bool:
        """Whether ``learn`` is shown what followed the window; by default if the network feeds on itself."""
        return self.feeds_on_itself

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for in each module that records something of them, by its path."""
        return {}

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers around a mechanism."""
        return mechanism_paths(self)

    @property
    def token_steps(self) -> Int[Tensor, "N p"] | None:
        """Which steps of the look-back each token of :meth:`encode` stands for, the same for all components.

        None if there is one for each component, which stands for all of them, and is mixed with those of the others.
        """
        return None

    def encode(self, window: Window) -> Float[Tensor, "B C N D"]:
        """Return the tokens of each component of the target, mixed, as the head takes them.

        A network that has them can be trained by them before it learns to forecast; whatever else has parameters is
        its head.
        """
        raise NotImplementedError(f"{self.name} has no tokens of components")

    @abstractmethod
    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""

    def prepare(self, series: Iterable[TrainingSeries]) -> None:
        """Learn from the training part as a whole, once, before the first training step; by default nothing.

        What is learnt goes into buffers whose shapes are known when the network is made, and is saved with the weights.
        The series are made one at a time as they are read, as often as they are. Static covariates and a target that is
        normalised window by window are in data units, all else is as the network sees it. No gradient is kept.
        """

    def learn(self, window: Window) -> Training:
        """Say what to learn from, in training: by default the forecast."""
        return Training(self(window))

    def sample(self, window: Window, noise: Noise) -> Float[Tensor, "B H C"]:
        """Draw one path for each window, in normalised units; ``noise`` is all that is left to chance."""
        raise NotImplementedError(f"{self.name} draws no paths")

    def refine(
        self,
        window: Window,
        base: Float[Tensor, "B H C"],
        noise: Noise,
        *,
        step: int,
        n_iterations: int,
        rate: float,
        noise_scale: float,
    ) -> Float[Tensor, "B H C"]:
        """Make one forecast for each window, in normalised units, more like what the network knows."""
        raise NotImplementedError(f"{self.name} refines no forecasts")


def mechanism_paths(module: nn.Module) -> list[str]:
    """Return the paths of the layers around a mechanism in a module."""
    return [path for path, part in module.named_modules() if isinstance(getattr(part, "mechanism", None), Attention)]
