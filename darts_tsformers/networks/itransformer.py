"""iTransformer: each variate's whole look-back is one token, attention runs over variates."""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._variates import LAYOUT, VariateTokens
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class ITransformer(Network, VariateTokens, name="itransformer"):
    """Inverted transformer.

    One token for each variate: a linear map of its look-back. A post-norm encoder mixes the tokens; a linear map of
    each target's token is its forecast. There are no positions, so permuting the variates permutes the forecast, and no
    parameter depends on their number.

    Covariates: a past covariate is one more token through the same map, as the paper's time features are; a future
    covariate is a token over look-back and horizon through a map of its own, which gives the known future a way in (the
    paper has none); static covariates add to the token of their variate. Covariates come at one level and spread, which
    leaves nothing to tell one from another: each has a learned mark (the paper has none). The marks, what is common to
    past covariates and the map of the static ones start at zero.

    Cost: O(L) in the look-back, O((C + P + F)^2) in the variates for exact attention.

    Parameters
    ----------
    attention
        Mechanism over the variates; one that has no use for an order of the tokens.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting", ICLR 2024.
    Deviations: dropout never acts on attention weights; the token of a past covariate has a mark added to it, zero at
    the start, by which a covariate can be told from a target; queries, keys and values start from Xavier's distribution
    with no bias, 1.73 times as wide as in the authors' code.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import ITransformer
    >>> network = ITransformer(Sizes(input_length=48, output_length=6, n_past=1), d_model=16, n_heads=2)
    >>> network(Window(target=torch.randn(2, 48, 3), past=torch.randn(2, 48, 1))).shape
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        d_model: int = 128,
        n_heads: int = 8,
        n_encoder_layers: int = 2,
        d_ff: int = 256,
        dropout: float = 0.1,
        activation: str = "gelu",
        attention: AttentionLike = "full",
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_model=d_model)
        require_probability(dropout=dropout)
        self._build_tokens(sizes, d_model)
        self.dropout = nn.Dropout(dropout)
        self.encoder = Encoder(
            d_model,
            n_heads,
            d_ff,
            n_layers=n_encoder_layers,
            dropout=dropout,
            activation=activation,
            attention=attention,
            final_norm=True,
            n_tokens=sizes.n_targets + sizes.n_past + sizes.n_future,
        )
        self.head = nn.Linear(d_model, sizes.output_length * sizes.n_parameters)
        n_covariates = sizes.n_past + sizes.n_future
        self.covariate_marks = nn.Parameter(torch.zeros(n_covariates, d_model)) if n_covariates else None

    @property
    def width_tie(self) -> str | None:
        """Nothing: no parameter depends on the number of variates."""
        return None

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: variables."""
        return dict.fromkeys(self.attention_layers(), LAYOUT)

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        out = self.head(self.encode(window).squeeze(2))
        return rearrange(out, "B C (H Q) -> B H C Q", Q=self.sizes.n_parameters)

    def encode(self, window: Window) -> Float[Tensor, "B C 1 D"]:
        """Return the tokens of the targets."""
        n_targets = window.target.shape[-1]
        tokens = self._embed(window)
        if self.covariate_marks is not None:
            tokens = torch.cat([tokens[:, :n_targets], tokens[:, n_targets:] + self.covariate_marks], dim=1)
        tokens = self.encoder(self.dropout(tokens))
        return tokens[:, :n_targets, None]

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Let files of version 0.1 mark no covariate."""
        if self.covariate_marks is not None:
            state_dict.setdefault(f"{prefix}covariate_marks", torch.zeros_like(self.covariate_marks))
        super()._load_from_state_dict(state_dict, prefix, *args)
