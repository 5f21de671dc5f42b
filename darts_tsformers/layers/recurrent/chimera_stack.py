"""Layers of two gated two-dimensional scans: one with short steps for the trend, one with long ones for the season."""

from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.recurrent.bidirectional import in_order, in_rows_of_one, order_back
from darts_tsformers.layers.recurrent.chimera import ChimeraLayer
from darts_tsformers.recording import is_recording, record

TREND_STEPS = (1e-3, 1e-1)
SEASONAL_STEPS = (1e-1, 1.0)
"""Between which lengths the steps of the two scans begin: a state keeps 1/e of itself over one step of length 1."""


class GatedScan(nn.Module):
    r"""A scan of which each cell chooses what it lets out.

    .. math:: y = W_\mathrm{out}\left(\mathrm{scan}(x) \odot \mathrm{SiLU}(W_\mathrm{gate}\, x)\right)

    See :class:`~darts_tsformers.layers.recurrent.chimera.ChimeraLayer` for the parameters.

    Attributes
    ----------
    n_heads
        Maps that are recorded: one, how much of the output of each variate (rows) comes from the input of each
        (columns), in size, a mean over patches and features, in rows of sum 1. It takes a scan for each variate.
    exact_weights
        False: what a cell takes of its own input past the states is not in the map.
    """

    n_heads: ClassVar[int] = 1
    exact_weights: ClassVar[bool] = False

    def __init__(self, d_model: int, d_state: int, *, coupling: str, dt_range: tuple[float, float]) -> None:
        super().__init__()
        self.scan = ChimeraLayer(d_model, d_state, coupling=coupling, dt_range=dt_range)
        self.gate = nn.Linear(d_model, d_model)
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x: Float[Tensor, "B V T D"], order: Int[Tensor, "B V"] | None = None) -> Float[Tensor, "B V T D"]:
        """Map each cell by what it sees.

        The variates are scanned as they come in, or in an order of each sample; they come out as they came in.
        """
        x, back = in_order(x, order), order_back(order)
        gate = F.silu(self.gate(x))
        if is_recording("attention"):
            weights = in_order(in_order(self._map(x, gate), back).mT, back).mT
            record("attention", self, weights=in_rows_of_one(weights)[:, None])
        return in_order(self.out(self.scan(x) * gate), back)

    def _map(self, x: Float[Tensor, "B V T D"], gate: Float[Tensor, "B V T D"]) -> Float[Tensor, "B V V"]:
        shares = (F.linear(share.to(x.dtype) * gate, self.out.weight) for share in self.scan.shares(x))
        return torch.stack([share.abs().mean((2, 3)) for share in shares], dim=-1)


class ChimeraStackLayer(nn.Module):
    """Both scans read the sum of trend and seasonal part; each adds to its own."""

    def __init__(self, d_model: int, d_state: int, *, coupling: str, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.trend = GatedScan(d_model, d_state, coupling=coupling, dt_range=TREND_STEPS)
        self.seasonal = GatedScan(d_model, d_state, coupling=coupling, dt_range=SEASONAL_STEPS)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        trend: Float[Tensor, "B V T D"],
        seasonal: Float[Tensor, "B V T D"],
        order: Int[Tensor, "B V"] | None = None,
    ) -> tuple[Float[Tensor, "B V T D"], Float[Tensor, "B V T D"]]:
        """Return both parts."""
        x = self.norm(trend + seasonal)
        return trend + self.dropout(self.trend(x, order)), seasonal + self.dropout(self.seasonal(x, order))


class ChimeraStack(nn.Module, Recomputing):
    r"""A stack of pairs of gated scans, in which a trend and a seasonal part stay apart.

    .. math::
        z = \mathrm{LN}(\tau + \sigma), \qquad
        \tau \leftarrow \tau + \mathrm{gated}_\mathrm{short}(z), \qquad
        \sigma \leftarrow \sigma + \mathrm{gated}_\mathrm{long}(z)

    The two scans differ in the step sizes that they begin with: a state with short steps keeps what it met long ago,
    one with long steps follows what has just come. Both parts begin as the tokens.

    Parameters
    ----------
    d_model
        Width ``D`` of a token.
    n_layers
        Layers, at least 1.
    d_state, coupling
        As in :class:`~darts_tsformers.layers.recurrent.chimera.ChimeraLayer`.
    dropout
        Of what the scans put out.

    Raises
    ------
    ValueError
        If a size is below 1, ``dropout`` is outside of [0, 1), or ``coupling`` is not known.

    Notes
    -----
    Behrouz et al., "Chimera: Effectively Modeling Multivariate Time Series with 2-Dimensional State Space Models",
    NeurIPS 2024, has two modules of different discretisation and gates. Which of them reads what, where the gates are
    and that there is a norm is our choice.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.chimera_stack import ChimeraStack
    >>> trend, seasonal = ChimeraStack(d_model=8, n_layers=2, d_state=3)(torch.randn(2, 7, 12, 8))  # (B, V, T, D)
    >>> trend.shape, seasonal.shape
    (torch.Size([2, 7, 12, 8]), torch.Size([2, 7, 12, 8]))
    """

    def __init__(
        self, d_model: int, *, n_layers: int, d_state: int, coupling: str = "bounded", dropout: float = 0.0
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_encoder_layers=n_layers)
        require_probability(dropout=dropout)
        self.layers = nn.ModuleList(
            ChimeraStackLayer(d_model, d_state, coupling=coupling, dropout=dropout) for _ in range(n_layers)
        )

    def forward(
        self, x: Float[Tensor, "B V T D"], order: Int[Tensor, "B V"] | None = None
    ) -> tuple[Float[Tensor, "B V T D"], Float[Tensor, "B V T D"]]:
        """Return trend and seasonal part; ``order`` is that in which variates are scanned, by default as they come."""
        trend = seasonal = x
        for layer in self.layers:
            trend, seasonal = self.run(layer, trend, seasonal, order)
        return trend, seasonal
