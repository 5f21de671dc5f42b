"""What the tokens of a network stand for, so that what was recorded of them can be read."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from darts_tsformers.window import Sizes


@dataclass(frozen=True)
class TimeAxis:
    """Tokens that stand for spans of time.

    Attributes
    ----------
    first, last
        First and last step of each token, counted from the last step seen: that is 0, those before it are negative,
        and the first one to forecast is ``1 + output_shift``.
    """

    first: tuple[int, ...]
    last: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.first)

    def __add__(self, other: "TimeAxis") -> "TimeAxis":
        """Tokens one after the other."""
        return TimeAxis(self.first + other.first, self.last + other.last)

    def __getitem__(self, tokens: slice) -> "TimeAxis":
        return TimeAxis(self.first[tokens], self.last[tokens])

    def pooled(self) -> "TimeAxis":
        """Tokens after a pooling over three with a stride of two, one step of padding at each end."""
        n = len(self)
        centres = range(0, n, 2)
        return TimeAxis(
            tuple(self.first[max(i - 1, 0)] for i in centres), tuple(self.last[min(i + 1, n - 1)] for i in centres)
        )


@dataclass(frozen=True)
class VariableAxis:
    """Tokens that stand for variables.

    Attributes
    ----------
    kinds
        Which variables, in their order: of ``"target"``, ``"past"``, ``"future"``, ``"static"`` and ``"position"``.
    """

    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Durations:
    """Entries that stand for lengths of time.

    Attributes
    ----------
    steps
        Each length; the period of a mean over all time is infinite.
    open_ended
        Whether the last entry stands for all longer ones too.
    """

    steps: tuple[int | float, ...]
    open_ended: bool = False

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class NamedAxis:
    """Entries that have names of their own.

    Attributes
    ----------
    names
        Called for them where they are needed: it may take a while to find them.
    """

    names: Callable[[], Sequence[str]]


@runtime_checkable
class HasDurations(Protocol):
    """A module that records something along lengths of time that are its own: periods of modes, widths of averages."""

    def durations(self) -> Mapping[str, Durations]:
        """Return the lengths by the name of the axis, as :class:`~darts_tsformers.explain.Explanation` has it."""


Axis: TypeAlias = TimeAxis | VariableAxis | NamedAxis | Durations


@dataclass(frozen=True)
class Layout:
    """What the axes of a recorded tensor stand for.

    Attributes
    ----------
    axes
        Of an attention map the queries and the keys; of variable weights all axes after the batch.
    per_component
        Whether the components of the target are folded into the batch, ``(B C)``.
    """

    axes: tuple[Axis, ...]
    per_component: bool = False


def steps(first: int, last: int) -> TimeAxis:
    """Return an axis with one token for each step."""
    offsets = tuple(range(first, last + 1))
    return TimeAxis(offsets, offsets)


def look_back(sizes: Sizes) -> TimeAxis:
    """Return the steps looked back on."""
    return steps(1 - sizes.input_length, 0)


def horizon(sizes: Sizes) -> TimeAxis:
    """Return the steps to forecast."""
    return steps(sizes.output_shift + 1, sizes.output_shift + sizes.output_length)


def patches(input_length: int, n_patches: int, patch_length: int, stride: int) -> TimeAxis:
    """Return the spans of patches. What is padded repeats the last step, so a patch never ends after it."""
    starts = range(0, n_patches * stride, stride)
    final = input_length - 1
    return TimeAxis(
        tuple(min(start, final) - final for start in starts),
        tuple(min(start + patch_length - 1, final) - final for start in starts),
    )
