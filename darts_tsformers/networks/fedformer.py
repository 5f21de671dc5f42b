"""FEDformer: a few frequencies, or the levels of a wavelet tree, in place of attention over time steps."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.layers.decomposition.moving_average import MixtureDecomposition
from darts_tsformers.layers.frequency.fourier import FourierAttention, FourierBlock
from darts_tsformers.layers.frequency.frequency_layer import FrequencyLayer
from darts_tsformers.layers.frequency.mode_attention import ACTIVATIONS
from darts_tsformers.layers.frequency.modes import MODE_SELECTIONS
from darts_tsformers.layers.frequency.wavelet import MultiwaveletAttention, MultiwaveletBlock
from darts_tsformers.networks._decomposition import DecompositionTransformer, Parts
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS

VERSIONS = ("fourier", "wavelet")


class FEDformer(Network, name="fedformer"):
    """Encoder-decoder in the frequency domain, with progressive decomposition.

    The stacks are those of Autoformer. In place of attention stand blocks that work on a few modes of the sequence
    (``version="fourier"``) or on the low modes of each level of a wavelet tree (``"wavelet"``); the decomposition mixes
    moving averages of several lengths.

    Covariates: future covariates take the place of the paper's time marks, in encoder and decoder; static covariates
    add to every token, from zero at the start. Past covariates are embedded with the target in the encoder and have no
    part in the decomposition of the target; the encoder takes their level out with every trend, so that it acts through
    the shared :class:`~darts_tsformers.window.covariates.CovariateHead`.

    Cost: O(L) in the look-back for a given number of modes.

    Parameters
    ----------
    version
        ``"fourier"`` or ``"wavelet"``.
    modes
        Modes that a block keeps, of each level in a wavelet tree; fewer where the sequence has fewer.
    mode_select
        ``"random"`` or ``"lowest"``; a wavelet tree has the lowest.
    modes_seed
        Seeds the choice of random modes. Each block draws its own.
    frequency_activation
        Of the attention between modes: ``"tanh"``, ``"softmax"``, or ``"complex_tanh"`` as in the authors' code, which
        has poles.
    wavelet_channels, wavelet_order, n_coarse_levels
        Channels and coefficients of the wavelet tree, and the levels left out at its coarse end.
    kernel_sizes
        Steps of the moving averages of which the trend is a mixture.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Zhou et al., "FEDformer: Frequency Enhanced Decomposed Transformer for Long-term Series Forecasting", ICML 2022.

    Deviations: what :mod:`~darts_tsformers.layers.frequency.fourier` and
    :mod:`~darts_tsformers.layers.frequency.wavelet` say of the blocks; one number of modes, of channels and of coarse
    levels serves both wavelet blocks, where the authors' cross-attention has 64 modes and no coarse level whatever the
    others have; each layer has weights and modes of its own;
    blocks that look at queries alone have no projections of keys and values; convolutions repeat the end values instead
    of joining the ends; the embedding of values has a bias, the authors' has none; the map to the trend of the series
    starts at zero, for tokens have no normalisation here and can be far from the scale of the data.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import FEDformer
    >>> network = FEDformer(Sizes(input_length=48, output_length=6, n_targets=3), modes=8, d_model=16)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape
    torch.Size([2, 6, 3, 1])
    >>> network.attention_layers()  # frequencies take the place of attention
    []
    """

    reads = ALL_KINDS - {"past"}

    def __init__(
        self,
        sizes: Sizes,
        *,
        version: str = "fourier",
        label_length: int | None = None,
        modes: int = 64,
        mode_select: str = "random",
        modes_seed: int = 0,
        frequency_activation: str = "tanh",
        wavelet_channels: int = 8,
        wavelet_order: int = 4,
        n_coarse_levels: int = 3,
        kernel_sizes: Sequence[int] = (24,),
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 2,
        n_decoder_layers: int = 1,
        d_ff: int = 128,
        dropout: float = 0.05,
        activation: str = "gelu",
        padding_mode: str = "replicate",
    ) -> None:
        super().__init__(sizes)
        require_one_of(VERSIONS, version=version)
        require_one_of(ACTIVATIONS, frequency_activation=frequency_activation)
        require_one_of(MODE_SELECTIONS, mode_select=mode_select)
        require_at_least(1, n_encoder_layers=n_encoder_layers, n_decoder_layers=n_decoder_layers, modes=modes)
        require_at_least(1, wavelet_channels=wavelet_channels, wavelet_order=wavelet_order)
        require_at_least(0, modes_seed=modes_seed, n_coarse_levels=n_coarse_levels)
        length = sizes.input_length
        decoder_length = sizes.label_length(label_length) + sizes.output_length
        seeds = iter(range(modes_seed, modes_seed + n_encoder_layers + 2 * n_decoder_layers))
        tree: dict[str, Any] = {
            "n_channels": wavelet_channels,
            "order": wavelet_order,
            "n_modes": modes,
            "n_coarse_levels": n_coarse_levels,
        }

        def block(steps: int) -> nn.Module:
            if version == "wavelet":
                return MultiwaveletBlock(d_model, steps, **tree)
            return FourierBlock(d_model, n_heads, steps, n_modes=modes, mode_select=mode_select, seed=next(seeds))

        def cross_block() -> nn.Module:
            if version == "wavelet":
                return MultiwaveletAttention(d_model, decoder_length, **tree, activation=frequency_activation)
            return FourierAttention(
                d_model,
                n_heads,
                decoder_length,
                length,
                n_modes=modes,
                mode_select=mode_select,
                seed=next(seeds),
                activation=frequency_activation,
            )

        def layer(block: nn.Module, *, cross: bool = False) -> FrequencyLayer:
            return FrequencyLayer(block, d_model, n_heads, dropout=dropout, cross=cross)

        self.body = DecompositionTransformer(
            sizes,
            Parts(
                encoder_attention=lambda: layer(block(length)),
                decoder_attention=lambda: layer(block(decoder_length)),
                cross_attention=lambda: layer(cross_block(), cross=True),
                decomposition=lambda: MixtureDecomposition(kernel_sizes, dim=-2),
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
