"""Chimera's layer: a selective state space model along time and across variates."""

import math
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from darts_tsformers.checks import require_at_least, require_flag, require_one_of
from darts_tsformers.execution.tracing import is_traced
from darts_tsformers.recurrence import GridState, advance_two_dimensional, two_dimensional_scan

COUPLINGS = ("bounded", "linear", "exp")
PART = 2**22  # states that are worked on at once on a processor: larger tensors take longer to allocate than to fill


class Discrete(NamedTuple):
    """What a scan needs at each cell: transitions, what the input adds to the states, how they are read."""

    a: tuple[Tensor, Tensor, Tensor, Tensor]
    b: tuple[Tensor, Tensor]
    c: tuple[Tensor, Tensor]


class VariateScan(nn.Module):
    r"""Selective two-dimensional state space model, from the first variate to the last.

    The scan of :func:`~darts_tsformers.recurrence.two_dimensional_scan` for each feature, with transitions and inputs
    that depend on the input:

    .. math::

        y_{v,t} = C_1 h^1_{v,t} + C_2 h^2_{v,t} + D x_{v,t}, \qquad
        \Delta_i = \mathrm{softplus}(W_i x + w_i), \qquad
        \bar A_1 = e^{-\Delta_1 \alpha_1}, \quad \bar A_4 = e^{-\Delta_2 \alpha_4}

    where :math:`\alpha = \exp(A_\mathrm{log})`, and :math:`B_i` and :math:`C_i` are linear maps of the input at the
    cell, shared by the features. See :class:`ChimeraLayer` for the parameters.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        *,
        coupling: str = "bounded",
        input_zoh: bool = False,
        dt_range: tuple[float, float] = (1e-3, 1e-1),
    ) -> None:
        super().__init__()
        self.coupling = coupling
        self.input_zoh = input_zoh
        decay = torch.log(torch.arange(1, d_state + 1, dtype=torch.get_default_dtype())).repeat(d_model, 1)
        self.A1_log, self.A4_log = nn.Parameter(decay), nn.Parameter(decay.clone())
        if coupling == "exp":
            self.A2_log, self.A3_log = nn.Parameter(decay.clone()), nn.Parameter(decay.clone())
        else:
            self.A2, self.A3 = nn.Parameter(torch.zeros_like(decay)), nn.Parameter(torch.zeros_like(decay))
        self.B1, self.B2, self.C1, self.C2 = (nn.Linear(d_model, d_state, bias=False) for _ in range(4))
        self.dt1, self.dt2 = _step_sizes(d_model, dt_range), _step_sizes(d_model, dt_range)
        self.D = nn.Parameter(torch.ones(d_model))

    def forward(self, x: Float[Tensor, "B V T D"]) -> Float[Tensor, "B V T D"]:
        """Scan the variates in their order."""
        return self.begin(x)[0]

    def begin(self, x: Float[Tensor, "B V T D"]) -> tuple[Float[Tensor, "B V T D"], GridState]:
        """Scan the variates in their order, and keep the states after the last step.

        On a processor a large batch is scanned in parts, and each once more in the backward pass: less memory is
        needed, and less time than to allocate large grids.
        """
        size = max(1, PART // (x[0].numel() * self.A1_log.shape[1]))
        if is_traced() or x.device.type != "cpu" or x.shape[0] <= size:
            return self._begin(x)
        once_more = partial(checkpoint, self._begin, use_reentrant=False, preserve_rng_state=False)
        done = [once_more(part) for part in torch.split(x, size)]
        ys, states = zip(*done, strict=True)
        h1, h2 = (torch.cat(h) for h in zip(*states, strict=True))
        return torch.cat(ys), GridState(h1, h2)

    def _begin(self, x: Float[Tensor, "B V T D"]) -> tuple[Float[Tensor, "B V T D"], GridState]:
        grid = x.permute(1, 2, 0, 3).contiguous()  # variates and steps first, as the scan lays them out
        a, b, c = self._discrete(grid)
        a1, a2, a3, a4, b1, b2 = (t.permute(2, 0, 1, 3, 4) for t in (*a, *b))
        h1, h2 = two_dimensional_scan((a1, a2, a3, a4), (b1, b2))
        y = self._read(grid, (h1.permute(1, 2, 0, 3, 4), h2.permute(1, 2, 0, 3, 4)), c)
        return y.permute(2, 0, 1, 3), GridState(h1[:, :, -1].clone(), h2[:, :, -1].clone())  # not the grid

    def shares(self, x: Float[Tensor, "B V T D"]) -> Iterator[Float[Tensor, "B V T D"]]:
        """Return, for one variate after the other, what comes of its inputs: with ``D x`` these add up to the output.

        Each of them is a scan of its own: for explanations.
        """
        a, b, c = self._discrete(x)
        a1, a2, a3, a4 = a
        for v in range(x.shape[1]):
            b1, b2 = (F.pad(t[:, v : v + 1], (0, 0) * 3 + (v, x.shape[1] - 1 - v)) for t in b)
            yield self._told(two_dimensional_scan((a1, a2, a3, a4), (b1, b2)), c)

    def advance(self, x: Float[Tensor, "B V D"], state: GridState) -> tuple[Float[Tensor, "B V D"], GridState]:
        """Scan the variates at one more step."""
        a, b, c = self._discrete(x)
        state = advance_two_dimensional(a, b, state)
        return self._read(x, state, c), state

    def _discrete(self, x: Float[Tensor, "*cells D"]) -> Discrete:
        """Make the parameters of each cell of its input, in float32 at least: half precision has no 1 - 1e-3."""
        wide = torch.promote_types(x.dtype, torch.float32)
        decay1, decay4 = self.A1_log.to(wide).exp(), self.A4_log.to(wide).exp()
        step1, step2 = (F.softplus(dt(x).to(wide))[..., None] for dt in (self.dt1, self.dt2))
        a1, a4 = torch.exp(-step1 * decay1), torch.exp(-step2 * decay4)
        if self.coupling == "exp":
            a2, a3 = torch.exp(-step1 * self.A2_log.exp()), torch.exp(-step2 * self.A3_log.exp())
        elif self.coupling == "linear":
            a2, a3 = step1 * self.A2, step2 * self.A3
        else:
            share2, share3 = torch.tanh(self.A2 / decay1), torch.tanh(self.A3 / decay4)
            a2, a3 = share2 - share2 * a1, share3 - share3 * a4
        gain1 = -torch.expm1(-step1 * decay1) / decay1 if self.input_zoh else step1
        gain2 = -torch.expm1(-step2 * decay4) / decay4 if self.input_zoh else step2
        b1, b2 = (gain * x[..., None] * b(x)[..., None, :] for gain, b in ((gain1, self.B1), (gain2, self.B2)))
        return Discrete((a1, a2, a3, a4), (b1, b2), (self.C1(x).to(wide), self.C2(x).to(wide)))

    def _read(
        self, x: Float[Tensor, "*cells D"], states: tuple[Tensor, Tensor], c: tuple[Tensor, Tensor]
    ) -> Float[Tensor, "*cells D"]:
        return (self._told(states, c) + self.D * x).to(x.dtype)

    @staticmethod
    def _told(states: tuple[Tensor, Tensor], c: tuple[Tensor, Tensor]) -> Float[Tensor, "*cells D"]:
        first, second = ((h @ by[..., None]).squeeze(-1) for h, by in zip(states, c, strict=True))
        return first + second


class ChimeraLayer(nn.Module):
    r"""Selective two-dimensional state space model: each variate knows its past and the other variates.

    A scan of the variates in their order and one in reverse, each with parameters of its own, are added. Nothing is
    seen of later steps. No parameter depends on the number of variates; their order matters.

    What carries from one state to the other is by ``coupling``:

    - ``"bounded"``: :math:`\bar A_2 = (1 - \bar A_1) \tanh(A_2 / \alpha_1)` and
      :math:`\bar A_3 = (1 - \bar A_4) \tanh(A_3 / \alpha_4)`. For small values this is :math:`\Delta_1 A_2` and
      :math:`\Delta_2 A_3`; for all, :math:`|\bar A_1| + |\bar A_2| < 1` and :math:`|\bar A_3| + |\bar A_4| < 1`, which
      keeps the states from growing along the many paths through the grid.
    - ``"linear"``: :math:`\Delta_1 A_2` and :math:`\Delta_2 A_3` as they are.
    - ``"exp"``: :math:`\exp(-\Delta_1 \alpha_2)` and :math:`\exp(-\Delta_2 \alpha_3)`, the literal reading of the
      paper. Small steps mean full coupling here, no value means none, and states explode: with 21 variates and step
      sizes of 0.01, to 4e20 in 96 steps.

    Cost: O(B V T D n) time and memory in V + T sequential steps.

    Parameters
    ----------
    d_model
        Width ``D``.
    d_state
        State size ``n`` of each feature.
    bidirectional
        Whether variates are scanned in reverse as well; without it a variate knows only of those before it.
    coupling
        ``"bounded"``, ``"linear"`` or ``"exp"``, see above.
    input_zoh
        Whether the input is taken as constant during a step, :math:`\bar B = (1 - \bar A) / \alpha \, B`, instead of
        :math:`\bar B = \Delta B` as in Mamba.
    dt_range
        Between which step sizes ``Delta`` begins; small steps follow a trend, large ones a season.

    Raises
    ------
    ValueError
        If a size is below 1, ``coupling`` is none of the three, or ``dt_range`` is not two increasing positive numbers.

    Notes
    -----
    Behrouz et al., "Chimera: Effectively Modeling Multivariate Time Series with 2-Dimensional State Space Models",
    NeurIPS 2024. No code of the authors is public; what the paper leaves open is our choice: that parameters are read
    at the cell that is computed, that there is no gate, and the coupling, which begins at none. The initial decays and
    step sizes are those of Mamba.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.chimera import ChimeraLayer
    >>> layer = ChimeraLayer(d_model=8, d_state=4)
    >>> x = torch.randn(2, 7, 12, 8)  # (B, V, T, D)
    >>> _, state = layer.begin(x[:, :, :11])
    >>> y, state = layer.advance(x[:, :, 11], state)
    >>> torch.allclose(y, layer(x)[:, :, 11], atol=1e-5)
    True
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        *,
        bidirectional: bool = True,
        coupling: str = "bounded",
        input_zoh: bool = False,
        dt_range: tuple[float, float] = (1e-3, 1e-1),
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, d_state=d_state)
        require_flag(bidirectional=bidirectional, input_zoh=input_zoh)
        require_one_of(COUPLINGS, coupling=coupling)
        if not 0 < dt_range[0] <= dt_range[1] < math.inf:
            raise ValueError(f"dt_range={dt_range!r} must be two positive numbers, the smaller first")

        def scan() -> VariateScan:
            return VariateScan(d_model, d_state, coupling=coupling, input_zoh=input_zoh, dt_range=dt_range)

        self.onward = scan()
        self.reverse = scan() if bidirectional else None

    def forward(self, x: Float[Tensor, "B V T D"]) -> Float[Tensor, "B V T D"]:
        """Map each cell by what it sees."""
        return self.begin(x)[0]

    def shares(self, x: Float[Tensor, "B V T D"]) -> Iterator[Float[Tensor, "B V T D"]]:
        """Return, for one variate after the other, what its input adds to the output of all cells by way of the states.

        With ``D x`` of both scans they add up to the output.
        """
        if self.reverse is None:
            return self.onward.shares(x)
        others = list(self.reverse.shares(x.flip(1)))
        return (share + other.flip(1) for share, other in zip(self.onward.shares(x), others[::-1], strict=True))

    def begin(self, x: Float[Tensor, "B V T D"]) -> tuple[Float[Tensor, "B V T D"], tuple[GridState, ...]]:
        """Map each cell, and keep what :meth:`advance` needs to go on."""
        y, state = self.onward.begin(x)
        if self.reverse is None:
            return y, (state,)
        more, other = self.reverse.begin(x.flip(1))
        return y + more.flip(1), (state, other)

    def advance(
        self, x: Float[Tensor, "B V D"], states: tuple[GridState, ...]
    ) -> tuple[Float[Tensor, "B V D"], tuple[GridState, ...]]:
        """Map the variates at one more step, in time and memory that do not grow with the steps before it."""
        y, state = self.onward.advance(x, states[0])
        if self.reverse is None:
            return y, (state,)
        more, other = self.reverse.advance(x.flip(1), states[1])
        return y + more.flip(1), (state, other)


def _step_sizes(d_model: int, dt_range: tuple[float, float]) -> nn.Linear:
    """Build the map to step sizes before softplus: at first, log-uniform in a range."""
    linear = nn.Linear(d_model, d_model)
    low, high = (math.log(bound) for bound in dt_range)
    steps = torch.exp(low + (high - low) * torch.rand(d_model))
    with torch.no_grad():
        linear.bias.copy_(steps + torch.log(-torch.expm1(-steps)))
    return linear
