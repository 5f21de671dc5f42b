"""What Time-LLM tells a language model about a window, in words."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.window import Sizes

N_LAGS = 5
"""Lags that a prompt names, where the look-back has as many."""
UNTOLD = "Values measured one after the other, at equal steps of time."
"""Description of a series of which nothing is said."""
ENDING = " Values:"

Tokenize: TypeAlias = Callable[[Sequence[str]], list[list[int]]]


class Prompts:
    """Token ids of what a language model reads before the patches of a window.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    description
        What the series are; None says that they are values at equal steps.
    with_statistics
        Whether it says of each window what that is like.
    """

    def __init__(self, sizes: Sizes, description: str | None, *, with_statistics: bool) -> None:
        self.opening = task(sizes, description)
        self.with_statistics = with_statistics

    def texts(self, series: Float[Tensor, "B L"]) -> list[str]:
        """Return the prompt of each window, or the one that all have.

        Raises
        ------
        ValueError
            If operations are written down, for an export: there are no values then to speak of.
        """
        if not self.with_statistics:
            return [self.opening + ENDING]
        if is_traced():
            raise ValueError("prompt='statistics' must be 'task' or 'none' for an export: it says values as text")
        return [self.opening + said + ENDING for said in statistics(series)]

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(self, series: Float[Tensor, "B L"], tokenize: Tokenize) -> "Spoken":
        """Return the prompts as token ids: one for each window, or one if all have the same."""
        rows = tokenize(self.texts(series))
        n = _n_shared(rows)
        ids, observed = left_padded([row[n:] for row in rows], series.device)
        is_padded = len(set(map(len, rows))) > 1
        return Spoken(torch.tensor(rows[0][:n], device=series.device), ids, observed if is_padded else None)


class Spoken(NamedTuple):
    """Token ids of prompts.

    Attributes
    ----------
    opening
        What all of them begin with.
    ids
        What follows, padded at its beginning.
    observed
        What of that is no padding; None for all.
    """

    opening: Int[Tensor, " M"]
    ids: Int[Tensor, "b P"]
    observed: Bool[Tensor, "b P"] | None = None


def _n_shared(rows: Sequence[Sequence[int]]) -> int:
    """Return how many ids all rows begin with."""
    differ = (i for i, ids in enumerate(zip(*rows, strict=False)) if len(set(ids)) > 1)
    return next(differ, min(map(len, rows)))


def left_padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Int[Tensor, "B P"], Bool[Tensor, "B P"]]:
    """Return rows of ids as one tensor, with zeros before those that are shorter, and where there are none.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks._time_llm_prompts import left_padded
    >>> left_padded([[5, 7, 6], [8]], torch.device("cpu"))[0]
    tensor([[5, 7, 6],
            [0, 0, 8]])
    """
    longest = max(map(len, rows))
    padded = [[0] * (longest - len(row)) + list(row) for row in rows]
    ids = torch.tensor(padded, dtype=torch.int64, device=device)
    n_padded = torch.tensor([longest - len(row) for row in rows], device=device)
    return ids, torch.arange(longest, device=device) >= n_padded[:, None]


def task(sizes: Sizes, description: str | None) -> str:
    """Return what the prompts of all windows begin with: what the series are, and what is asked for."""
    ahead = f"the {sizes.output_length} values that follow"
    if sizes.output_shift:
        ahead = f"{sizes.output_length} values, from {sizes.output_shift + 1} steps after the last one on"
    return f"Series: {description or UNTOLD} Task: from {sizes.input_length} past values, forecast {ahead}."


def statistics(series: Float[Tensor, "B L"]) -> list[str]:
    """Return what a prompt says of each window: its extremes, its median, its direction, its strongest lags.

    Of an even number of values the median is the lower one of the two in the middle.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.networks._time_llm_prompts import statistics
    >>> print(statistics(torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0, 1.5]]))[0])
     Window: lowest 0.00, highest 2.00, median 0.00; it rises; it is most like itself at lags of 2, 1, 3.
    """
    series = series.detach().to("cpu", torch.float64)
    figures = torch.stack([series.amin(-1), series.amax(-1), series.median(-1).values], dim=-1)
    moves = series[:, -1] - series[:, 0]
    rows = zip(figures.tolist(), moves.tolist(), strongest_lags(series).tolist(), strict=True)
    return [_in_words(*row) for row in rows]


def strongest_lags(series: Float[Tensor, "B L"]) -> Int[Tensor, "B k"]:
    """Return the lags with the largest autocorrelation, the largest first; of equal ones the shortest first.

    Of the circular autocorrelation a lag and its mirror image, ``L - lag``, have the same: they count once. Lag 0 has
    the largest of all in any series, and is left out.
    """
    correlation = autocorrelation(series)
    largest = correlation[:, :1]
    rounded = (correlation[:, 1:] / largest.where(largest > 0, 1.0)).round(decimals=6)  # else noise tells equals apart
    return rounded.argsort(dim=-1, descending=True, stable=True)[:, :N_LAGS] + 1


def autocorrelation(series: Float[Tensor, "B L"]) -> Float[Tensor, "B K"]:
    """Return the circular autocorrelation at lags from 0 to half the length."""
    length = series.shape[-1]
    power = torch.fft.rfft(series).abs().square()
    return torch.fft.irfft(power, n=length)[:, : length // 2 + 1]


def _in_words(figures: Iterable[float], move: float, lags: Sequence[int]) -> str:
    lowest, highest, median = (f"{figure:.2f}".replace("-0.00", "0.00") for figure in figures)
    direction = "rises" if move > 0 else "falls" if move < 0 else "ends where it began"
    alike = f"it is most like itself at lags of {', '.join(map(str, lags))}" if lags else "it is a single step"
    return f" Window: lowest {lowest}, highest {highest}, median {median}; it {direction}; {alike}."
