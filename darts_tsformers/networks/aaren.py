"""Aaren: a causal transformer whose attention goes on in constant memory."""

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.convolution import CausalConvolution
from darts_tsformers.layers.recurrent.aaren import AarenAttention, AarenLayer
from darts_tsformers.networks._causal import CausalBody, CausalNetwork, chosen_patch_length
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes
from darts_tsformers.window.covariates import ALL_KINDS


class Aaren(CausalNetwork, Network, name="aaren"):
    r"""Causal transformer in which one learned query attends to all tokens up to each.

    .. math::

        o_t = \sum_{j \le t} \frac{e^{q^\top k_j / \sqrt e}}{\sum_{i \le t} e^{q^\top k_i / \sqrt e}}\, v_j

    As the query is the same for all tokens, the sums of one prefix give those of the next: the network reads a
    look-back at once, and takes in each further row in time and memory that do not grow. The look-back is cut into
    patches, a convolution over three of them makes a token, and the last token gives the whole horizon. There are no
    positions.

    Covariates, which the paper has no place for: past and historic future covariates are cut into the same patches and
    added to the tokens through a linear map; static covariates add to the tokens of their component; future covariates
    act through :class:`~darts_tsformers.window.covariates.FutureResponse`. All start at zero.

    Cost: O(C N) with N = L / patch_length patches; O(C) for each further row.

    Parameters
    ----------
    patch_length
        Steps of a patch; at most the look-back. None for 24, or the whole look-back where that is less.
    norm
        ``"layer"`` or ``"batch"``.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Feng et al., "Attention as an RNN", 2024 (arXiv 2405.13956). No code of the authors is public.

    Deviations: the paper puts its layers in the place of a transformer's; what is around them is ours: patches,
    components one by one, the convolution, no positions, and a forecast from the last token alone, which is all that
    changes with a row. See :class:`~darts_tsformers.layers.recurrent.aaren.AarenLayer` for the layer.

    Examples
    --------
    Read a look-back, take in one more row, and forecast:

    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import Aaren
    >>> network = Aaren(Sizes(input_length=48, output_length=6), patch_length=8, d_model=16).eval()
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
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        activation: str = "gelu",
        norm: str = "layer",
    ) -> None:
        super().__init__(sizes)
        require_at_least(1, d_model=d_model, n_encoder_layers=n_encoder_layers)
        self.body = CausalBody(
            sizes,
            lambda n_values: CausalConvolution(n_values, d_model),
            (
                AarenLayer(d_model, n_heads, d_ff, dropout=dropout, activation=activation, norm=norm)
                for _ in range(n_encoder_layers)
            ),
            d_model=d_model,
            patch_length=chosen_patch_length(patch_length, 24, sizes),
            channel_independent=channel_independent,
            dropout=dropout,
        )

    def attention_layers(self) -> list[str]:
        """Return the paths of the layers that attend."""
        return [path for path, part in self.named_modules() if isinstance(part, AarenAttention)]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches."""
        axis = self.body.axis()
        return dict.fromkeys(self.attention_layers(), Layout((axis, axis), self.body.channel_independent))
