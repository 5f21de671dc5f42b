"""Mixers over the patches, the features and the channels of tokens, and a stack of them."""

from collections import OrderedDict
from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.blocks import by_samples
from darts_tsformers.layers.mixing.gate import build_gate
from darts_tsformers.layers.norm import build_norm
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention


class FeatureMixer(nn.Module):
    r"""Mix the features of each token: :math:`x + \mathrm{gate}(\mathrm{MLP}(\mathrm{norm}(x)))`."""

    def __init__(self, d_model: int, expansion_factor: int, *, gated: bool, norm: str, dropout: float) -> None:
        super().__init__()
        self.norm = build_norm(norm, d_model)
        self.mlp = build_mlp(d_model, expansion_factor, dropout)
        self.gate = build_gate(gated, d_model)

    def forward(self, x: Float[Tensor, "B C N D"]) -> Float[Tensor, "B C N D"]:
        """Mix."""
        mixed: Tensor = x + self.gate(self.mlp(self.norm(x)))
        return mixed


class PatchMixer(nn.Module):
    r"""Mix the patches of each channel, feature by feature.

    .. math::
        n &= \mathrm{norm}(x) \\
        m &= \mathrm{gate}(\mathrm{MLP}(n^\top))^\top \\
        y &= x + m \quad\text{or}\quad x + \mathrm{norm}(m + \mathrm{attention}(n))

    Parameters
    ----------
    n_patches, d_model
        Tokens of a channel (``N``) and their width (``D``).
    expansion_factor
        Inner width of the map, in multiples of ``N``.
    n_heads
        Heads of the attention between patches; None for no attention.
    gated
        Whether the mixture is gated. Its shares are recorded as ``"gates"``.
    norm
        ``"layer"`` or ``"batch"``.
    dropout
        In the map, and on what attention found.
    """

    def __init__(
        self,
        n_patches: int,
        d_model: int,
        expansion_factor: int,
        *,
        n_heads: int | None,
        gated: bool,
        norm: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.norm = build_norm(norm, d_model)
        self.mlp = build_mlp(n_patches, expansion_factor, dropout)
        self.gate = build_gate(gated, n_patches, "gates")
        self.attention = None
        if n_heads is not None:
            self.attention = MultiHeadAttention(d_model, n_heads, dropout=dropout, n_queries=n_patches)
            self.attention_norm = build_norm(norm, d_model)

    def forward(self, x: Float[Tensor, "B C N D"]) -> Float[Tensor, "B C N D"]:
        """Mix."""
        normed = self.norm(x).flatten(0, 1)
        mixed = self.gate(self.mlp(normed.mT.contiguous())).mT
        if self.attention is not None:
            attended, _ = self.attention(normed)
            mixed = self.attention_norm(mixed + attended)
        return x + mixed.reshape(x.shape)


class ChannelMixer(nn.Module):
    r"""Mix the channels, feature by feature and patch by patch: :math:`x + \mathrm{MLP}(\mathrm{gate}(n^\top))^\top`.

    ``n`` is the normalised ``x``. Here the gate comes first. Its shares are recorded as ``"variables"``.
    """

    def __init__(
        self, n_channels: int, d_model: int, expansion_factor: int, *, gated: bool, norm: str, dropout: float
    ) -> None:
        super().__init__()
        self.norm = build_norm(norm, d_model)
        self.gate = build_gate(gated, n_channels, "variables")
        self.mlp = build_mlp(n_channels, expansion_factor, dropout)

    def forward(self, x: Float[Tensor, "B C N D"]) -> Float[Tensor, "B C N D"]:
        """Mix."""
        channels_last = self.norm(x).movedim(1, -1).contiguous()
        return x + self.mlp(self.gate(channels_last)).movedim(-1, 1)


class Mixer(nn.Module, Recomputing):
    """A stack of layers, each of which mixes channels, if they are to be mixed, then patches, then features.

    Parameters
    ----------
    n_patches, d_model
        Tokens of a channel (``N``) and their width (``D``).
    expansion_factor
        Inner width of each map, in multiples of the axis that it mixes.
    n_layers
        Layers, at least 1.
    n_channels
        Channels to mix (``C``); None to leave them apart, whatever their number.
    n_heads
        Heads of the attention between patches; None for no attention.
    gated
        Whether mixtures are gated.
    norm
        ``"layer"`` or ``"batch"``.
    dropout
        In each map, and on what attention found.

    Raises
    ------
    ValueError
        If a size is below 1, ``n_heads`` does not divide ``d_model``, ``dropout`` is outside of [0, 1), or ``norm`` is
        not known.

    Notes
    -----
    Ekambaram et al., "TSMixer: Lightweight MLP-Mixer Model for Multivariate Time Series Forecasting", KDD 2023.
    Deviation: dropout acts on what attention found, not on its weights.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.mixer import Mixer
    >>> mixer = Mixer(n_patches=7, d_model=8, expansion_factor=2, n_layers=2)
    >>> mixer(torch.randn(3, 5, 7, 8)).shape  # (B, C, N, D)
    torch.Size([3, 5, 7, 8])
    """

    def __init__(
        self,
        n_patches: int,
        d_model: int,
        expansion_factor: int,
        *,
        n_layers: int,
        n_channels: int | None = None,
        n_heads: int | None = None,
        gated: bool = True,
        norm: str = "layer",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_at_least(1, n_patches=n_patches, d_model=d_model, expansion_factor=expansion_factor, n_layers=n_layers)
        require_probability(dropout=dropout)
        shared: dict[str, Any] = {"gated": gated, "norm": norm, "dropout": dropout}

        def layer() -> nn.Module:
            mixers = OrderedDict[str, nn.Module]()
            if n_channels is not None:
                mixers["channels"] = ChannelMixer(n_channels, d_model, expansion_factor, **shared)
            mixers["patches"] = PatchMixer(n_patches, d_model, expansion_factor, n_heads=n_heads, **shared)
            mixers["features"] = FeatureMixer(d_model, expansion_factor, **shared)
            return nn.Sequential(mixers)

        self.layers = nn.ModuleList(layer() for _ in range(n_layers))

    def forward(self, x: Float[Tensor, "B C N D"]) -> Float[Tensor, "B C N D"]:
        """Mix, in a forecast by :func:`~darts_tsformers.layers.blocks.by_samples`.

        In training batch norms need all samples together.
        """
        if any(module.training for module in self.modules()):
            return self._mixed(x)
        n_channels = x.shape[1]

        def mixed(tokens: Float[Tensor, "B K D"]) -> Float[Tensor, "B C N D"]:
            return self._mixed(rearrange(tokens, "B (C N) D -> B C N D", C=n_channels))

        return by_samples(mixed, x.flatten(1, 2))

    def _mixed(self, x: Float[Tensor, "B C N D"]) -> Float[Tensor, "B C N D"]:
        for layer in self.layers:
            x = self.run(layer, x)
        return x


def build_mlp(n_entries: int, expansion_factor: int, dropout: float) -> FeedForward:
    """Build a map along an axis: linear, GELU, dropout, linear, dropout."""
    return FeedForward(n_entries, expansion_factor * n_entries, dropout=dropout, activation="gelu")
