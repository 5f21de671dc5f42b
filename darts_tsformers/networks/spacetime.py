"""SpaceTime: companion state-space models over differences and averages, and a decoder that feeds itself."""

from collections.abc import Iterable
from typing import NamedTuple, cast

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import (
    require_at_least,
    require_flag,
    require_not_negative,
    require_one_of,
    require_probability,
)
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.recurrent.differencing import Differencing
from darts_tsformers.layers.recurrent.spacetime import (
    BlockState,
    DecoderState,
    Repeat,
    SpaceTimeBlock,
    SpaceTimeDecoder,
    masked,
)
from darts_tsformers.networks._lessons import Lesson, Training
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._streaming import StreamingNetwork
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Layout
from darts_tsformers.recurrence import CompanionSSM, companion_kernel
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, zero_linear

EMBEDDINGS = ("repeat", "linear")
N_FILTERS = 8
"""Fixed kernels of a group of channels: differences of order 0 to 3, and four moving averages."""
MIN_WINDOW, MAX_WINDOW = 4, 63
LEAST = 1e-5
"""A sum of squares that a share may be of."""


class SpaceTimeState(NamedTuple):
    """All that the network keeps of a series.

    Attributes
    ----------
    blocks
        States of the blocks.
    decoder
        State of the decoder.
    n_series
        Series that each sample is made of.
    """

    blocks: tuple[BlockState, ...]
    decoder: DecoderState
    n_series: int


