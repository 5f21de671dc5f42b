"""PatchTST: patches of one channel as tokens, all channels through one encoder."""

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.decomposition.moving_average import SeriesDecomposition
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear


class PatchTST(Network, name="patchtst"):
    r"""Channel-independent patch transformer.

    Each channel is cut into patches, each patch is mapped to a token, a learned position is added, and a post-norm
    encoder shared by all channels mixes the tokens of one channel. All its tokens, flattened, give the forecast.

    Covariates, which the paper has no place for: past and historic future covariates are cut into the same patches and
    added to every channel's tokens through a linear map; static covariates add to the tokens of their channel; future
    covariates act through :class:`~darts_tsformers.window.covariates.FutureResponse`. All start at zero.

    Cost: O(C N^2) with N = L / stride patches, for exact attention.

    Parameters
    ----------
    patch_length
        Steps of a patch (``p``); at most the look-back. None for 16, or the whole look-back where that is less.
    stride
        Steps between the starts of two patches (``s``).
    pad_end
        Whether the last value is repeated ``stride`` times, for one patch more.
    head_dropout
        On the output of the head.
    norm
        ``"batch"``, as in the paper, or ``"layer"``.
    attention
        Mechanism over the patches.
    residual_attention
        Whether scores add up over the layers. Not in the paper, but on by default in the authors' code.
    individual_head
        Whether each channel has a head of its own, which ties the network to its channels.
    decomposition_kernel
        Width of a moving average that splits the series into trend and remainder, each forecast by a backbone of its
        own and added. None for no split.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Nie et al., "A Time Series is Worth 64 Words: Long-term Forecasting with Transformers", ICLR 2023.

    Deviations: dropout acts once on what attention gives, where the authors' code drops it twice in a row, so that at a
    rate of 0.3 half of it (51 %) is zero there and 30 % here: a rate means here what it says, and
    ``1 - (1 - dropout) ** 2`` is their share for this branch. On attention weights it never acts, as in their scripts.
    Queries, keys and values start from Xavier's distribution with no bias, 1.73 times as wide as theirs. With a
    decomposition the window is normalised once, before the split, where the authors normalise each part.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import PatchTST
    >>> network = PatchTST(Sizes(input_length=48, output_length=6), patch_length=16, stride=8, d_model=16)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # any number of components
    torch.Size([2, 6, 3, 1])
    >>> network.backbone.position.shape  # one token for each patch
    torch.Size([6, 16])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        pad_end: bool = True,
        d_model: int = 64,
        n_heads: int = 4,
        n_encoder_layers: int = 3,
        d_ff: int = 128,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        activation: str = "gelu",
        norm: str = "batch",
        attention: AttentionLike = "full",
        residual_attention: bool = True,
        individual_head: bool = False,
        decomposition_kernel: int | None = None,
    ) -> None:
        super().__init__(sizes)
        require_probability(head_dropout=head_dropout)
        require_flag(pad_end=pad_end, individual_head=individual_head)
        self.individual_head = individual_head
        self.decomposition = None
        if decomposition_kernel is not None:
            require_at_least(1, decomposition_kernel=decomposition_kernel)
            self.decomposition = SeriesDecomposition(decomposition_kernel)

        patch_length = min(16, sizes.input_length) if patch_length is None else patch_length
        patching = Patching(sizes.input_length, patch_length, stride, pad_end=pad_end)

        def backbone() -> PatchBackbone:
            return PatchBackbone(
                sizes,
                patching=patching,
                encoder=Encoder(
                    d_model,
                    n_heads,
                    d_ff,
                    n_layers=n_encoder_layers,
                    dropout=dropout,
                    activation=activation,
                    norm=norm,
                    attention=attention,
                    residual_attention=residual_attention,
                    n_tokens=patching.n_patches,
                ),
                d_model=d_model,
                dropout=dropout,
                head_dropout=head_dropout,
                individual_head=individual_head,
            )

        self.backbone = backbone()
        self.trend_backbone = None if self.decomposition is None else backbone()

    @property
    def width_tie(self) -> str | None:
        """Nothing, unless each channel has its own head."""
        return "individual_head" if self.individual_head else None

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches, component by component."""
        axis = self.backbone.patching.axis()
        return dict.fromkeys(self.attention_layers(), Layout((axis, axis), per_component=True))

    @property
    def token_steps(self) -> Int[Tensor, "N p"]:
        """Those of the patches."""
        return self.backbone.patching.steps()

    def encode(self, window: Window) -> Float[Tensor, "B C N D"]:
        """Return the tokens of the patches; with a decomposition those of both backbones, side by side."""
        return torch.cat([backbone.encode(series, window) for backbone, series in self._parts(window)], dim=-1)

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        forecasts = [backbone(series, window) for backbone, series in self._parts(window)]
        return rearrange(sum(forecasts[1:], start=forecasts[0]), "B C H Q -> B H C Q")

    def _parts(self, window: Window) -> list[tuple["PatchBackbone", Float[Tensor, "B C L"]]]:
        """Return each backbone with the series it sees."""
        series = rearrange(window.target, "B L C -> B C L")
        if self.decomposition is None or self.trend_backbone is None:
            return [(self.backbone, series)]
        remainder, trend = self.decomposition(series)
        return [(self.backbone, remainder), (self.trend_backbone, trend)]


