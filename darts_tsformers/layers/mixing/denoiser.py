"""A guess of the noise in a series: perceptrons over the steps of patches, and over patches."""

from collections import OrderedDict
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_probability
from darts_tsformers.layers.diffusion_step import build_step_map, step_embedding
from darts_tsformers.layers.mixing.mixer import FeatureMixer, PatchMixer
from darts_tsformers.layers.recomputing import Recomputing


class PatchDenoiser(nn.Module, Recomputing):
    r"""Guess the noise in each step of a series, patch by patch.

    .. math::

        h_0 &= W_x x + W_t\, e_t + W_f f \\
        h_i &= \mathrm{block}_i(W_i [h_{i-1}; h_{n-i}]) \quad\text{in the second half}, \qquad
        h_i = \mathrm{block}_i(h_{i-1}) \quad\text{in the first} \\
        \hat\epsilon &= W_o\, \mathrm{LN}(h_n)

    A block is a residual perceptron over the patches, feature by feature, and one over the features of each patch. A
    single patch has none of the first kind: then this is a plain perceptron of the whole series. The second half of the
    blocks, from the last on, also sees what the first half saw, from the first on.

    Parameters
    ----------
    length
        Steps of a series; zeros go before them to fill the first patch.
    patch_length
        Steps of a patch, at most all.
    d_model
        Width of a patch.
    d_step
        Width of the sinusoidal embedding of how far the diffusion is, an even number.
    expansion_factor
        Inner width of each perceptron, in multiples of the axis that it mixes.
    n_layers
        Blocks (``n``).
    n_features
        Features ``f`` of each step, which add nothing at the start.
    dropout
        In each perceptron.

    Raises
    ------
    ValueError
        If a size is below its least, odd where it must be even, or the patch is longer than the series.

    Notes
    -----
    Yang et al., "Generative Pre-Trained Diffusion Paradigm for Zero-Shot Time Series Forecasting", 2024, have
    perceptrons with skips. How they are put together is our reading: their code is not public.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.mixing.denoiser import PatchDenoiser
    >>> denoiser = PatchDenoiser(13, patch_length=4, d_model=8, d_step=16, expansion_factor=2, n_layers=2)
    >>> denoiser(torch.randn(2, 13), torch.tensor([0, 7])).shape
    torch.Size([2, 13])
    """

    def __init__(
        self,
        length: int,
        *,
        patch_length: int,
        d_model: int,
        d_step: int,
        expansion_factor: int,
        n_layers: int,
        n_features: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_at_least(
            1, patch_length=patch_length, d_model=d_model, expansion_factor=expansion_factor, n_layers=n_layers
        )
        require_probability(dropout=dropout)
        if patch_length > length:
            raise ValueError(f"patch_length={patch_length} must be at most {length}, the steps of a series")
        self.length, self.patch_length, self.d_step = length, patch_length, d_step
        n_patches = -(-length // patch_length)
        self.project_in = nn.Linear(patch_length, d_model)
        self.project_step = build_step_map(d_step, d_model)
        self.features = nn.Linear(patch_length * n_features, d_model, bias=False) if n_features else None
        if self.features is not None:
            nn.init.zeros_(self.features.weight)
        shared: dict[str, Any] = {"gated": False, "norm": "layer", "dropout": dropout}

        def block() -> nn.Module:
            mixers = OrderedDict[str, nn.Module]()
            if n_patches > 1:
                mixers["patches"] = PatchMixer(n_patches, d_model, expansion_factor, n_heads=None, **shared)
            mixers["features"] = FeatureMixer(d_model, expansion_factor, **shared)
            return nn.Sequential(mixers)

        self.blocks = nn.ModuleList(block() for _ in range(n_layers))
        self.joins = nn.ModuleList(nn.Linear(2 * d_model, d_model) for _ in range(n_layers // 2))
        self.norm = nn.LayerNorm(d_model)
        self.project_out = nn.Linear(d_model, patch_length)

    def forward(
        self, x: Float[Tensor, "B L"], t: Int[Tensor, " B"], features: Float[Tensor, "B L F"] | None = None
    ) -> Float[Tensor, "B L"]:
        """Return the guess at a step of each series."""
        hidden = self.project_in(self._patches(x[..., None]))
        hidden = hidden + self.project_step(step_embedding(t, self.d_step).to(x.dtype))[:, None]
        if self.features is not None and features is not None:
            hidden = hidden + self.features(self._patches(features))
        hidden, seen = hidden[:, None], []
        first_to_join = len(self.blocks) - len(self.joins)
        for i, block in enumerate(self.blocks):
            if i < len(self.joins):
                seen.append(hidden)
            if i >= first_to_join:
                hidden = self.joins[i - first_to_join](torch.cat([hidden, seen.pop()], dim=-1))
            hidden = self.run(block, hidden)
        guess: Tensor = self.project_out(self.norm(hidden)).flatten(1)
        return guess[:, -self.length :]

    def _patches(self, x: Float[Tensor, "B L F"]) -> Float[Tensor, "B N pF"]:
        padded = F.pad(x, (0, 0, -self.length % self.patch_length, 0))
        return rearrange(padded, "B (N p) F -> B N (p F)", p=self.patch_length)
