"""Alignment of two sets of features over variates: what a series says of each with what a text says of each."""

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.feed_forward import FeedForward


class CrossModalAlignment(nn.Module):
    r"""Let each feature of the series look up the features of the prompts that go over the variates as it does.

    .. math::
        A = \mathrm{softmax}\left(\frac{(W_q X^\top)(W_k P^\top)^\top}{\sqrt N}\right), \qquad
        Z = X + (W_o A W_v P^\top)^\top, \qquad
        Y = Z + \mathrm{FFN}(Z^\top)^\top

    A row of :math:`X^\top` (``D`` of them) and of :math:`P^\top` (``E`` of them) is one feature with its value for
    each variate, and a query or a key: all maps are over the variates, which ties the layer to their number. ``X``,
    ``P`` and ``Z`` are normalised before they are mapped, each variate over its features.

    Parameters
    ----------
    n_variates
        Variates (``N``).
    d_series, d_prompt
        Features of a variate in the series (``D``) and in the prompts (``E``).
    d_ff
        Inner width of the feed-forward part.
    dropout
        After attention and in the feed-forward part.
    faithful
        Whether to normalise each feature over the variates, with one norm for series and prompts, and to add to what
        was normalised, as the authors do. With one variate such a norm leaves nothing, with two a sign.

    Raises
    ------
    ValueError
        If there are fewer than three variates to be normalised over.

    Notes
    -----
    Liu et al., "TimeCMA: Towards LLM-Empowered Multivariate Time Series Forecasting via Cross-Modality Alignment", AAAI
    2025.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.alignment import CrossModalAlignment
    >>> alignment = CrossModalAlignment(3, d_series=8, d_prompt=12, d_ff=16)
    >>> alignment(torch.randn(2, 3, 8), torch.randn(2, 3, 12)).shape
    torch.Size([2, 3, 8])
    """

    def __init__(
        self, n_variates: int, *, d_series: int, d_prompt: int, d_ff: int, dropout: float = 0.0, faithful: bool = False
    ) -> None:
        super().__init__()
        if faithful and n_variates < 3:
            raise ValueError(
                "faithful=True must come with at least 3 variates, components and covariates together, not "
                f"{n_variates}: a norm over two leaves signs, and over one nothing"
            )
        self.faithful = faithful
        self.series_norm: nn.Module = OverVariates(n_variates) if faithful else nn.LayerNorm(d_series)
        self.prompt_norm = None if faithful else nn.LayerNorm(d_prompt)
        self.query, self.key, self.value, self.project_out = (nn.Linear(n_variates, n_variates) for _ in range(4))
        self.dropout = Dropout(dropout)
        self.feed_forward_norm: nn.Module = OverVariates(n_variates) if faithful else nn.LayerNorm(d_series)
        self.feed_forward = FeedForward(n_variates, d_ff, dropout=dropout, activation="gelu")

    def forward(self, series: Float[Tensor, "B N D"], prompts: Float[Tensor, "B N E"]) -> Float[Tensor, "B N D"]:
        """Align."""
        normalised = self.series_norm(series)
        memory = self.series_norm(prompts) if self.prompt_norm is None else self.prompt_norm(prompts)
        x = (normalised if self.faithful else series) + self._attended(normalised, memory)
        normalised = self.feed_forward_norm(x)
        return (normalised if self.faithful else x) + self.feed_forward(normalised.mT).mT

    def _attended(self, series: Float[Tensor, "B N D"], prompts: Float[Tensor, "B N E"]) -> Float[Tensor, "B N D"]:
        features = F.scaled_dot_product_attention(self.query(series.mT), self.key(prompts.mT), self.value(prompts.mT))
        attended: Tensor = self.dropout(self.project_out(features)).mT
        return attended


class OverVariates(nn.LayerNorm):
    """Normalise each feature over the variates."""

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Normalise over the axis before the last."""
        return super().forward(x.mT).mT