class PatchBackbone(nn.Module):
    """Patches to tokens to forecast, for one series of each channel."""

    def __init__(
        self,
        sizes: Sizes,
        *,
        patching: Patching,
        encoder: Encoder,
        d_model: int,
        dropout: float,
        head_dropout: float,
        individual_head: bool,
    ) -> None:
        super().__init__()
        self.patching = patching
        self.embedding = nn.Linear(patching.patch_length, d_model)
        self.position = nn.Parameter(torch.empty(patching.n_patches, d_model).uniform_(-0.02, 0.02))
        self.dropout = nn.Dropout(dropout)
        self.encoder = encoder
        self.head = PatchHead(patching.n_patches * d_model, sizes, n_heads=sizes.n_targets if individual_head else 1)
        self.head_dropout = nn.Dropout(head_dropout)
        n_covariates = sizes.n_past + sizes.n_future
        self.covariates = zero_linear(n_covariates * patching.patch_length, d_model) if n_covariates else None
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None
        self.future = FutureResponse(d_model, sizes.n_future, sizes.n_parameters) if sizes.n_future else None

    def forward(self, series: Float[Tensor, "B C L"], window: Window) -> Float[Tensor, "B C H Q"]:
        """Forecast each channel."""
        tokens = self.encode(series, window)
        out = self.head_dropout(self.head(tokens.flatten(-2)))
        if self.future is not None and window.future is not None:
            out = out + self.future(window.future, tokens.mean(dim=2))
        return out

    def encode(self, series: Float[Tensor, "B C L"], window: Window) -> Float[Tensor, "B C N D"]:
        """Return the tokens of each channel."""
        tokens = self.dropout(self._embed(series, window))
        n_channels = tokens.shape[1]
        tokens = self.encoder(rearrange(tokens, "B C N D -> (B C) N D"))
        return rearrange(tokens, "(B C) N D -> B C N D", C=n_channels)

    def _embed(self, series: Float[Tensor, "B C L"], window: Window) -> Float[Tensor, "B C N D"]:
        tokens = self.embedding(self.patching(series)) + self.position
        if self.covariates is not None:
            known = [x for x in (window.past, window.historic_future) if x is not None]
            patches = self.patching(rearrange(torch.cat(known, dim=-1), "B L P -> B P L"))
            tokens = tokens + self.covariates(rearrange(patches, "B P N p -> B 1 N (P p)"))
        if self.static is not None and window.static is not None:
            tokens = tokens + rearrange(self.static(window.static), "B V D -> B V 1 D")
        return tokens


class PatchHead(nn.Module):
    """One linear map from all tokens of a channel to its forecast, shared by all channels or one for each."""

    def __init__(self, n_features: int, sizes: Sizes, *, n_heads: int) -> None:
        super().__init__()
        self.n_parameters = sizes.n_parameters
        n_out = sizes.output_length * sizes.n_parameters
        self.weight = nn.Parameter(torch.empty(n_heads, n_out, n_features))
        self.bias = nn.Parameter(torch.empty(n_heads, n_out))
        bound = n_features**-0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Float[Tensor, "B C K"]) -> Float[Tensor, "B C H Q"]:
        """Forecast each channel."""
        if len(self.weight) == 1:
            out = F.linear(x, self.weight[0], self.bias[0])
        else:
            out = torch.einsum("bck,cok->bco", x, self.weight) + self.bias
        return rearrange(out, "B C (H Q) -> B C H Q", Q=self.n_parameters)
