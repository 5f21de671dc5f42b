"""Networks that take in one observation at a time."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from darts_tsformers.networks._network import Network
from darts_tsformers.window import Window

State = TypeVar("State")


class StreamingNetwork(ABC, Generic[State]):
    """What a causal network adds to :class:`~darts_tsformers.networks.Network` to follow a series row by row.

    A network reads a look-back once by :meth:`begin`, takes in each further row by :meth:`advance`, and forecasts from
    what it keeps by :meth:`ahead`. Its forecast is the same in one pass: ``forward(window)`` equals
    ``ahead(begin(window), window.future, window.static)``, and ``begin`` of a longer window equals ``begin`` of a
    shorter one and ``advance`` for each further row. ``forward`` may be written just so, with ``begin`` in its parallel
    form; gradients flow through both in training.

    Rows come in normalised units and without gaps; see :class:`~darts_tsformers.networks.Forecaster`.

    - **Where a history begins.** A window shorter than the look-back is filled up on its left. ``window.start`` says at
      which row the history of each sample begins; None if all begin at row 0. A network that streams is as if the rows
      before that were not there: they leave the state as it is at the start, none attends to them, and positions are
      counted from the first row of the history.
    - **Cost.** A row takes O(1) or O(log L) time and memory, and a forecast O(H) of those.
    - **Histories longer than the look-back.** A recurrent state simply goes on. A network with a table of positions
      begins anew on its recent rows, seldom enough to keep the cost per row.
    - **State.** It is made of tensors with the batch first, of numbers and None, in tuples, lists, deques, dicts and
      data classes. ``advance`` may write to the state that it is given, which is not used again. ``ahead`` leaves the
      state as it is: further rows follow.

    - **Learning.** A forecast in training, lessons included, is in the units of the last row of the look-back, whatever
      step it is of; inputs of earlier rows are in units of their own where they are normalised by what was seen so far.

    A model whose network streams names ``use_instance_norm: bool | str`` among its arguments, ``"running"`` by default
    unless there is a reason: normalisation by the whole window cannot be streamed.

    Attributes
    ----------
    to_stream
        Arguments, kept as attributes, that a network of this class must be made with to stream; by default none.

    Examples
    --------
    A moving average that forgets, and stays where it is:

    >>> import torch
    >>> from darts_tsformers.networks import Network, StreamingNetwork
    >>> from darts_tsformers.window import Sizes, Window
    >>> class Average(StreamingNetwork, Network, name="average"):
    ...     width_tie = None
    ...
    ...     def forward(self, window):
    ...         return self.ahead(self.begin(window), window.future, window.static)
    ...
    ...     def begin(self, window):
    ...         level = torch.zeros_like(window.target[:, 0])
    ...         for i, value in enumerate(window.target.unbind(1)):
    ...             is_seen = torch.tensor(True) if window.start is None else (i >= window.start)[:, None]
    ...             level = torch.where(is_seen, (level + value) / 2, level)
    ...         return level
    ...
    ...     def advance(self, state, row):
    ...         return (state + row.target[:, 0]) / 2
    ...
    ...     def ahead(self, state, future, static):
    ...         return state[:, None, :, None].expand(-1, self.sizes.output_length, -1, 1)
    >>> network = Average(Sizes(input_length=4, output_length=1))
    >>> whole = torch.tensor([[[8.0], [4.0], [2.0], [6.0]]])  # (B, L, C)
    >>> state = network.advance(network.begin(Window(whole[:, :3])), Window(whole[:, 3:]))
    >>> network.ahead(state, None, None).item(), network(Window(whole)).item()
    (4.5, 4.5)
    """

    to_stream: ClassVar[dict[str, Any]] = {}

    @property
    def streams(self) -> bool:
        """Whether the network was made with what it takes to stream."""
        return all(getattr(self, name) == value for name, value in self.to_stream.items())

    @abstractmethod
    def begin(self, window: Window) -> State:
        """Read a look-back of any length up to ``sizes.input_length``, and forecast nothing.

        Of ``window.start`` see above; each history has at least one row. ``window.future`` may be None.
        """

    @abstractmethod
    def advance(self, state: State, row: Window) -> State:
        """Take in one row: a window of one step, all of its tensors ``(B, 1, ...)``, with the static covariates."""

    @abstractmethod
    def ahead(
        self, state: State, future: Float[Tensor, "B H F"] | None, static: Float[Tensor, "B V S"] | None
    ) -> Float[Tensor, "B H C Q"]:
        """Forecast from what was seen so far. One that feeds on itself takes a ``feed`` too, as ``forward`` does."""


def streams(network: Network) -> bool:
    """Return whether a network streams."""
    return isinstance(network, StreamingNetwork) and network.streams


def leaves_out_start(network: Network) -> bool:
    """Return whether a network is told where a history begins."""
    return network.knows_start or streams(network)


def require_norm(use_instance_norm: bool | str, network: Network) -> None:
    """Raise ``ValueError`` unless the normalisation is known, and one that the network can have."""
    if not isinstance(use_instance_norm, bool) and use_instance_norm not in ("magnitude", "running"):
        streaming = isinstance(network, StreamingNetwork)
        choices = "True, False, 'magnitude' or 'running'" if streaming else "True, False or 'magnitude'"
        raise ValueError(f"use_instance_norm={use_instance_norm!r} must be {choices}")
    if use_instance_norm == "running" and not streams(network):
        raise ValueError(f"use_instance_norm='running' needs a network that streams; {why_not(network)}")


def why_not(network: Network) -> str:
    """Say why a network does not stream."""
    if not isinstance(network, StreamingNetwork):
        return f"{type(network).__name__} cannot"
    needed = ", ".join(f"{name}={value!r}" for name, value in network.to_stream.items())
    return f"{type(network).__name__} does when it is trained with {needed}"
