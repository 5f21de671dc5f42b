"""Layers that mix patches by Mamba over time, then over variates, with weighted skips from all layers before."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.recurrent.bidirectional import BidirectionalMamba, in_rows_of_one
from darts_tsformers.layers.recurrent.mamba import MambaBlock
from darts_tsformers.recording import is_recording, record


class WeightedSkips(nn.Module):
    """A weighted sum of what the mixers before have put out, and of what went into the first.

    The weights are learned and free; they start alike, with a sum of 1.
    """

    def __init__(self, n_times: int, n_variates: int) -> None:
        super().__init__()
        alike = 1 / (n_times + n_variates)
        self.times = nn.Parameter(torch.full((n_times,), alike))
        self.variates = nn.Parameter(torch.full((n_variates,), alike))

    def forward(
        self, times: Sequence[Float[Tensor, "B M N D"]], variates: Sequence[Float[Tensor, "B M N D"]]
    ) -> Float[Tensor, "B M N D"]:
        """Sum up the outputs of the mixers over time and over variates."""
        if is_recording("skips"):
            both = nn.utils.rnn.pad_sequence([self.times, self.variates], batch_first=True)
            record("skips", self, weights=both.expand(len(times[0]), -1, -1))
        weights = torch.cat([self.times, self.variates]).unbind()
        total: Tensor = sum(weight * x for weight, x in zip(weights, [*times, *variates], strict=True))  # type: ignore[assignment]
        return total


class TimeMixer(nn.Module):
    """A Mamba block over the patches of each variate, each with earlier ones alone.

    Parameters
    ----------
    block
        The block.
    n_recorded
        The first patches of a variate, of which attention and steps are recorded.
    """

    n_heads: ClassVar[int] = 1
    exact_weights: ClassVar[bool] = False

    def __init__(self, block: MambaBlock, n_recorded: int) -> None:
        super().__init__()
        self.block = block
        self.n_recorded = n_recorded

    def forward(self, x: Float[Tensor, "B M N D"], n_targets: int) -> Float[Tensor, "B M N D"]:
        """Mix the patches; what is recorded is of the first ``n_targets`` variates."""
        if is_recording():
            shown = x[:, :n_targets, : self.n_recorded].flatten(0, 1)
            if is_recording("attention"):
                record("attention", self, weights=in_rows_of_one(self.block.attention_size(shown))[:, None])
            if is_recording("steps"):
                record("steps", self, length=self.block.step_lengths(shown))
        return self.block(x.flatten(0, 1)).view(x.shape)


class MambaMixerLayer(nn.Module):
    """A mixer over time and one over variates, each behind its weighted skips and a layer norm.

    Parameters
    ----------
    depth
        Layers before.
    d_model, d_state, d_conv, expand
        As in :class:`~darts_tsformers.layers.recurrent.mamba.MambaBlock`.
    dropout
        Of what the mixers put out.
    residual
        Whether a mixer adds to what went into it, besides the skips.
    n_recorded
        As in :class:`TimeMixer`.
    """

    def __init__(
        self,
        depth: int,
        *,
        d_model: int,
        d_state: int,
        d_conv: int,
        expand: int,
        dropout: float,
        residual: bool,
        n_recorded: int,
    ) -> None:
        super().__init__()
        self.residual = residual
        self.into_time = WeightedSkips(depth + 1, depth + 1)
        self.time_norm = nn.LayerNorm(d_model)
        self.time_mixer = TimeMixer(MambaBlock(d_model, d_state, d_conv, expand), n_recorded)
        self.into_variates = WeightedSkips(depth + 2, depth + 1)
        self.variate_norm = nn.LayerNorm(d_model)
        self.variate_mixer = BidirectionalMamba(d_model, d_state, d_conv, expand)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        times: Sequence[Float[Tensor, "B M N D"]],
        variates: Sequence[Float[Tensor, "B M N D"]],
        n_targets: int,
        order: Int[Tensor, "B M"] | None,
    ) -> tuple[Float[Tensor, "B M N D"], Float[Tensor, "B M N D"]]:
        """Return what the two mixers put out, given what those before have."""
        x = self.into_time(times, variates)
        time = self._added(x, self.time_mixer(self.time_norm(x), n_targets))
        x = self.into_variates([*times, time], variates)
        return time, self._added(x, self._over_variates(self.variate_norm(x), order))

    def _over_variates(self, x: Float[Tensor, "B M N D"], order: Int[Tensor, "B M"] | None) -> Float[Tensor, "B M N D"]:
        n_patches = x.shape[2]
        order = None if order is None else order.repeat_interleave(n_patches, dim=0)
        mixed = self.variate_mixer(rearrange(x, "B M N D -> (B N) M D"), order, n_patches)
        return rearrange(mixed, "(B N) M D -> B M N D", N=n_patches)

    def _added(self, x: Float[Tensor, "B M N D"], mixed: Float[Tensor, "B M N D"]) -> Float[Tensor, "B M N D"]:
        mixed = self.dropout(mixed)
        return x + mixed if self.residual else mixed


class MambaMixerStack(nn.Module, Recomputing):
    r"""A stack of :class:`MambaMixerLayer`.

    .. math::
        y_T^{(l)} &= \mathrm{Mamba}_T\left(\sum_{i<l} \alpha_{l,i}\, y_T^{(i)} + \beta_{l,i}\, y_C^{(i)}\right) \\
        y_C^{(l)} &= \mathrm{Mamba}_C\left(\sum_{i \le l} \theta_{l,i}\, y_T^{(i)}
            + \sum_{i<l} \gamma_{l,i}\, y_C^{(i)}\right)

    Parameters
    ----------
    d_model
        Width of a token.
    n_layers
        Layers, at least 1.
    d_state, d_conv, expand, dropout, residual, n_recorded
        As in :class:`MambaMixerLayer`.

    Raises
    ------
    ValueError
        If a size is below 1, ``dropout`` is outside of [0, 1), or ``residual`` is no flag.
    """

    def __init__(
        self,
        d_model: int,
        *,
        n_layers: int,
        n_recorded: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        dropout: float = 0.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_encoder_layers=n_layers)
        require_probability(dropout=dropout)
        require_flag(residual=residual)
        self.layers = nn.ModuleList(
            MambaMixerLayer(
                depth,
                d_model=d_model,
                d_state=d_state,
                d_conv=d_conv,
                expand=expand,
                dropout=dropout,
                residual=residual,
                n_recorded=n_recorded,
            )
            for depth in range(n_layers)
        )

    def forward(
        self, x: Float[Tensor, "B M N D"], n_targets: int, order: Int[Tensor, "B M"] | None = None
    ) -> Float[Tensor, "B M N D"]:
        """Mix the patches of all variates; ``order`` is that in which the variates are met, by default as they come."""
        times, variates = [x], [x]
        for layer in self.layers:
            time, variate = self.run(layer, times, variates, n_targets, order)
            times, variates = [*times, time], [*variates, variate]
        return variates[-1]
