"""Values that were not observed: NaN on the way in, a known stand-in and an indicator from here on."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from darts_tsformers.layers.dropout import is_traced
from darts_tsformers.layers.window import Window


@dataclass(frozen=True)
class Filled:
    """A series without gaps, and where they were.

    Attributes
    ----------
    values
        The series; a missing value is the mean of what its window did observe, or 0 if that is nothing.
    missing
        1 where the value was missing, else 0.
    mean
        The mean of what each window observed.
    """

    values: Float[Tensor, "B L C"]
    missing: Float[Tensor, "B L C"]
    mean: Float[Tensor, "B 1 C"]


def fill_gaps(x: Float[Tensor, "B L C"]) -> Filled:
    """Replace NaN by the mean of its window and component. A series without NaN comes back bit for bit.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.missing import fill_gaps
    >>> filled = fill_gaps(torch.tensor([[[1.0], [torch.nan], [5.0]]]))  # (B, L, C)
    >>> filled.values.flatten(), filled.missing.flatten()
    (tensor([1., 3., 5.]), tensor([0., 1., 0.]))
    """
    missing = x.isnan()
    wide = x.detach().to(torch.promote_types(x.dtype, torch.float32))
    n_observed = (~missing).sum(dim=1, keepdim=True).clamp_min(1)
    rounded = wide.nansum(dim=1, keepdim=True) / n_observed
    rest = (wide - rounded).nansum(dim=1, keepdim=True) / n_observed  # makes it exact for a constant window
    mean = (rounded + rest).to(x.dtype)
    return Filled(torch.where(missing, mean, x), missing.to(x.dtype), mean)


def bridge_gaps(
    x: Float[Tensor, "B L C"], missing: Float[Tensor, "B L C"], times: Int[Tensor, " L"] | None = None
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
    >>> from darts_tsformers.layers.missing import bridge_gaps
    >>> x = torch.tensor([[[4.0], [2.0], [4.0], [6.0], [4.0]]])  # (B, L, C)
    >>> bridge_gaps(x, missing=torch.tensor([[[1.0], [0.0], [1.0], [0.0], [1.0]]])).flatten()
    tensor([4., 2., 4., 6., 6.])
    """
    is_gap = missing > 0
    if not _may_hold(is_gap):
        return x
    wide = torch.promote_types(x.dtype, torch.float32)
    times = torch.arange(x.shape[1], device=x.device) if times is None else times
    now = times[None, :, None].expand(x.shape)
    n_so_far = (~is_gap).cumsum(dim=1)
    place = torch.where(is_gap, x.shape[1], n_so_far - 1)
    before = (n_so_far - 1).clamp_min(0)
    after = torch.minimum(n_so_far, n_so_far[:, -1:] - 1).clamp_min(0)
    when, level = (_in_places(of_observed, place) for of_observed in (now, x.to(wide)))
    start, end = when.gather(1, before), when.gather(1, after)
    share = (now - start).to(wide) / (end - start).clamp_min(1)
    line = torch.lerp(level.gather(1, before), level.gather(1, after), share)
    return torch.where(is_gap & (n_so_far > 0), line.to(x.dtype), x)


def _may_hold(is_gap: Bool[Tensor, "B L C"]) -> bool:
    """Whether there is a gap, as far as that can be known: not while operations are only written down."""
    return is_traced() or is_gap.is_meta or bool(is_gap.any())


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
    return bridge_gaps(filled.values, filled.missing, times) + filled.missing * offset
