"""The stages of GPHT, coarse to fine: each forecasts the next patch of what those before it have left."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.encoder import EncoderLayer
from darts_tsformers.layers.transformer.position import require_even, sinusoids


class Stage(nn.Module, Recomputing):
    r"""Causal transformer over patches of a series whose steps were pooled.

    .. math:: o_j = W_o\, T(W_e\, \mathrm{pool}_r(x)_{\text{patch } j} + \mathrm{pos}_j)_j + b

    ``T`` are post-norm encoder layers, in which a patch attends to those up to it, and a norm. ``o_j``, at the full
    rate, is the forecast of patch ``j + 1``.

    Parameters
    ----------
    pool_size
        Steps that the maximum is taken of (``r``).
    patch_length
        Steps of a patch, before pooling.
    n_parameters
        Parameters for each step.
    d_model, n_heads, n_layers, d_ff, dropout, activation
        As for :class:`~darts_tsformers.layers.transformer.encoder.Encoder`.
    """

    def __init__(
        self,
        pool_size: int,
        patch_length: int,
        *,
        n_parameters: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        d_ff: int,
        dropout: float,
        activation: str,
    ) -> None:
        super().__init__()
        require_even(d_model)
        self.pool_size = pool_size
        self.patch_length = patch_length
        self.n_parameters = n_parameters
        self.embedding = nn.Linear(patch_length // pool_size, d_model, bias=False)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(
                d_model,
                n_heads,
                d_ff,
                dropout=dropout,
                activation=activation,
                norm="layer",
                attention="full",
                row_by_row=True,
            )
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.head = nn.Linear(d_model, patch_length * n_parameters)

    def forward(self, x: Float[Tensor, "R T"]) -> Float[Tensor, "R T Q"]:
        """Forecast from each patch the next one."""
        pooled = F.max_pool1d(x.unsqueeze(1), self.pool_size).squeeze(1)
        patches = rearrange(pooled, "R (N p) -> R N p", p=self.patch_length // self.pool_size)
        values = self.embedding(patches)
        tokens = self.dropout(values + sinusoids(patches.shape[1], like=values))
        for layer in self.layers:
            tokens, _ = self.run(layer, tokens)
        return rearrange(self.head(self.norm(tokens)), "R N (p Q) -> R (N p) Q", Q=self.n_parameters)


class Hierarchy(nn.Module):
    """Stages one after the other, each on what the forecasts of those before it leave of the series.

    Parameters
    ----------
    pool_sizes
        Of each stage.
    patch_length, n_parameters, d_model, n_heads, n_layers, d_ff, dropout, activation
        As for :class:`Stage`.
    level
        Which parameter of a forecast is taken off the series.

    Notes
    -----
    Parameters of several stages are added up before a likelihood maps them.
    """

    def __init__(
        self,
        pool_sizes: Sequence[int],
        patch_length: int,
        *,
        level: int,
        n_parameters: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        d_ff: int,
        dropout: float,
        activation: str,
    ) -> None:
        super().__init__()
        self.patch_length = patch_length
        self.level = level
        self.stages = nn.ModuleList(
            Stage(
                pool_size,
                patch_length,
                n_parameters=n_parameters,
                d_model=d_model,
                n_heads=n_heads,
                n_layers=n_layers,
                d_ff=d_ff,
                dropout=dropout,
                activation=activation,
            )
            for pool_size in pool_sizes
        )

    def forward(self, x: Float[Tensor, "R T"]) -> Float[Tensor, "S R T Q"]:
        """Return what no stage, the first one, the first two, ... forecast from each patch of the next one."""
        sums: list[Tensor] = []
        for stage in self.stages:
            out = stage(x)
            sums += [out if not sums else sums[-1] + out]
            x = x - F.pad(out[:, : -self.patch_length, self.level], (self.patch_length, 0))
        return torch.stack([torch.zeros_like(sums[0]), *sums])
