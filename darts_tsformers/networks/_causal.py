"""The body of causal forecasters: a token for each patch, layers that carry a state, a forecast from the last token."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.networks._streaming import StreamingNetwork
from darts_tsformers.recording.layout import TimeAxis
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import FutureResponse, zero_linear


class CausalLayer(Protocol):
    """A layer that reads tokens at once or one by one; those that a mask says are not there leave no trace."""

    def begin(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Any]:
        """Map the tokens, and keep what is needed to go on."""

    def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Map one more token."""


class CausalState(NamedTuple):
    """All that a causal body keeps of a series.

    Attributes
    ----------
    rows
        The rows of the next patch that are there already.
    phases
        States of the layers for each way to cut the series into patches, that of the next row first.
    last
        The last token of each series.
    """

    rows: Tensor
    phases: tuple[list[Any], ...]
    last: Tensor


class CausalBody(nn.Module, Recomputing):
    """Patches to tokens to forecast, where a token sees those up to it.

    The look-back is cut into patches that end with its last row; what the first one lacks is zero. The last token gives
    the whole horizon by a linear map. There are no positions: a longer history is more of the same.

    To go on row by row, there is a state for each of the ``patch_length`` ways to cut the series: a row completes a
    patch of one of them, whose state takes it in. Each row costs one token.

    Covariates: those known of the rows add to the tokens by a linear map of their patch, as static covariates do; the
    horizon responds to future covariates by :class:`~darts_tsformers.window.covariates.FutureResponse`. All start at
    zero.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    embedding
        Builds the layer that makes tokens, given how many values of the target one holds.
    layers
        The layers behind it. These and the embedding are of the kind of :class:`CausalLayer`.
    d_model
        Width of a token.
    patch_length
        Steps of a patch.
    channel_independent
        Whether each component is a series of its own; else a token holds all of them.
    dropout
        On the tokens.
    final_norm
        What normalises the last token, if the layers do not.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.
    """

    def __init__(
        self,
        sizes: Sizes,
        embedding: Callable[[int], nn.Module],
        layers: Iterable[nn.Module],
        *,
        d_model: int,
        patch_length: int,
        channel_independent: bool,
        dropout: float,
        final_norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        require_flag(channel_independent=channel_independent)
        require_probability(dropout=dropout)
        self.sizes = sizes
        self.patch_length = patch_length
        self.channel_independent = channel_independent
        n_values = 1 if channel_independent else sizes.n_targets
        n_known = sizes.n_past + sizes.n_future
        n_static = sizes.n_static * (1 if channel_independent else sizes.n_static_rows)
        self.embedding = embedding(patch_length * n_values)
        self.known = zero_linear(patch_length * n_known, d_model) if n_known else None
        self.static = zero_linear(n_static, d_model) if n_static else None
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(layers)
        self.final_norm = final_norm
        n_out = n_values * sizes.n_parameters
        self.head = nn.Linear(d_model, sizes.output_length * n_out)
        self.future = FutureResponse(d_model, sizes.n_future, n_out) if sizes.n_future else None

    def axis(self) -> TimeAxis:
        """Return the span of each patch of the look-back."""
        p, length = self.patch_length, self.sizes.input_length
        last = range(p * (1 - n_patches(length, p)), 1, p)
        return TimeAxis(tuple(max(end - p, -length) + 1 for end in last), tuple(last))

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast in one pass."""
        rows = self._rows(window)
        rows = F.pad(rows, (0, 0, -rows.shape[1] % self.patch_length, 0))
        mask = None if window.start is None else self._mask(rows)
        x = self._tokens(self.run(self.embedding, self._values(rows), mask), rows, window.static)
        for layer in self.layers:
            x = self.run(layer, x, mask)
        return self._forecast(_last(x, rows), window.future)

    def begin(self, window: Window) -> CausalState:
        """Read a look-back, cut in each way."""
        rows, p = self._rows(window), self.patch_length
        length = n_patches(rows.shape[1], p) * p
        padded = F.pad(rows, (0, 0, length + p - 1 - rows.shape[1], 0))
        phases = []
        for first in range(p):  # the last way ends with the last row
            cut = padded[:, first : first + length]
            mask = self._mask(cut)
            x, kept = cast(CausalLayer, self.embedding).begin(self._values(cut), mask)
            x, states = self._tokens(x, cut, window.static), [kept]
            for layer in cast(Sequence[CausalLayer], self.layers):
                x, kept = layer.begin(x, mask)
                states.append(kept)
            phases.append(states)
        return CausalState(padded[:, length:], tuple(phases), _last(x, rows))

    def advance(self, state: CausalState, row: Window) -> CausalState:
        """Take in one row: it completes a patch of one way to cut the series."""
        rows = torch.cat([state.rows, self._rows(row)], dim=1)
        turn, *others = state.phases
        x, kept = cast(CausalLayer, self.embedding).advance(self._values(rows), turn[0])
        x, states = self._tokens(x, rows, row.static), [kept]
        for layer, kept in zip(cast(Sequence[CausalLayer], self.layers), turn[1:], strict=True):
            x, kept = layer.advance(x, kept)
            states.append(kept)
        return CausalState(rows[:, 1:], (*others, states), _last(x, rows))

    def ahead(self, state: CausalState, future: Float[Tensor, "B H F"] | None) -> Float[Tensor, "B H C Q"]:
        """Forecast from what was seen so far."""
        return self._forecast(state.last, future)

    def _forecast(
        self, last: Float[Tensor, "B G D"], future: Float[Tensor, "B H F"] | None
    ) -> Float[Tensor, "B H C Q"]:
        if self.final_norm is not None:
            last = self.final_norm(last)
        out = rearrange(self.head(last), "B G (H n) -> B G H n", H=self.sizes.output_length)
        if self.future is not None and future is not None:
            out = out + self.future(future, last)
        return rearrange(out, "B G H (c Q) -> B H (G c) Q", Q=self.sizes.n_parameters)

    def _rows(self, window: Window) -> Float[Tensor, "B L n"]:
        """Put side by side what a row holds: values, what is known, and that it is there; zeros where it is not."""
        target = window.target
        parts = [target, window.past, window.historic_future, torch.ones_like(target[..., :1])]
        rows = torch.cat([part for part in parts if part is not None], dim=-1)
        if window.start is None:
            return rows
        steps = torch.arange(target.shape[1], device=target.device)
        return rows.masked_fill((steps < window.start[:, None])[..., None], 0)

    def _values(self, rows: Float[Tensor, "B K n"]) -> Float[Tensor, "R N v"]:
        target = rows[..., : rows.shape[-1] - 1 - self.sizes.n_past - self.sizes.n_future]
        if self.channel_independent:
            return rearrange(target, "B (N p) C -> (B C) N p", p=self.patch_length)
        return rearrange(target, "B (N p) C -> B N (p C)", p=self.patch_length)

    def _mask(self, rows: Float[Tensor, "B K n"]) -> Bool[Tensor, "R N"]:
        """Say which patches there are: those with any row."""
        n_series = rows.shape[-1] - 1 - self.sizes.n_past - self.sizes.n_future if self.channel_independent else 1
        there = rearrange(rows[..., -1] > 0, "B (N p) -> B N p", p=self.patch_length).any(-1)
        return there.repeat_interleave(n_series, dim=0)

    def _tokens(
        self, x: Float[Tensor, "R N D"], rows: Float[Tensor, "B K n"], static: Float[Tensor, "B V S"] | None
    ) -> Float[Tensor, "R N D"]:
        """Add what is known to the embedded values."""
        tokens = rearrange(x, "(B G) N D -> B G N D", B=rows.shape[0])
        if self.known is not None:
            known = rows[..., -1 - self.sizes.n_past - self.sizes.n_future : -1]
            known = rearrange(known, "B (N p) K -> B 1 N (p K)", p=self.patch_length)
            tokens = tokens + self.known(known)
        if self.static is not None and static is not None:
            static = static if self.channel_independent else static.flatten(1)[:, None]
            tokens = tokens + self.static(static)[:, :, None]
        return self.dropout(tokens.flatten(0, 1))


def _last(x: Float[Tensor, "R N D"], rows: Float[Tensor, "B K n"]) -> Float[Tensor, "B G D"]:
    return rearrange(x[:, -1], "(B G) D -> B G D", B=rows.shape[0])


class CausalNetwork(StreamingNetwork[CausalState]):
    """What a network around a :class:`CausalBody` does, which is what that does.

    Attributes
    ----------
    body
        The whole network.
    """

    body: CausalBody

    @property
    def width_tie(self) -> str | None:
        """Nothing, unless a token holds the values of all components."""
        return None if self.body.channel_independent else "channel_independent"

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        out: Tensor = self.body(window)
        return out

    def begin(self, window: Window) -> CausalState:
        """Read a look-back."""
        return self.body.begin(window)

    def advance(self, state: CausalState, row: Window) -> CausalState:
        """Take in one row."""
        return self.body.advance(state, row)

    def ahead(
        self,
        state: CausalState,
        future: Float[Tensor, "B H F"] | None,
        static: Float[Tensor, "B V S"] | None,  # noqa: ARG002
    ) -> Float[Tensor, "B H C Q"]:
        """Forecast from what was seen so far; static covariates came with the rows."""
        return self.body.ahead(state, future)


def n_patches(length: int, patch_length: int) -> int:
    """Return the number of patches of a look-back."""
    return -(-length // patch_length)


def chosen_patch_length(patch_length: int | None, default: int, sizes: Sizes) -> int:
    """Return the length asked for, or the default one, or the whole look-back where that is less.

    Raises
    ------
    ValueError
        If it is below 1 or beyond the look-back.
    """
    if patch_length is None:
        return min(default, sizes.input_length)
    require_at_least(1, patch_length=patch_length)
    if patch_length > sizes.input_length:
        raise ValueError(f"patch_length={patch_length} must be at most input_chunk_length={sizes.input_length}")
    return patch_length
