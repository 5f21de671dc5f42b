"""PatchTSMixer: patches of each channel, mixed by small maps instead of attention."""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import (
    require_at_least,
    require_flag,
    require_not_negative,
    require_one_of,
    require_probability,
)
from darts_tsformers.layers.mixing.gate import SoftmaxGate
from darts_tsformers.layers.mixing.mixer import Mixer
from darts_tsformers.layers.mixing.position import PatchPosition
from darts_tsformers.layers.mixing.reconciliation import CrossChannelHead, HierarchyHead
from darts_tsformers.layers.transformer.patching import Patching
from darts_tsformers.networks._lessons import Lesson, Training
from darts_tsformers.networks._network import Network
from darts_tsformers.recording.layout import Layout, VariableAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear

MODES = ("common_channel", "mix_channel")


class PatchTSMixer(Network, name="patchtsmixer"):
    r"""Mixer of patches: IBM's TSMixer.

    Each channel is cut into patches that end with the look-back; what is left over at its start is not seen. Each patch
    is mapped to a token. A layer mixes the patches of a channel, then the features of a token, each by a map of two
    layers behind a gate that divides one share among what it lets through; in ``mode="mix_channel"`` it mixes the
    channels first. All tokens of a channel, flattened, give its forecast.

    Covariates, which the paper has no place for: past and historic future covariates are cut into the same patches and
    added to every channel's tokens through a linear map; static covariates add to the tokens of their channel; future
    covariates act through :class:`~darts_tsformers.window.covariates.FutureResponse`, and stand beside the forecasts in
    the cross-channel head. All start at zero.

    Cost: O(C N (N + D)) with N = L / stride patches, and as much again times C / (N + D) where channels are mixed.

    Parameters
    ----------
    patch_length
        Steps of a patch (``p``); at most the look-back. None for 16, or the whole look-back where that is less.
    stride
        Steps between the starts of two patches (``s``).
    expansion_factor
        Inner width of each map, in multiples of the axis that it mixes.
    n_layers
        Layers of mixers.
    mode
        ``"common_channel"``: channels do not see each other, and any number of them will do; ``"mix_channel"``: each
        layer mixes them, which ties the network to its channels.
    gated_attention
        Whether mixtures are gated.
    self_attention
        Whether the patches of a channel attend to each other as well.
    n_heads
        Heads of that attention; must divide ``d_model``. Of no effect without it.
    norm
        ``"layer"`` or ``"batch"``.
    positional_encoding
        ``"sincos"``, ``"learned"``, or None: the maps tell patches apart without it.
    dropout
        In each map.
    head_dropout
        On the tokens before the head.
    cross_channel_context
        Steps on either side that a head sees of all channels' forecasts, to correct each step by them; it ties the
        network to its channels. None for no such head.
    hierarchy
        Steps of the patches of the horizon whose means a head forecasts, to correct the forecast by them. None for no
        such head.
    hierarchy_weight
        Share of the loss on the means of those patches, as the head forecasts them and as the forecast has them; that
        of the forecast itself is 1. The paper takes ``1 / hierarchy``. 0 for none. Needs a point forecast.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Ekambaram et al., "TSMixer: Lightweight MLP-Mixer Model for Multivariate Time Series Forecasting", KDD 2023; the
    order of operations and the start of the weights (normal, 0.02) are those of the authors' code in transformers.

    Deviations: the window is normalised by the shared instance norm, whose statistics are detached; the authors'
    ``scaling="std"`` differs in that alone, and ``"mean"`` and None are other ways to scale the series beforehand.
    Dropout never acts on attention weights. The heads for channels and for patches of the horizon are not in that code;
    here they start at zero. The paper's loss holds the means of the latter to those of the series and of the forecast;
    ``hierarchy_weight`` holds the means of both to those of the series.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import PatchTSMixer
    >>> network = PatchTSMixer(Sizes(input_length=48, output_length=6), patch_length=16, stride=8, d_model=16)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # any number of components
    torch.Size([2, 6, 3, 1])
    >>> network.encode(Window(target=torch.randn(2, 48, 3))).shape  # five patches of each
    torch.Size([2, 3, 5, 16])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        patch_length: int | None = None,
        stride: int = 8,
        d_model: int = 64,
        expansion_factor: int = 2,
        n_layers: int = 3,
        mode: str = "common_channel",
        gated_attention: bool = True,
        self_attention: bool = False,
        n_heads: int = 4,
        norm: str = "layer",
        positional_encoding: str | None = None,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        cross_channel_context: int | None = None,
        hierarchy: int | None = None,
        hierarchy_weight: float = 0.0,
    ) -> None:
        super().__init__(sizes)
        require_one_of(MODES, mode=mode)
        require_flag(gated_attention=gated_attention, self_attention=self_attention)
        require_at_least(1, d_model=d_model, n_heads=n_heads)
        require_probability(head_dropout=head_dropout)
        require_not_negative(hierarchy_weight=hierarchy_weight)
        if hierarchy_weight > 0 and hierarchy is None:
            raise ValueError(f"hierarchy_weight={hierarchy_weight!r} needs hierarchy, the steps of the patches")
        self.hierarchy_weight = hierarchy_weight
        self.mixes_channels = mode == "mix_channel"
        self.patching = _patching(sizes.input_length, patch_length, stride)
        n_patches = self.patching.n_patches
        n_features = n_patches * d_model

        self.embedding = nn.Linear(self.patching.patch_length, d_model)
        self.position = None
        if positional_encoding is not None:
            self.position = PatchPosition(n_patches, d_model, positional_encoding)
        self.mixer = Mixer(
            n_patches,
            d_model,
            expansion_factor,
            n_layers=n_layers,
            n_channels=sizes.n_targets if self.mixes_channels else None,
            n_heads=n_heads if self_attention else None,
            gated=gated_attention,
            norm=norm,
            dropout=dropout,
        )
        self.head_dropout = nn.Dropout(head_dropout)
        self.head = nn.Linear(n_features, sizes.output_length * sizes.n_parameters)
        self.apply(_start_small)

        n_covariates = sizes.n_past + sizes.n_future
        self.covariates = zero_linear(n_covariates * self.patching.patch_length, d_model) if n_covariates else None
        self.static = zero_linear(sizes.n_static, d_model) if sizes.n_static else None
        self.future = FutureResponse(d_model, sizes.n_future, sizes.n_parameters) if sizes.n_future else None
        self.hierarchy = None
        if hierarchy is not None:
            self.hierarchy = HierarchyHead(n_features, sizes.output_length, hierarchy, n_parameters=sizes.n_parameters)
        self.reconciliation = None
        if cross_channel_context is not None:
            self.reconciliation = CrossChannelHead(
                sizes.n_targets, cross_channel_context, n_known=sizes.n_future, n_parameters=sizes.n_parameters
            )

    @property
    def width_tie(self) -> str | None:
        """Nothing, unless channels are mixed, by the layers or by the head."""
        if self.mixes_channels:
            return "mode"
        return None if self.reconciliation is None else "cross_channel_context"

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: patches, component by component, and components where they are mixed."""
        axis = self.patching.axis()
        found = dict.fromkeys(self.attention_layers(), Layout((axis, axis), per_component=True))
        by_kind = {"gates": Layout((axis,), per_component=True), "variables": Layout((VariableAxis(("target",)),))}
        gates = {path: part.kind for path, part in self.named_modules() if isinstance(part, SoftmaxGate)}
        return found | {path: by_kind[kind] for path, kind in gates.items() if kind is not None}

    @property
    def token_steps(self) -> Int[Tensor, "N p"]:
        """Those of the patches."""
        return self.patching.steps() + self.sizes.input_length - self.patching.input_length

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        forecast, _ = self._forecast(window)
        return forecast

    def learn(self, window: Window) -> Training:
        """Learn from the means of the patches of the horizon as well, if they have a weight."""
        forecast, means = self._forecast(window)
        if self.hierarchy is None or means is None or self.hierarchy_weight == 0:
            return Training(forecast)
        patches = torch.split(forecast, self.hierarchy.patch_length, dim=1)
        of_forecast = torch.stack([patch.mean(dim=1) for patch in patches], dim=1)
        length = self.sizes.input_length
        first = torch.arange(length, length + forecast.shape[1], self.hierarchy.patch_length, device=forecast.device)
        lessons = [
            Lesson(name, means, first, weight=self.hierarchy_weight, span=self.hierarchy.patch_length)
            for name, means in (("patch_means", means), ("means_of_forecast", of_forecast))
        ]
        return Training(forecast, lessons)

    def _forecast(self, window: Window) -> tuple[Float[Tensor, "B H C Q"], Float[Tensor, "B J C Q"] | None]:
        """Return the forecast, and what the head for patches of the horizon takes their means to be."""
        tokens = self.encode(window)
        means = None
        out = self.head(self.head_dropout(tokens.flatten(-2)))
        out = rearrange(out, "B C (H Q) -> B C H Q", Q=self.sizes.n_parameters)
        if self.future is not None and window.future is not None:
            out = out + self.future(window.future, tokens.mean(dim=2))
        if self.hierarchy is not None:
            out, means = self.hierarchy(out, tokens)
            means = rearrange(means, "B C J Q -> B J C Q")
        out = rearrange(out, "B C H Q -> B H C Q")
        return out if self.reconciliation is None else self.reconciliation(out, window.future), means

    def encode(self, window: Window) -> Float[Tensor, "B C N D"]:
        """Return the mixed tokens of each channel."""
        tokens: Tensor = self.mixer(self._embed(window))
        return tokens

    def _embed(self, window: Window) -> Float[Tensor, "B C N D"]:
        tokens = self.embedding(self._patches(window.target))
        if self.position is not None:
            tokens = self.position(tokens)
        if self.covariates is not None:
            known = [x for x in (window.past, window.historic_future) if x is not None]
            patches = self._patches(torch.cat(known, dim=-1))
            tokens = tokens + self.covariates(rearrange(patches, "B P N p -> B 1 N (P p)"))
        if self.static is not None and window.static is not None:
            tokens = tokens + rearrange(self.static(window.static), "B V D -> B V 1 D")
        return tokens

    def _patches(self, series: Float[Tensor, "B L K"]) -> Float[Tensor, "B K N p"]:
        """Cut the end of each series into patches."""
        patches: Tensor = self.patching(series[:, -self.patching.input_length :].mT)
        return patches


def _patching(input_length: int, patch_length: int | None, stride: int) -> Patching:
    """Cut what is left when the steps before the first patch are not seen."""
    patch_length = min(16, input_length) if patch_length is None else patch_length
    whole = Patching(input_length, patch_length, stride, pad_end=False)
    return Patching(patch_length + stride * (whole.n_patches - 1), patch_length, stride, pad_end=False)


def _start_small(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
