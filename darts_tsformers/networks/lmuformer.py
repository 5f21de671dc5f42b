"""LMUFormer: causal blocks around a memory of the window, held as polynomials."""

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.norm import build_norm
from darts_tsformers.layers.recurrent.lmuformer import ConvolutionalEmbedding, LMUFormerBlock
from darts_tsformers.networks._causal import CausalBody, CausalNetwork, chosen_patch_length, n_patches
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes
from darts_tsformers.window.covariates import ALL_KINDS


class LMUFormer(CausalNetwork, Network, name="lmuformer"):
    r"""Causal network that mixes steps by Legendre memories in place of attention.

    .. math::

        m_t = \bar A m_{t-1} + \bar B \, \mathrm{relu}(w^\top x_t + b), \qquad
        x_t \leftarrow x_t + \mathrm{norm}(W\, \mathrm{relu}(W_h [m_t ; x_t]))

    The matrices are fixed, so that ``m`` holds the last values written to it as coefficients of polynomials. As this is
    linear, the network reads a look-back at once, by FFT, and takes in each further row in time and memory that do not
    grow. The look-back is cut into patches, convolutions over three of them make tokens, and the last token gives the
    whole horizon. There are no positions.

    Covariates, which the paper has no place for: past and historic future covariates are cut into the same patches and
    added to the tokens through a linear map; static covariates add to the tokens of their component; future covariates
    act through :class:`~darts_tsformers.window.covariates.FutureResponse`. All start at zero.

    Cost: O(C r q N log N) with N = L / patch_length patches, r memories and q numbers in each; O(C r q^2) for each
    further row.

    Parameters
    ----------
    patch_length
        Steps of a patch; at most the look-back. None for 8, or the whole look-back where that is less.
    memory_length
        Steps that a memory holds, at least ``patch_length``. None for the whole look-back.
    memory_order
        Numbers in a memory (``q``). None for as many as patches in its length, which hold them exactly but for
        rounding; at most ``d_model``.
    d_memory
        Values that a token writes in each block, each to a memory of its own (``r``).
    norm
        ``"layer"``, or ``"batch"`` as in the paper.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Liu et al., "LMUFormer: Low Complexity Yet Powerful Spiking Model With Legendre Memory Units", ICLR 2024, without
    spikes.

    Deviations: the paper classifies, by a mean over time; here the last token, normalised once more, forecasts.
    Convolutions look back only.
    ``d_memory=1`` and an order of ``d_model`` are the paper's; more memories widen what passes from token to token.
    The authors' memory is 128 steps long whatever the input.

    Examples
    --------
    Read a look-back, take in one more row, and forecast:

    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import LMUFormer
    >>> network = LMUFormer(Sizes(input_length=48, output_length=6), patch_length=8, d_model=16).eval()
    >>> series = torch.randn(2, 48, 3)  # (B, L, C): any number of components
    >>> state = network.advance(network.begin(Window(series[:, :47])), Window(series[:, 47:]))
    >>> network.ahead(state, future=None, static=None).shape
    torch.Size([2, 6, 3, 1])
    >>> torch.allclose(network.ahead(state, None, None), network(Window(series)), atol=1e-5)
    True
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int | None = None,
        channel_independent: bool = True,
        d_model: int = 64,
        n_encoder_layers: int = 2,
        d_ff: int = 128,
        memory_length: int | None = None,
        memory_order: int | None = None,
        d_memory: int = 4,
        dropout: float = 0.2,
        norm: str = "layer",
    ) -> None:
        super().__init__(sizes)
        patch_length = chosen_patch_length(patch_length, 8, sizes)
        require_at_least(1, d_model=d_model, n_encoder_layers=n_encoder_layers)
        if memory_length is not None:
            require_at_least(patch_length, memory_length=memory_length)
        theta = n_patches(sizes.input_length, patch_length) if memory_length is None else memory_length / patch_length
        if memory_order is None:
            memory_order = min(d_model, int(theta))
        require_at_least(1, memory_order=memory_order)
        self.body = CausalBody(
            sizes,
            lambda n_values: ConvolutionalEmbedding(n_values, d_model, norm=norm),
            (
                LMUFormerBlock(d_model, d_ff, memory_order, theta, d_memory=d_memory, norm=norm, dropout=dropout)
                for _ in range(n_encoder_layers)
            ),
            d_model=d_model,
            patch_length=patch_length,
            channel_independent=channel_independent,
            dropout=dropout,
            final_norm=build_norm(norm, d_model),
        )

    def layouts(self) -> dict[str, Layout]:
        """Return what is written to the memories: patches, the last ones that they hold."""
        axis = self.body.axis()
        return {
            path: Layout((axis[-int(part.memory.theta) :],), self.body.channel_independent)
            for path, part in self.named_modules()
            if isinstance(part, LMUFormerBlock)
        }
