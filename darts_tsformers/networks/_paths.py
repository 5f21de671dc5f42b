"""Paths that a network draws: the chance in them, and their middle."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from darts_tsformers.window import Window

ROWS_AT_ONCE = 1024


class Noise:
    """What is left to chance in paths: standard normal numbers, one row for each path of each window.

    A path draws by its number. It finds the same numbers in every window, and whatever else is drawn with it: no path
    depends on what is in its batch, nor on the size of that.

    Parameters
    ----------
    numbers
        Numbers of the paths, of ``0 .. n_paths - 1``.
    n_paths
        Paths that are drawn of each window in all.
    seed
        The same seed draws the same numbers.
    windows
        The windows, ``(B, L, C)``; for their number, device and type. Rows are the first path of each, then the second.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks import Noise
    >>> all_at_once = Noise(range(3), n_paths=3, seed=0, windows=torch.zeros(2, 5, 1))(4)
    >>> alone = Noise(range(2, 3), n_paths=3, seed=0, windows=torch.zeros(1, 5, 1))(4)
    >>> all_at_once.shape, alone.shape
    (torch.Size([6, 4]), torch.Size([1, 4]))
    >>> torch.equal(all_at_once[4], alone[0]), torch.equal(all_at_once[5], alone[0])
    (True, True)
    """

    def __init__(self, numbers: range, *, n_paths: int, seed: int, windows: Float[Tensor, "B L C"]) -> None:
        self.numbers, self.n_paths, self.windows = numbers, n_paths, windows
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def of_rows(self) -> Int[Tensor, " R"]:
        """The number of the path of each row."""
        numbers = torch.arange(self.numbers.start, self.numbers.stop, device=self.windows.device)
        return numbers.repeat_interleave(len(self.windows))

    def __call__(self, *shape: int) -> Float[Tensor, "R ..."]:
        """Draw the next numbers: ``shape`` of them for each row, the same in any precision."""
        drawn = torch.randn(self.n_paths, *shape, generator=self._generator, dtype=torch.float32)
        mine = drawn[self.numbers.start : self.numbers.stop]
        return mine.to(self.windows).repeat_interleave(len(self.windows), dim=0)


Sample: TypeAlias = Callable[[Window, Noise], Float[Tensor, "B H C"]]
"""From windows and what is left to chance to one path for each."""


def median_path(sample: Sample, window: Window, n_paths: int, *, seed: int = 0) -> Float[Tensor, "B H C 1"]:
    """Return the median of each step over paths that are the same each time: a point forecast.

    Memory: that of as many paths at a time as there are windows, or of 1,024.

    Parameters
    ----------
    sample
        Draws one path for each window.
    window
        The windows.
    n_paths
        Paths of each.
    seed
        Which they are.

    Examples
    --------
    Random walks that begin at the last value:

    >>> import torch
    >>> from darts_tsformers.networks import Network, median_path
    >>> from darts_tsformers.window import Sizes, Window
    >>> class Walks(Network, name="walks"):
    ...     width_tie = None
    ...     draws_paths = True
    ...
    ...     def sample(self, window, noise):
    ...         steps = noise(self.sizes.output_length, window.target.shape[-1])
    ...         return window.target[:, -1:] + steps.cumsum(dim=1)
    ...
    ...     def forward(self, window):
    ...         return median_path(self.sample, window, n_paths=100)
    >>> window = Window(target=torch.tensor([[[0.0], [1.0]], [[2.0], [100.0]]]))
    >>> Walks(Sizes(input_length=2, output_length=3))(window)[..., 0, 0].round()
    tensor([[  1.,   1.,   1.],
            [100., 100., 100.]])
    """
    return median_of(drawn_paths(sample, window, n_paths, seed=seed))


def median_of(paths: Float[Tensor, "n B H C"]) -> Float[Tensor, "B H C 1"]:
    """Return the median of each step over paths."""
    in_order = paths.sort(dim=0).values
    return in_order[[(len(paths) - 1) // 2, len(paths) // 2]].mean(dim=0).unsqueeze(-1)


def drawn_paths(
    sample: Sample, window: Window, n_paths: int, *, seed: int = 0, rows: int | None = None
) -> Float[Tensor, "n B H C"]:
    """Return paths that are the same each time, drawn as :func:`median_path` does; ``rows`` at a time, or 1,024."""
    n_windows = len(window.target)
    at_once = max((ROWS_AT_ONCE if rows is None else rows) // n_windows, 1)
    paths = []
    for first in range(0, n_paths, at_once):
        numbers = range(first, min(first + at_once, n_paths))
        noise = Noise(numbers, n_paths=n_paths, seed=seed, windows=window.target)
        drawn = sample(_tiled(window, len(numbers)), noise)
        paths.append(rearrange(drawn, "(n B) H C -> n B H C", B=n_windows))
    return torch.cat(paths)


def _tiled(window: Window, times: int) -> Window:
    """Return the windows, one copy of all after the other."""
    return replace(window, **{name: torch.cat([x] * times) for name, x in vars(window).items() if x is not None})
