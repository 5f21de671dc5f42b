"""Mamba: a gated block around a selective scan."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.recurrence import hidden_attention, selective_scan, selective_step

SHORTEST, LONGEST, LEAST = 1e-3, 1e-1, 1e-4
"""Between which lengths steps start, and below which none does."""
FEW = 16
"""Features whose maps are in memory at a time."""


@dataclass(frozen=True)
class MambaState:
    """What a block remembers of the steps it has seen.

    Attributes
    ----------
    recent
        The last inputs of the convolution, ``(B, d_conv - 1, d_inner)``; zeros before the first step.
    scan
        State of the scan, ``(B, d_inner, d_state)``.
    """

    recent: Float[Tensor, "B K D"]
    scan: Float[Tensor, "B D n"]


class MambaBlock(nn.Module):
    r"""Mix steps, each with earlier ones alone, by a memory that each step sets for itself.

    .. math::
        (u, z) &= W_{in}\, x \qquad
        v = \mathrm{SiLU}(\mathrm{conv}(u)) \qquad
        (r, B, C) = W_x\, v \\
        \Delta &= \mathrm{softplus}(W_\Delta\, r + b_\Delta) \qquad A = -\exp(A_{log}) \\
        y &= W_{out}\left(\mathrm{scan}(v, \Delta, A, B, C, D) \odot \mathrm{SiLU}(z)\right)

    The convolution is causal and acts on each feature by itself; the scan is
    :func:`~darts_tsformers.recurrence.selective_scan`.

    Cost: O(L d_model d_inner + L d_inner d_state) time for each sample.

    Parameters
    ----------
    d_model
        Width of the input and of the output.
    d_state
        Numbers of the state of each inner feature.
    d_conv
        Steps that the convolution sees, its own included.
    expand
        Inner features for each of the input: ``d_inner = expand * d_model``.
    dt_rank
        Width from which the lengths of the steps are computed; None for ``d_model / 16``, rounded up.

    Notes
    -----
    Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", 2023, section 3.4. Parameters have
    the names, the order and the first values of the authors' code. There, neither ``A_log`` nor ``D`` takes weight
    decay, which would pull all memories towards one length: give them to the optimiser in a group of their own.

    Examples
    --------
    A stream goes on where a look-back ended:

    >>> import torch
    >>> from darts_tsformers.layers.recurrent.mamba import MambaBlock
    >>> block, x = MambaBlock(d_model=5, d_state=3), torch.randn(2, 7, 5)
    >>> y, state = block.begin(x[:, :6])
    >>> last, state = block.advance(x[:, 6], state)
    >>> torch.allclose(last, block(x)[:, 6], atol=1e-6)
    True
    """

    def __init__(
        self, d_model: int, d_state: int = 16, d_conv: int = 4, expand: int = 2, dt_rank: int | None = None
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, d_state=d_state, d_conv=d_conv, expand=expand)
        dt_rank = math.ceil(d_model / 16) if dt_rank is None else dt_rank
        require_at_least(1, dt_rank=dt_rank)
        d_inner = expand * d_model
        self.in_proj = nn.Linear(d_model, 2 * d_inner, bias=False)
        self.conv1d = nn.Conv1d(d_inner, d_inner, d_conv, groups=d_inner)
        self.x_proj = nn.Linear(d_inner, dt_rank + 2 * d_state, bias=False)
        self.dt_proj = nn.Linear(dt_rank, d_inner)
        self.A_log = nn.Parameter(torch.arange(1.0, d_state + 1).log().repeat(d_inner, 1))
        self.D = nn.Parameter(torch.ones(d_inner))
        self.out_proj = nn.Linear(d_inner, d_model, bias=False)
        self._draw_lengths()

    @torch.no_grad()
    def _draw_lengths(self) -> None:
        """Start with steps of lengths that are spread evenly on a logarithmic scale."""
        bound = self.dt_proj.in_features**-0.5
        nn.init.uniform_(self.dt_proj.weight, -bound, bound)
        exponents = torch.empty_like(self.dt_proj.bias).uniform_(math.log(SHORTEST), math.log(LONGEST))
        lengths = exponents.exp().clamp(min=LEAST)
        self.dt_proj.bias.copy_(lengths + torch.log(-torch.expm1(-lengths)))  # softplus of it is the length

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Mix the steps."""
        return self.begin(x)[0]

    def begin(self, x: Float[Tensor, "B L D"]) -> tuple[Float[Tensor, "B L D"], MambaState]:
        """Mix the steps of a look-back, and return what a stream needs to go on from its end."""
        entering, gate = self._enter(x)
        values = self._convolve(entering)
        y, state = selective_scan(values, *self._selection(values), self.D)
        return self._leave(y, gate), MambaState(entering[:, x.shape[1] :], state)

    def advance(self, x: Float[Tensor, "B D"], state: MambaState) -> tuple[Float[Tensor, "B D"], MambaState]:
        """Take one step more."""
        entering, gate = self.in_proj(x).chunk(2, dim=-1)
        window = torch.cat([state.recent, entering[:, None]], dim=1)
        values = self._convolve(window)[:, 0]
        y, scan = selective_step(values, *self._selection(values), self.D, state.scan)
        return self._leave(y, gate), MambaState(window[:, 1:], scan)

    def hidden_attention(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B d_inner L L"]:
        """Return the map from the inputs of the scan to its outputs, for each inner feature: for explanations."""
        return hidden_attention(*self._selection(self._convolve(self._enter(x)[0])))

    def attention_size(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L L"]:
        """Return the size of :meth:`hidden_attention`, a mean over the features, of which few are taken at a time."""
        delta, A, B, C = self._selection(self._convolve(self._enter(x)[0]))
        parts = zip(torch.split(delta, FEW, dim=-1), torch.split(A, FEW), strict=True)
        return torch.stack([hidden_attention(*part, B, C).abs().sum(1) for part in parts]).sum(0) / len(A)

    def step_lengths(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L"]:
        """Return how long each step is, a mean over the features."""
        return self._selection(self._convolve(self._enter(x)[0]))[0].mean(-1)

    def _enter(self, x: Float[Tensor, "B L D"]) -> tuple[Float[Tensor, "B K d_inner"], Float[Tensor, "B L d_inner"]]:
        """Return the inputs of the convolution, with zeros before the first step, and the gate."""
        entering, gate = self.in_proj(x).chunk(2, dim=-1)
        return F.pad(entering, (0, 0, self.conv1d.kernel_size[0] - 1, 0)), gate

    def _convolve(self, entering: Float[Tensor, "B K d_inner"]) -> Float[Tensor, "B L d_inner"]:
        return F.silu(self.conv1d(entering.mT)).mT

    def _selection(self, values: Float[Tensor, "B *L d_inner"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return delta, A, B and C."""
        n = self.A_log.shape[1]
        rank, B, C = self.x_proj(values).split([self.dt_proj.in_features, n, n], dim=-1)
        return F.softplus(self.dt_proj(rank)), -torch.exp(self.A_log), B, C

    def _leave(self, y: Float[Tensor, "B *L d_inner"], gate: Float[Tensor, "B *L d_inner"]) -> Float[Tensor, "B *L D"]:
        out: Tensor = self.out_proj(y * F.silu(gate))
        return out
