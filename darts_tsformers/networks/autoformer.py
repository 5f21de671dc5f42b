"""Autoformer: auto-correlation in place of attention, and the trend taken out after every step."""

from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention import AttentionLike, build_attention
from darts_tsformers.layers.decomposition.moving_average import SeriesDecomposition
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
from darts_tsformers.networks._decomposition import DecompositionTransformer, Parts
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class Autoformer(Network, name="autoformer"):
    """Encoder-decoder with auto-correlation and progressive decomposition.

    The encoder works on the seasonal part of the look-back. The decoder starts from the decomposed end of the look-back
    and gives the horizon in one pass; its layers add what they find of the trend to a trend that starts from the mean.

    Covariates: future covariates take the place of the paper's time marks, in encoder and decoder; static covariates
    add to every token, from zero at the start. Past covariates are embedded with the target in the encoder and have no
    part in the decomposition of the target; the encoder takes their level out with every trend, so that it acts through
    the shared :class:`~darts_tsformers.window.covariates.CovariateHead`. Delays need no positions; tokens have none.

    Cost: O(L log L) in the look-back.

    Parameters
    ----------
    kernel_size
        Steps of the moving average that is the trend.
    attention
        Mechanism over time steps, nowhere causal. Where the decoder looks at the encoder, exact attention stands in for
        a mechanism that needs queries and keys of one length.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Wu et al., "Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term Series Forecasting", NeurIPS
    2021.

    Deviations: convolutions repeat the end values instead of joining the ends; the delays of
    :class:`~darts_tsformers.attention.AutoCorrelation` belong to each sample, in training too; the embedding of values
    has a bias, the authors' has none; the map to the trend of the series starts at zero, for tokens have no
    normalisation here and can be far from the scale of the data; queries, keys and values start from Xavier's
    distribution with no bias, 1.73 times as wide as in the authors' code.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import Autoformer
    >>> network = Autoformer(Sizes(input_length=48, output_length=6, n_targets=3), kernel_size=13, d_model=16)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS - {"past"}

    def __init__(
        self,
        sizes: Sizes,
        *,
        label_length: int | None = None,
        kernel_size: int = 25,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        attention: AttentionLike = "auto_correlation",
        padding_mode: str = "replicate",
    ) -> None:
        super().__init__(sizes)
        n_longest = max(sizes.input_length, sizes.label_length(label_length) + sizes.output_length)

        def attend(*, cross: bool = False) -> MultiHeadAttention:
            served = not cross or build_attention(attention).supports_cross
            return MultiHeadAttention(
                d_model,
                n_heads,
                attention=attention if served else "full",
                dropout=dropout,
                cross=cross,
                n_queries=n_longest,
                n_keys=sizes.input_length if cross else None,
            )

        self.body = DecompositionTransformer(
            sizes,
            Parts(
                encoder_attention=attend,
                decoder_attention=attend,
                cross_attention=lambda: attend(cross=True),
                decomposition=lambda: SeriesDecomposition(kernel_size, dim=-2),
            ),
            label_length=label_length,
            d_model=d_model,
            d_ff=d_ff,
            n_encoder_layers=n_encoder_layers,
            n_decoder_layers=n_decoder_layers,
            dropout=dropout,
            activation=activation,
            padding_mode=padding_mode,
        )

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: steps."""
        return self.body.layouts("body")

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        return self.body(window)
