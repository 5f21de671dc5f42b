"""Values that were not observed: NaN on the way in, a known stand-in and an indicator from here on."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.window import Window


@dataclass(frozen=True)
class Filled:
    """A series without gaps, and where they were.

    Attributes
    ----------
    values
        The series; a missing value is the mean of what its window did observe, or 0 if that is nothing.
    missing
        Whether the value was missing; None if it was seen that none was.
    mean
        The mean of what each window observed, in at least float32.
    """

    values: Float[Tensor, "B L C"]
    missing: Bool[Tensor, "B L C"] | None
    mean: Float[Tensor, "B 1 C"]

    def known_at_least(self, level: Float[Tensor, "B 1 C"]) -> "Filled":
        """Put a level where a window has observed nothing."""
        if self.missing is None:
            return self
        mean = level.where(self.missing.all(dim=1, keepdim=True), self.mean)
        return replace(self, values=put_in(mean, self.values, self.missing), mean=mean)


def fill_gaps(x: Float[Tensor, "B L C"]) -> Filled:
    """Replace NaN by the mean of its window and component. A series without NaN comes back bit for bit.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.missing import fill_gaps
    >>> filled = fill_gaps(torch.tensor([[[1.0], [torch.nan], [5.0]]]))  # (B, L, C)
    >>> filled.values.flatten(), filled.missing.flatten()
    (tensor([1., 3., 5.]), tensor([False,  True, False]))
    """
    missing = gaps_of(x)
    mean = observed_mean(x.detach(), missing)
    return Filled(put_in(mean, x, missing), missing, mean)


def gaps_of(x: Float[Tensor, "B L C"]) -> Bool[Tensor, "B L C"] | None:
    """Return where a value is NaN; None if it is cheap to see that none is: not while a network is traced."""
    has_values = not is_traced() and not x.is_meta
    if has_values and not x.detach().sum().isnan():
        return None
    return x.isnan()


def observed_mean(x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None) -> Float[Tensor, "B 1 C"]:
    """Return the mean over what is not marked, in at least float32; 0 if that is nothing.

    It is exact for a constant window, at any level, and does not depend on what else is in the batch.
    """
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    n_observed = count_observed(wide, missing)
    rounded = observed_sum(wide, missing) / n_observed
    return rounded + observed_sum(wide - rounded, missing) / n_observed


def count_observed(x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None) -> Float[Tensor, "#B 1 #C"]:
    """Return how many values are not marked, in the type of the values, and 1 rather than 0 of them."""
    if missing is None:  # a tensor, to divide by it as by those of windows with gaps
        return x.new_full((1, 1, 1), x.shape[1])
    return (~missing).sum(dim=1, keepdim=True).clamp_min(1).to(x.dtype)


def observed_sum(x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None) -> Float[Tensor, "B 1 C"]:
    """Return the sum over what is not marked."""
    observed = x if missing is None else x.masked_fill(missing, 0)
    return observed.contiguous().sum(dim=1, keepdim=True)  # in one order, whatever the strides


def put_in(
    value: Float[Tensor, "B 1 C"], x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None
) -> Float[Tensor, "B L C"]:
    """Return the series, with another value where marked."""
    return x if missing is None else torch.where(missing, value.to(x.dtype), x)


def add_offset(
    x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None, offset: Float[Tensor, "..."]
) -> Float[Tensor, "B L C"]:
    """Add a learned offset where marked; if nothing is, its gradient is zero, and not none."""
    return x + offset * (0 if missing is None else missing.to(x.dtype))


def bridge_gaps(
    x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None, times: Int[Tensor, " L"] | None = None
) -> Float[Tensor, "B L C"]:
    """Replace what is marked by a straight line from the last observed value to the next; linear cost.

    After the last observed value it stays at that. What comes before the first is left as it is filled already: a
    history that begins there is better taken to have been at its mean than at its first value. A series without gaps
    comes back bit for bit.

    Parameters
    ----------
    x, missing
        As :func:`fill_gaps` leaves them.
    times
        Of the steps, in increasing order; None if they follow each other.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.missing import bridge_gaps
    >>> x = torch.tensor([[[4.0], [2.0], [4.0], [6.0], [4.0]]])  # (B, L, C)
    >>> bridge_gaps(x, missing=torch.tensor([[[True], [False], [True], [False], [True]]])).flatten()
    tensor([4., 2., 4., 6., 6.])
    """
    if missing is None:
        return x
    wide = torch.promote_types(x.dtype, torch.float32)
    times = torch.arange(x.shape[1], device=x.device) if times is None else times
    now = times[None, :, None].expand(x.shape)
    n_so_far, place = _order(missing)
    before = (n_so_far - 1).clamp_min(0)
    after = torch.minimum(n_so_far, n_so_far[:, -1:] - 1).clamp_min(0)
    when, level = (_in_places(of_observed, place) for of_observed in (now, x.to(wide)))
    start, end = when.gather(1, before), when.gather(1, after)
    share = (now - start).to(wide) / (end - start).clamp_min(1)
    line = torch.lerp(level.gather(1, before), level.gather(1, after), share)
    return torch.where(missing & (n_so_far > 0), line.to(x.dtype), x)


def carry_forward(
    x: Float[Tensor, "B L C"], missing: Bool[Tensor, "B L C"] | None, before: Float[Tensor, "B 1 C"] | None = None
) -> Float[Tensor, "B L C"]:
    """Replace what is marked by the last value observed before it, which no later one changes; linear cost.

    Where there is none it becomes that of ``before``, or 0. A series without gaps comes back bit for bit.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.missing import carry_forward
    >>> x = torch.tensor([[[9.0], [2.0], [9.0], [6.0], [9.0]]])  # (B, L, C)
    >>> carry_forward(x, missing=torch.tensor([[[True], [False], [True], [False], [True]]])).flatten()
    tensor([0., 2., 2., 6., 6.])
    """
    if missing is None:
        return x
    n_so_far, place = _order(missing)
    last = _in_places(x, place).gather(1, (n_so_far - 1).clamp_min(0))
    start = torch.zeros_like(x[:, :1]) if before is None else before
    return torch.where(missing, torch.where(n_so_far > 0, last, start), x)


def start_of(x: Float[Tensor, "B L C"]) -> Int[Tensor, " B"] | None:
    """Return the first row with anything observed, 0 if there is none; None if it is cheap to see that all are 0.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window.missing import start_of
    >>> start_of(torch.tensor([[[torch.nan], [torch.nan], [5.0]], [[1.0], [torch.nan], [2.0]]]))  # (B, L, C)
    tensor([2, 0])
    """
    missing = gaps_of(x)
    if missing is None:
        return None
    start = (~missing.all(dim=-1)).int().argmax(dim=1)
    return start if is_traced() or x.is_meta or start.any() else None


def _order(missing: Bool[Tensor, "B L C"]) -> tuple[Int[Tensor, "B L C"], Int[Tensor, "B L C"]]:
    """Return how many values were observed up to each step, and the place of each among them; ``L`` if it was not."""
    n_so_far = (~missing).cumsum(dim=1)
    return n_so_far, torch.where(missing, missing.shape[1], n_so_far - 1)


def _in_places(x: Shaped[Tensor, "B L C"], place: Int[Tensor, "B L C"]) -> Shaped[Tensor, "B L+1 C"]:
    """Move each entry to its place of the window; the one behind its end takes what is not wanted, and is not read."""
    return x.new_zeros(x.shape[0], x.shape[1] + 1, x.shape[2]).scatter(1, place, x)


class MissingCovariates(nn.Module):
    """Fill the gaps of covariates and mark them.

    A missing value becomes what :func:`bridge_gaps` says, for future covariates in past and forecast together, plus a
    learned offset of its component, zero at the start.

    Parameters
    ----------
    n_past, n_future
        Past and future covariates.
    output_shift
        Steps between the look-back and the horizon.
    """

    def __init__(self, n_past: int, n_future: int, output_shift: int = 0) -> None:
        super().__init__()
        self.output_shift = output_shift
        self.past_offset = nn.Parameter(torch.zeros(n_past)) if n_past else None
        self.future_offset = nn.Parameter(torch.zeros(n_future)) if n_future else None

    def forward(self, window: Window) -> Window:
        """Return the window with complete covariates."""
        if self.past_offset is not None and window.past is not None:
            window = replace(window, past=_marked(window.past, self.past_offset))
        if self.future_offset is not None and window.historic_future is not None and window.future is not None:
            length = window.historic_future.shape[1]
            whole = torch.cat([window.historic_future, window.future], dim=1)
            times = torch.arange(whole.shape[1], device=whole.device)
            times = times + self.output_shift * (times >= length)
            whole = _marked(whole, self.future_offset, times)
            window = replace(window, historic_future=whole[:, :length], future=whole[:, length:])
        return window


def _marked(
    x: Float[Tensor, "B L P"], offset: Float[Tensor, " P"], times: Int[Tensor, " L"] | None = None
) -> Float[Tensor, "B L P"]:
    filled = fill_gaps(x)
    return add_offset(bridge_gaps(filled.values, filled.missing, times), filled.missing, offset)
