"""Chimera: a state along time and one across variates, in a trend and a seasonal part."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_one_of, require_probability
from darts_tsformers.layers.decomposition.trend_line import TrendLine
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recurrent.chimera_stack import ChimeraStack, GatedScan
from darts_tsformers.layers.recurrent.variate_order import ORDERS, scan_order
from darts_tsformers.networks._causal import chosen_patch_length, n_patches
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._variates import LAYOUT
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear


class Chimera(Network, name="chimera"):
    r"""Two-dimensional state space models of a grid of variates and patches.

    The look-back of each variate is cut into patches, and each patch is a token: a cell of a grid. One state goes along
    the patches of a variate, another across the variates of a patch, from the first to the last and back. In each layer
    there are two such scans: one with short steps, whose states last, adds to the trend, one with long steps adds to
    the seasonal part; a gate at each cell chooses what they let out. The forecast is the sum of two linear maps, of all
    patches of a target each: that of the trend gives a line between a few points, that of the seasonal part every step.
    No parameter depends on the number of variates.

    What is recorded as the trend of a forecast is the line, and of the seasonal part what a line through such points
    can follow; the rest is the season.

    The order of the variates matters, as in :class:`~darts_tsformers.networks.SMamba`.

    Covariates: past covariates, and the past of the future ones, are further variates, each with a mark of its own;
    static covariates add to the tokens of their component; future covariates act through
    :class:`~darts_tsformers.window.covariates.FutureResponse`. The marks and both maps start at zero. The scans meet
    the future covariates before the targets and the past ones behind them, so that from either end they bring some to
    the targets.

    Cost: O((C + P + F) L / patch_length).

    Parameters
    ----------
    patch_length
        Steps of a patch, at most the look-back; what the first one lacks is the first value. None for 16, or for the
        look-back if it is shorter. With 1 the cells are steps, as in the paper.
    trend_distance
        Steps of the horizon between two points of the trend, at least; the period of a season, or more, keeps it out of
        the trend. Over a horizon of up to twice this it is one straight line.
    n_encoder_layers
        Layers, of two scans each.
    d_state
        Numbers of each of the two states, for each feature of a cell.
    coupling
        What carries from one state to the other: ``"bounded"``, ``"linear"``, or ``"exp"``, the literal reading of the
        paper, which explodes; see :class:`~darts_tsformers.layers.recurrent.chimera.ChimeraLayer`.
    dropout
        Of what the scans put out, and of the tokens.
    variate_order
        In which order the scans meet the targets, ``"given"`` or ``"correlation"``, as
        :class:`~darts_tsformers.networks.SMamba` has it.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Behrouz et al., "Chimera: Effectively Modeling Multivariate Time Series with 2-Dimensional State Space Models",
    NeurIPS 2024. There is no code of the authors, and no sizes.

    Deviations: cells are patches, not steps; linear maps forecast, not a closed loop, in which an error of one step
    would enter all later ones; the transitions along time are diagonal, not companion matrices; couplings are bounded,
    see :class:`~darts_tsformers.layers.recurrent.chimera.ChimeraLayer`. Patches, the line of the trend, norms and where
    the gates are, are ours.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import Chimera
    >>> network = Chimera(Sizes(input_length=48, output_length=6), d_model=16)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # any number of components
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int | None = None,
        trend_distance: int = 24,
        d_model: int = 32,
        n_encoder_layers: int = 1,
        d_state: int = 4,
        coupling: str = "bounded",
        dropout: float = 0.1,
        variate_order: str = "given",
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, trend_distance=trend_distance)
        require_probability(dropout=dropout)
        require_one_of(ORDERS, variate_order=variate_order)
        self.variate_order = variate_order
        self.patch_length = chosen_patch_length(patch_length, 16, sizes)
        self.stack = ChimeraStack(
            d_model, n_layers=n_encoder_layers, d_state=d_state, coupling=coupling, dropout=dropout
        )
        self.embedding = nn.Linear(self.patch_length, d_model)
        n_covariates = sizes.n_past + sizes.n_future
        self.marks = nn.Parameter(torch.zeros(n_covariates, 1, d_model)) if n_covariates else None
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None
        self.future = FutureResponse(d_model, sizes.n_future, sizes.n_parameters) if sizes.n_future else None
        self.dropout = Dropout(dropout)
        self.line = TrendLine(sizes.output_length, trend_distance)
        n_features = n_patches(sizes.input_length, self.patch_length) * d_model
        self.trend_head = nn.Linear(n_features, self.line.n_points * sizes.n_parameters)
        self.seasonal_head = nn.Linear(n_features, sizes.output_length * sizes.n_parameters)

    @property
    def width_tie(self) -> str | None:
        """Nothing: no parameter depends on the number of variates."""
        return None

    def attention_layers(self) -> list[str]:
        """Return the paths of the scans, of which it is recorded what each variate takes of each."""
        return [path for path, part in self.named_modules() if isinstance(part, GatedScan)]

    def layouts(self) -> dict[str, Layout]:
        """Return what the maps are between: variables."""
        return dict.fromkeys(self.attention_layers(), LAYOUT)

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast: the sum of trend and seasonal part. The trend can be recorded."""
        n_targets = window.target.shape[-1]
        order = scan_order(window.target, self.sizes.n_past, self.sizes.n_future, self.variate_order)
        trend, seasonal = (part[:, :n_targets] for part in self.stack(self._tokens(window), order))
        line = self.line(self._per_parameter(self.trend_head(trend.flatten(2))))
        rest = self._per_parameter(self.seasonal_head(seasonal.flatten(2)))
        if self.future is not None and window.future is not None:
            rest = rest + self.future(window.future, (trend + seasonal)[:, :, -1]).mT
        if is_recording("trend"):
            record("trend", self, trend=rearrange(line + self.line.nearest(rest), "B C Q H -> B H C Q"))
        return rearrange(line + rest, "B C Q H -> B H C Q")

    def _per_parameter(self, x: Float[Tensor, "B C n"]) -> Float[Tensor, "B C Q T"]:
        return rearrange(x, "B C (T Q) -> B C Q T", Q=self.sizes.n_parameters)

    def _tokens(self, window: Window) -> Float[Tensor, "B V N D"]:
        """Return the cells: those of the targets, of the past covariates, of the past of the future ones."""
        given = (window.target, window.past, window.historic_future)
        series = torch.cat([x for x in given if x is not None], dim=-1).mT
        n_targets, n_variates = window.target.shape[-1], series.shape[1]
        series = F.pad(series, (-series.shape[-1] % self.patch_length, 0), mode="replicate")
        tokens = self.embedding(rearrange(series, "B V (N p) -> B V N p", p=self.patch_length))
        if self.marks is not None:
            tokens = tokens + F.pad(self.marks, (0, 0, 0, 0, n_targets, 0))
        if self.static is not None and window.static is not None:
            static = self.static(window.static).expand(-1, n_targets, -1)
            tokens = tokens + F.pad(static, (0, 0, 0, n_variates - n_targets))[:, :, None]
        return self.dropout(tokens)
