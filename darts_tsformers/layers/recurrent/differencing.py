"""Fixed kernels before a state-space model: differences, and what moving averages leave."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least

N_ORDERS = 4
"""Differences are of order 0 to 3."""


class Differencing(nn.Module):
    r"""Take differences of some channels and subtract a moving average from the others: SpaceTime's preprocessing.

    .. math::

        \sum_{i=0}^{j} (-1)^i \binom{j}{i} u_{t-i} \quad (j = 0, \dots, 3), \qquad
        u_t - \frac{1}{w} \sum_{i=0}^{w-1} u_{t-i}

    Channels come in groups of ``n_kernels``: in each, the first four are differenced 0 to 3 times, and each other one
    has a window ``w`` of its own, drawn once. What was before the first step counts as 0, so the first j or w - 1
    outputs are no differences and no residuals.

    Cost: O(L w D) time for the longest ``w``, as one convolution; nothing is learnt.

    Parameters
    ----------
    d_model
        Channels ``D``.
    n_kernels
        Kernels of a group; it must divide ``d_model``. With 4 or fewer there are differences alone.
    min_window, max_window
        Shortest and longest window ``w``.
    seed
        Seeds the windows.

    Attributes
    ----------
    windows
        The windows, a row a group, in the state dict: a loaded layer has those it was trained with.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Zhang et al., "Effectively Modeling Time Series with Simple Discrete State Spaces", ICLR 2023, section 3 and
    appendix; published sizes are 128 channels in groups of 8, and windows of 4 to 63. Deviations: windows come from a
    generator of the layer's own, and are kept as windows and not as kernels. The authors' method for residuals alone,
    which returns its input, is left out.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.differencing import Differencing
    >>> squares = torch.arange(6.0).square()[:, None].expand(1, 6, 5)  # (B, L, D)
    >>> y = Differencing(5, n_kernels=5, min_window=3, max_window=3)(squares)
    >>> y[0, 3:].mT
    tensor([[ 9.0000, 16.0000, 25.0000],
            [ 5.0000,  7.0000,  9.0000],
            [ 2.0000,  2.0000,  2.0000],
            [ 0.0000,  0.0000,  0.0000],
            [ 4.3333,  6.3333,  8.3333]])
    """

    windows: Tensor

    def __init__(
        self, d_model: int, n_kernels: int = 8, *, min_window: int = 4, max_window: int = 63, seed: int = 0
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_kernels=n_kernels, min_window=min_window)
        require_at_least(min_window, max_window=max_window)
        if d_model % n_kernels:
            raise ValueError(f"n_kernels={n_kernels} must divide d_model={d_model}")
        self.n_kernels = n_kernels
        self.n_lags = max(N_ORDERS, max_window) if n_kernels > N_ORDERS else N_ORDERS
        shape = (d_model // n_kernels, max(0, n_kernels - N_ORDERS))
        drawn = torch.randint(min_window, max_window + 1, shape, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("windows", drawn)

    def kernels(self, dtype: torch.dtype = torch.float32) -> Float[Tensor, "D w"]:
        """Return the kernel of each channel, latest step first."""
        lags, windows = torch.arange(self.n_lags, device=self.windows.device), self.windows[..., None]
        residuals = (lags == 0).to(dtype) - (lags < windows).to(dtype) / windows
        return torch.cat([self._differences(dtype), residuals], dim=1).flatten(0, 1)

    def forward(self, u: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Filter each channel by its kernel."""
        return self._filter(F.pad(u.mT, (self.n_lags - 1, 0))).mT

    def begin(self, u: Float[Tensor, "B L D"]) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B D v"]]:
        """Return the outputs, and the inputs that the next ones need."""
        past = F.pad(u.mT, (self.n_lags - 1, 0))
        return self._filter(past).mT, past[..., -(self.n_lags - 1) :]

    def advance(
        self, u: Float[Tensor, "B D"], past: Float[Tensor, "B D v"]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D v"]]:
        """Return the output to one more input, and the inputs that the next one needs."""
        seen = torch.cat([past, u[..., None]], dim=-1)
        return self._filter(seen)[..., 0], seen[..., 1:]

    def _filter(self, past: Float[Tensor, "B D M"]) -> Float[Tensor, "B D L"]:
        weights = self.kernels(past.dtype).flip(-1)[:, None]
        return F.conv1d(past, weights, groups=len(weights))

    def _differences(self, dtype: torch.dtype) -> Float[Tensor, "groups orders w"]:
        orders = range(min(N_ORDERS, self.n_kernels))
        rows = [[(-1) ** i * math.comb(order, i) for i in range(self.n_lags)] for order in orders]
        return torch.tensor(rows, dtype=dtype, device=self.windows.device).expand(len(self.windows), -1, -1)
