"""S-Mamba: each variate's whole look-back is one token, Mamba runs over the variates from both ends."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_one_of, require_probability
from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba
from darts_tsformers.layers.recurrent.mamba_encoder import MambaEncoder
from darts_tsformers.layers.recurrent.variate_order import ORDERS, scan_order
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._variates import LAYOUT, VariateTokens
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class SMamba(Network, VariateTokens, name="smamba"):
    """Simple Mamba.

    One token for each variate: a linear map of its look-back. In each layer a Mamba block goes over the tokens from the
    first to the last, another from the last to the first, and their sum takes the place of attention; a linear map of
    each target's token is its forecast. No parameter depends on the number of variates.

    The order of the variates matters: a block carries less of what it met long ago, so put together what belongs
    together. ``variate_order="correlation"`` takes each window's own order instead, and then permuting the targets
    permutes the forecast.

    Covariates: a past covariate is one more token through the same map, as the paper's time features are; a future
    covariate is a token over look-back and horizon through a map of its own, which gives the known future a way in (the
    paper has none); static covariates add to the token of their variate. What marks a token as a covariate's, and the
    map of the static ones, start at zero. The blocks meet the future covariates before the targets and the past ones
    behind them, in the order they are given, so that each block brings some to the targets.

    Cost: O(L) in the look-back, O(C + P + F) in the variates.

    Parameters
    ----------
    variate_order
        In which order the blocks meet the targets: as they are ``"given"``, or by ``"correlation"`` with their mean in
        the window, each at its own level and spread, the highest first.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Wang et al., "Is Mamba Effective for Time Series Forecasting?", 2024.
    Deviations: the authors' code has three more blocks in each layer that nothing calls; they are left out. An order by
    correlation is ours.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import SMamba
    >>> network = SMamba(Sizes(input_length=48, output_length=6, n_past=1), d_model=16, d_state=4)
    >>> network(Window(target=torch.randn(2, 48, 3), past=torch.randn(2, 48, 1))).shape
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        d_model: int = 128,
        n_encoder_layers: int = 2,
        d_ff: int = 256,
        d_state: int = 16,
        d_conv: int = 2,
        expand: int = 1,
        dropout: float = 0.1,
        activation: str = "gelu",
        variate_order: str = "given",
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_model=d_model)
        require_probability(dropout=dropout)
        require_one_of(ORDERS, variate_order=variate_order)
        self.variate_order = variate_order
        self._build_tokens(sizes, d_model)
        self.dropout = nn.Dropout(dropout)
        self.encoder = MambaEncoder(
            d_model,
            d_ff,
            n_layers=n_encoder_layers,
            d_state=d_state,
            d_conv=d_conv,
            expand=expand,
            dropout=dropout,
            activation=activation,
        )
        self.head = nn.Linear(d_model, sizes.output_length * sizes.n_parameters)

    @property
    def width_tie(self) -> str | None:
        """Nothing: no parameter depends on the number of variates."""
        return None

    def attention_layers(self) -> list[str]:
        """Return the paths of the blocks whose hidden attention is recorded."""
        return [path for path, part in self.named_modules() if isinstance(part, BidirectionalMamba)]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: variables."""
        return dict.fromkeys(self.attention_layers(), LAYOUT)

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        out = self.head(self.encode(window).squeeze(2))
        return rearrange(out, "B C (H Q) -> B H C Q", Q=self.sizes.n_parameters)

    def encode(self, window: Window) -> Float[Tensor, "B C 1 D"]:
        """Return the tokens of the targets."""
        order = scan_order(window.target, self.sizes.n_past, self.sizes.n_future, self.variate_order)
        encoded = self.encoder(self.dropout(self._embed(window)), order)
        return encoded[:, : window.target.shape[-1], None]
