"""Transformer layers that take the trend out after every step: Autoformer's, and FEDformer's."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.convolution import TokenConvolution
from darts_tsformers.layers.transformer.feed_forward import FeedForward


class DecomposingEncoderLayer(nn.Module):
    """``x = seasonal(x + attention(x)); x = seasonal(x + feed_forward(x))``; trends are dropped.

    Parameters
    ----------
    attention
        Self-attention; what it gives beside its output is not used.
    feed_forward
        Token by token.
    build_decomposition
        Makes a module that splits a series into remainder and trend.

    Notes
    -----
    Wu et al., "Autoformer", NeurIPS 2021, equation 3.
    """

    def __init__(
        self, attention: nn.Module, feed_forward: FeedForward, build_decomposition: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        self.attention = attention
        self.feed_forward = feed_forward
        self.decompositions = nn.ModuleList(build_decomposition() for _ in range(2))

    def forward(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        """Encode."""
        x, _ = self.decompositions[0](x + self.attention(x)[0])
        x, _ = self.decompositions[1](x + self.feed_forward(x))
        return x


class DecomposingDecoderLayer(nn.Module):
    """Self-attention, cross-attention and feed-forward part, each followed by a decomposition; the trends are added up.

    The map from their sum to the trend of the series starts at zero: tokens have no normalisation here and can be far
    from the scale of the data.

    Parameters
    ----------
    self_attention, cross_attention
        Neither is causal: what stands in the place of the horizon is known.
    feed_forward
        Token by token.
    build_decomposition
        Makes a module that splits a series into remainder and trend.
    d_model, n_out
        Width of a token, and values of a step of the trend.
    padding_mode
        Of the convolution that brings the trend from the width of a token to the values of a step.

    Notes
    -----
    Wu et al., "Autoformer", NeurIPS 2021, equation 4.
    """

    def __init__(
        self,
        self_attention: nn.Module,
        cross_attention: nn.Module,
        feed_forward: FeedForward,
        build_decomposition: Callable[[], nn.Module],
        *,
        d_model: int,
        n_out: int,
        padding_mode: str,
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.feed_forward = feed_forward
        self.decompositions = nn.ModuleList(build_decomposition() for _ in range(3))
        self.trend = TokenConvolution(d_model, n_out, padding_mode=padding_mode, bias=False)
        nn.init.zeros_(self.trend.linear.weight)

    def forward(
        self, x: Float[Tensor, "B L D"], memory: Float[Tensor, "B M D"]
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B L O"]]:
        """Return the seasonal tokens and what the layer adds to the trend."""
        x, first = self.decompositions[0](x + self.self_attention(x)[0])
        x, second = self.decompositions[1](x + self.cross_attention(x, memory)[0])
        x, third = self.decompositions[2](x + self.feed_forward(x))
        return x, self.trend(first + second + third)
