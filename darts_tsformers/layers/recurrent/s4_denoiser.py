"""A guess of the noise in a series: gated blocks of state spaces, told how much noise there is."""

from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Complex, Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.diffusion_step import build_step_map, step_embedding
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.recurrent.s4 import BidirectionalS4


class Known(NamedTuple):
    """What a block answers with whatever the noise: computed once for all steps of a sampler.

    Attributes
    ----------
    response
        Of its state spaces.
    added
        What the features of each step add; None without features.
    """

    response: Complex[Tensor, "D F"]
    added: Float[Tensor, "B L D"] | None


class GatedS4Block(nn.Module):
    r"""A block that hands on one part of what it finds, and shows the other.

    .. math::

        u = x + W_t\, e_t, \quad o = u + \mathrm{S4}(\mathrm{LN}(u)) + W_f f, \quad g = \tanh(o) \odot \sigma(o), \quad
        x \leftarrow x + W_1 g, \quad \mathrm{shown} = W_2 g

    Parameters
    ----------
    d_model, d_state, length, dropout
        See :class:`~darts_tsformers.layers.recurrent.s4.BidirectionalS4`.
    n_features
        Features ``f`` of each step, which add nothing at the start.
    hands_on
        Whether a block follows.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int,
        length: int,
        *,
        n_features: int = 0,
        hands_on: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.of_step = nn.Linear(d_model, d_model)
        self.norm = nn.LayerNorm(d_model)
        self.mixer = BidirectionalS4(d_model, d_state, length, dropout=dropout)
        self.features = nn.Linear(n_features, d_model) if n_features else None
        if self.features is not None:
            nn.init.zeros_(self.features.weight)
            nn.init.zeros_(self.features.bias)
        self.onward = nn.Linear(d_model, d_model) if hands_on else None
        self.shown = nn.Linear(d_model, d_model)

    def known(self, features: Float[Tensor, "B L F"] | None) -> Known:
        """Return what can be computed before the noise is seen."""
        added = None if self.features is None or features is None else self.features(features)
        return Known(self.mixer.response(), added)

    def forward(
        self, x: Float[Tensor, "B L D"], step: Float[Tensor, "B D"], known: Known
    ) -> tuple[Float[Tensor, "B L D"], Float[Tensor, "B L D"]]:
        """Return what the next block sees, and what is shown of it."""
        moved = x + self.of_step(step)[:, None]
        out = moved + self.mixer(self.norm(moved), known.response)
        if known.added is not None:
            out = out + known.added
        gated = out.tanh() * out.sigmoid()
        return x if self.onward is None else x + self.onward(gated), self.shown(gated)


class S4Denoiser(nn.Module, Recomputing):
    r"""Guess the noise in each channel of each step of a series.

    .. math:: \hat\epsilon = W_4\, \mathrm{relu}\left(W_3 \sum_i \mathrm{shown}_i + b_3\right) + b_4

    Parameters
    ----------
    n_in, n_out
        Channels that are seen, and those whose noise is guessed: the first ones.
    length
        Steps of a series.
    d_model
        Width of a step.
    d_step
        Width of the sinusoidal embedding of how far the diffusion is, an even number.
    d_state, n_layers, n_features, dropout
        Those of the blocks: see :class:`GatedS4Block`.
    skips
        Whether the channels add to the guess.

    Raises
    ------
    ValueError
        If a size is below its least or odd where it must be even.

    Notes
    -----
    Kollovieh et al., "Predict, Refine, Synthesize: Self-Guiding Diffusion Models for Probabilistic Time Series
    Forecasting", NeurIPS 2023. The last block hands nothing on, where theirs has weights for it that nothing reads.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.s4_denoiser import S4Denoiser
    >>> denoiser = S4Denoiser(3, 3, length=13, d_model=8, d_step=16, d_state=4, n_layers=2)
    >>> denoiser(torch.randn(2, 13, 3), torch.tensor([0, 7])).shape
    torch.Size([2, 13, 3])
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        length: int,
        *,
        d_model: int,
        d_step: int,
        d_state: int,
        n_layers: int,
        n_features: int = 0,
        skips: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_layers=n_layers)
        self.d_step, self.n_out, self.skips = d_step, n_out, skips
        self.project_in = nn.Linear(n_in, d_model)
        self.project_step = build_step_map(d_step, d_model)
        self.blocks = nn.ModuleList(
            GatedS4Block(d_model, d_state, length, n_features=n_features, hands_on=i < n_layers - 1, dropout=dropout)
            for i in range(n_layers)
        )
        self.project_out = nn.Sequential(nn.Linear(d_model, d_model), nn.ReLU(), nn.Linear(d_model, n_out))

    def known(self, features: Float[Tensor, "B L F"] | None = None) -> list[Known]:
        """Return what can be computed before the noise is seen: for all steps of a sampler."""
        return [cast(GatedS4Block, block).known(features) for block in self.blocks]

    def forward(
        self, x: Float[Tensor, "B L i"], t: Int[Tensor, " B"], known: list[Known] | None = None
    ) -> Float[Tensor, "B L o"]:
        """Return the guess at a step of each series; ``known`` is :meth:`known`, by default without features."""
        step = self.project_step(step_embedding(t, self.d_step).to(x.dtype))
        hidden, total = F.relu(self.project_in(x)), torch.zeros((), dtype=x.dtype, device=x.device)
        for block, of_block in zip(self.blocks, self.known() if known is None else known, strict=True):
            hidden, shown = self.run(block, hidden, step, of_block)
            total = total + shown
        guess: Tensor = self.project_out(total)
        return guess + x[..., : self.n_out] if self.skips else guess