class SpaceTime(StreamingNetwork[SpaceTimeState], Network, Recomputing, name="spacetime"):
    r"""State-space models in companion form, which hold any autoregressive process, and a decoder that feeds itself.

    .. math::

        x_t = A x_{t-1} + b\, u_{t-1}, \qquad \hat y_t = W\, \mathrm{gelu}(c^\top x_t) + w, \qquad
        \hat u_t = k^\top x_t

    The series is laid out over all channels; fixed kernels take differences of some and subtract moving averages from
    others; companion models and a linear map mix what they leave. In the decoder the model forecasts its own next
    input, which is fed back over the horizon, so that the whole forecast is one closed form in the last state:
    :math:`c^\top (A + b k^\top)^h x`. No parameter depends on the look-back or on the horizon.

    In training there are three lessons: the forecast; that of each step of the look-back from those before it
    (``open_loop``); and how much :math:`\hat u_t` missed of the true input of the decoder (``next_input``, a penalty:
    the sum of squares, as a share of that of the inputs, window by window). The last two begin with step ``d_state``,
    or in the middle of a look-back of less than twice that.

    Covariates, which the paper has no place for: what is known of step t, its future covariates and static covariates,
    adds to the input that leads to the state :math:`x_t`, in the look-back as in the horizon, where the closed loop
    goes on from it. Past covariates add to the embedded series. All through linear maps that start at zero. Where the
    horizon is apart from the look-back, the steps between have the covariates of its first one.

    Cost: O(C D L log L), and O(C D H log H) for the horizon; O(C D (D + n)) for each further row.

    Parameters
    ----------
    d_model
        Channels (``D``); a multiple of 8.
    d_state
        Size ``n`` of the state of each companion model, and so the order of the autoregressive processes that it holds.
    n_encoder_layers
        Blocks before the decoder; the first one has the fixed kernels.
    n_kernels
        Companion models of the first block, shared by neighbouring channels. None for one for each group of 8, which
        the fixed kernels differ within.
    max_window
        Longest moving average, at least 4 steps. None for 63, or the look-back where that is less.
    embedding
        ``"repeat"`` lays out the values as they are; ``"linear"`` maps them.
    dropout
        In the blocks, and on what the forecast is read from.
    norm_order
        Order of the norm that the vectors are divided by, see :class:`~darts_tsformers.recurrence.CompanionSSM`. With
        another than 1, models may grow with each step.
    open_loop_weight, next_input_weight
        Shares of the two further lessons in the loss, where the forecast has 1. With 0 a lesson is left out.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Zhang et al., "Effectively Modeling Time Series with Simple Discrete State Spaces", ICLR 2023.

    Deviations: components are forecast one by one, by the same weights, unless ``channel_independent=False`` (the
    paper's figures are of single series); the two lessons on the series use the loss or likelihood of the user, and the
    penalty is a share, where the authors take the root mean square of each; moving averages are no longer than the
    look-back; ``b`` and ``c`` of blocks after the first begin smaller, so that the channels keep their size; and the
    decoder has one set of vectors, see :class:`~darts_tsformers.recurrence.CompanionSSM`.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import SpaceTime
    >>> network = SpaceTime(Sizes(input_length=48, output_length=6), d_model=16, d_state=8).eval()
    >>> series = torch.randn(2, 48, 3)  # (B, L, C): any number of components
    >>> network(Window(series)).shape
    torch.Size([2, 6, 3, 1])
    >>> network(Window(series[:, 40:])).shape  # and any look-back
    torch.Size([2, 6, 3, 1])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        channel_independent: bool = True,
        d_model: int = 64,
        d_state: int = 64,
        n_encoder_layers: int = 1,
        n_kernels: int | None = None,
        max_window: int | None = None,
        embedding: str = "repeat",
        dropout: float = 0.25,
        norm_order: int = 1,
        open_loop_weight: float | int = 1.0,
        next_input_weight: float | int = 1.0,
    ) -> None:
        super().__init__(sizes)
        require_flag(channel_independent=channel_independent)
        require_one_of(EMBEDDINGS, embedding=embedding)
        require_at_least(1, d_model=d_model, n_encoder_layers=n_encoder_layers)
        require_probability(dropout=dropout)
        require_not_negative(open_loop_weight=open_loop_weight, next_input_weight=next_input_weight)
        if d_model % N_FILTERS:
            raise ValueError(f"d_model={d_model} must be a multiple of {N_FILTERS}")
        if max_window is None:
            max_window = min(MAX_WINDOW, max(MIN_WINDOW, sizes.input_length))
        n_kernels = d_model // N_FILTERS if n_kernels is None else n_kernels
        self.channel_independent = channel_independent
        self.open_loop_weight, self.next_input_weight = open_loop_weight, next_input_weight
        n_values = 1 if channel_independent else sizes.n_targets
        n_static = sizes.n_static * (1 if channel_independent else sizes.n_static_rows)
        self.embedding = Repeat(n_values, d_model) if embedding == "repeat" else nn.Linear(n_values, d_model)
        self.past = zero_linear(sizes.n_past, d_model) if sizes.n_past else None
        self.future = zero_linear(sizes.n_future, d_model) if sizes.n_future else None
        self.static = zero_linear(n_static, d_model) if n_static else None
        filters = Differencing(d_model, N_FILTERS, min_window=MIN_WINDOW, max_window=max_window)
        first = SpaceTimeBlock(
            CompanionSSM(d_model, d_state, n_kernels, norm_order=norm_order), filters, dropout=dropout
        )
        others = (
            SpaceTimeBlock(softened(CompanionSSM(d_model, d_state, norm_order=norm_order)), dropout=dropout)
            for _ in range(n_encoder_layers - 1)
        )
        self.blocks = nn.ModuleList([first, *others])
        self.decoder = SpaceTimeDecoder(
            CompanionSSM(d_model, d_state, closed_loop=True, skip=False, norm_order=norm_order),
            n_values * sizes.n_parameters,
            dropout=dropout,
        )
        self.first_lesson = min(d_state, max(sizes.input_length // 2, 1))

    @property
    def width_tie(self) -> str | None:
        """Nothing, unless a step holds the values of all components."""
        return None if self.channel_independent else "channel_independent"

    def layouts(self) -> dict[str, Layout]:
        """Return what the rows of the decoder stand for; it has no tokens."""
        return {"decoder": Layout((), self.channel_independent)}

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast in one pass."""
        mask = self._mask(window)
        decoder = self.decoder.begin(self._encoded(window, mask), self._known_so_far(window, mask))
        self._record_responses(window)
        return self._ahead(decoder, window.future, window.static, self._n_series(window))

    def learn(self, window: Window) -> Training:
        """Add to the forecast one of each step of the look-back, and how well the decoder knew its next inputs."""
        mask, n_series = self._mask(window), self._n_series(window)
        u, known = self._encoded(window, mask), self._known_so_far(window, mask)
        forecast = self._ahead(self.decoder.begin(u, known), window.future, window.static, n_series)
        if known is not None:
            ahead = cast(Tensor, self._known_ahead(window.future, window.static, n_series))
            known = torch.cat([known, ahead[:, :1]], dim=1)
        one_by_one, next_inputs = self.decoder.open_loop(u, known)
        first, length = self.first_lesson, u.shape[1]
        last = length if self.sizes.output_shift else length + 1  # the step after the look-back may be none to forecast
        lessons, penalties = [], {}
        if self.open_loop_weight and first < last:
            steps = torch.arange(first, last, device=u.device)
            of_steps = self._by_component(one_by_one[:, first:last], n_series)
            lessons.append(Lesson("open_loop", of_steps, steps, self.open_loop_weight))
        if self.next_input_weight and first < length:
            there = None if mask is None else mask[:, first:]
            share = share_missed(masked(next_inputs[:, first:length], there), u[:, first:])
            penalties["next_input"] = self.next_input_weight * share
        return Training(forecast, lessons, penalties)

    def begin(self, window: Window) -> SpaceTimeState:
        """Read a look-back."""
        mask, states = self._mask(window), []
        x = masked(self._embedded(window), mask)
        for block in cast(Iterable[SpaceTimeBlock], self.blocks):
            x, kept = block.begin(x, mask)
            states.append(kept)
        decoder = self.decoder.begin(x, self._known_so_far(window, mask))
        return SpaceTimeState(tuple(states), decoder, self._n_series(window))

    def advance(self, state: SpaceTimeState, row: Window) -> SpaceTimeState:
        """Take in one row."""
        x, states = self._embedded(row)[:, 0], []
        for block, kept in zip(cast(Iterable[SpaceTimeBlock], self.blocks), state.blocks, strict=True):
            x, kept = block.advance(x, kept)
            states.append(kept)
        known = self._known_so_far(row, None)
        decoder = self.decoder.advance(x, state.decoder, None if known is None else known[:, 0])
        return SpaceTimeState(tuple(states), decoder, state.n_series)

    def ahead(
        self, state: SpaceTimeState, future: Float[Tensor, "B H F"] | None, static: Float[Tensor, "B V S"] | None
    ) -> Float[Tensor, "B H C Q"]:
        """Forecast from what was seen so far."""
        return self._ahead(state.decoder, future, static, state.n_series)

    def _ahead(
        self,
        state: DecoderState,
        future: Float[Tensor, "B H F"] | None,
        static: Float[Tensor, "B V S"] | None,
        n_series: int,
    ) -> Float[Tensor, "B H C Q"]:
        horizon = self.sizes.output_shift + self.sizes.output_length
        known = self._known_ahead(future, static, n_series)
        if is_recording("modes"):
            longest = max(self.sizes.input_length, 2)
            period, weight = self.decoder.spectrum(self.decoder.after_last(state, known), horizon, longest)
            record("modes", self.decoder, period=period, weight=weight)
        out = self.decoder.closed_loop(state, horizon, known)
        return self._by_component(out[:, self.sizes.output_shift :], n_series)

    def _encoded(self, window: Window, mask: Bool[Tensor, "R L"] | None) -> Float[Tensor, "R L D"]:
        x = masked(self._embedded(window), mask)
        for block in self.blocks:
            x = self.run(block, x, mask)
        return x

    def _embedded(self, window: Window) -> Float[Tensor, "R L D"]:
        """Lay out each series over all channels, and add past covariates."""
        target = window.target
        values = rearrange(target, "B L C -> B C L 1") if self.channel_independent else target[:, None]
        x: Tensor = self.embedding(values)
        if self.past is not None and window.past is not None:
            x = x + self.past(window.past)[:, None]
        return x.flatten(0, 1)

    def _known_so_far(self, window: Window, mask: Bool[Tensor, "R L"] | None) -> Float[Tensor, "R L D"] | None:
        length, n_series = window.target.shape[1], self._n_series(window)
        known = self._known(window.historic_future, window.static, length, n_series)
        return None if known is None else masked(known, mask)

    def _known_ahead(
        self, future: Float[Tensor, "B H F"] | None, static: Float[Tensor, "B V S"] | None, n_series: int
    ) -> Float[Tensor, "R T D"] | None:
        """Return what is known of the steps up to the end of the horizon; of those before it what its first one has."""
        shift = self.sizes.output_shift
        if future is not None and shift:
            future = torch.cat([future[:, :1].expand(-1, shift, -1), future], dim=1)
        return self._known(future, static, shift + self.sizes.output_length, n_series)

    def _known(
        self,
        future: Float[Tensor, "B T F"] | None,
        static: Float[Tensor, "B V S"] | None,
        n_steps: int,
        n_series: int,
    ) -> Float[Tensor, "R T D"] | None:
        parts: list[Tensor] = []
        if self.future is not None and future is not None:
            parts.append(self.future(future)[:, None])
        if self.static is not None and static is not None:
            static = static if self.channel_independent else static.flatten(1)[:, None]
            parts.append(self.static(static)[:, :, None])
        if not parts:
            return None
        return sum(parts[1:], parts[0]).expand(-1, n_series, n_steps, -1).flatten(0, 1)

    def _mask(self, window: Window) -> Bool[Tensor, "R L"] | None:
        """Say which steps of each series there are."""
        if window.start is None:
            return None
        steps = torch.arange(window.target.shape[1], device=window.target.device)
        return (steps >= window.start[:, None]).repeat_interleave(self._n_series(window), dim=0)

    def _n_series(self, window: Window) -> int:
        return window.target.shape[-1] if self.channel_independent else 1

    def _by_component(self, out: Float[Tensor, "R T n"], n_series: int) -> Float[Tensor, "B T C Q"]:
        return rearrange(out, "(B G) T (c Q) -> B T (G c) Q", G=n_series, Q=self.sizes.n_parameters)

    def _record_responses(self, window: Window) -> None:
        """Put down what each model answers to a pulse, alike for all windows."""
        if is_recording("responses"):
            batch, length = window.target.shape[:2]
            for ssm in (part for part in self.modules() if isinstance(part, CompanionSSM)):
                vectors = ssm.vectors()
                response = companion_kernel(vectors["a"], vectors["b"], vectors["c"], length)
                record("responses", ssm, response=response.expand(batch, -1, -1))


def share_missed(ours: Float[Tensor, "R T D"], true: Float[Tensor, "R T D"]) -> Float[Tensor, ""]:
    """Return the sum of squares of what was missed, as a share of that of what was there, a mean over the series."""
    wide = ((x.float() if x.dtype.itemsize < 4 else x).square() for x in (ours - true, true))
    missed, there = (x.sum(dim=(1, 2)) for x in wide)
    return (missed / there.clamp_min(LEAST)).mean()


@torch.no_grad()
def softened(ssm: CompanionSSM) -> CompanionSSM:
    """Let outputs begin with about the size of the inputs: sums over the state grow as its size."""
    for vector in (ssm.get_parameter("b"), ssm.get_parameter("c")):
        vector.mul_(vector.shape[-1] ** -0.5)
    return ssm
