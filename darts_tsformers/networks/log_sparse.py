"""LogSparse Transformer: a causal stack over time steps that forecasts by reading on, one step after the other."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.checks import require_at_least, require_one_of, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.encoder import EncoderLayer
from darts_tsformers.layers.transformer.multi_head import Rows, to_front
from darts_tsformers.networks._lessons import Training
from darts_tsformers.networks._log_sparse_rows import HorizonMap, RowEmbedding
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.networks._streaming import StreamingNetwork
from darts_tsformers.recording.layout import Layout, horizon, look_back
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS

MODES = ("autoregressive", "direct")
POSITIONS = ("window", "history")


@dataclass
class ReadRows:
    """What is kept of a history that is read row by row.

    Attributes
    ----------
    layers
        What each layer has made of the rows but the last, which waits for the covariates of the step after it.
    recent
        The last rows as they came: as many as the network begins anew on.
    n_rows
        Rows of the window that were read.
    start
        At which of them each history begins; None if all begin at row 0.
    """

    layers: list[Rows]
    recent: deque[Window]
    n_rows: int
    start: Int[Tensor, " B"] | None


class LogSparseTransformer(Network, StreamingNetwork[ReadRows], Recomputing, name="log_sparse_transformer"):
    """Transformer over time steps with convolutional queries and keys, and sparse attention.

    *Autoregressive*, as in the paper: a row holds the value of one step and the covariates known for the next, which it
    forecasts. In training all rows see what was really there before them (teacher forcing). A forecast takes one pass
    over the look-back; then each step is fed back as a single new row, on top of what the layers kept of the others. It
    carries no gradient.

    *Direct*: the same layers, not causal, encode the look-back; a linear map over time and a feed-forward part give the
    whole horizon in one pass.

    Covariates: future covariates stand in the row that forecasts their step; past covariates in the row of their own,
    and are marked as not observed, by a learned vector, where the forecast reads on. Static covariates add to every
    row, from zero at the start.

    With ``positions="history"`` the autoregressive form can follow a series: each new row costs what a step of a
    forecast does. When a history has become longer than the look-back, the network begins anew on the later half of it,
    which costs O(log L) for each row as well, spread over the rows until the next time.

    Cost: that of the mechanism in the look-back, O(L log L) by default, and O(log L) for each further step.

    Parameters
    ----------
    mode
        ``"autoregressive"`` or ``"direct"``.
    d_model
        Width of a row (``D``).
    n_decoder_layers
        Layers, in either mode.
    kernel_size
        Steps from which the query and the key of a row are made: its own and those before it. 1 for plain attention.
    attention
        Mechanism over time steps. When autoregressive it must be strictly causal, which ``"prob_sparse"`` is not.
    positions
        What the learned positions count from: the start of the ``"window"``, or that of the ``"history"``, which is
        later where the look-back is filled up on the left; rows before it are then left out. A stream needs the latter.
        For the direct mode it makes no difference.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Li et al., "Enhancing the Locality and Breaking the Memory Bottleneck of Transformer on Time Series Forecasting",
    NeurIPS 2019 (arXiv 1907.00235). No code of the authors is public.

    Deviations: the heads share the width of a row (full width each in the paper). Rows are a sum of linear maps and a
    learned position, which is what the paper's concatenation is to the first linear map behind it. The loss is on the
    horizon alone: each step of a look-back is in the horizon of another window. With an output shift the first row of
    the horizon follows the last step seen. Past covariates and the direct mode are ours.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import LogSparseTransformer
    >>> network = LogSparseTransformer(Sizes(input_length=48, output_length=6), d_model=16).eval()
    >>> network(Window(target=torch.randn(2, 48, 1))).shape
    torch.Size([2, 6, 1, 1])
    >>> network.feeds_on_itself, LogSparseTransformer(network.sizes, mode="direct").feeds_on_itself
    (True, False)
    """

    reads = ALL_KINDS
    to_stream: ClassVar[dict[str, Any]] = {"mode": "autoregressive", "positions": "history"}

    def __init__(
        self,
        sizes: Sizes,
        *,
        mode: str = "autoregressive",
        d_model: int = 64,
        n_heads: int = 4,
        n_decoder_layers: int = 3,
        d_ff: int = 256,
        kernel_size: int = 6,
        dropout: float = 0.1,
        activation: str = "relu",
        attention: AttentionLike = "log_sparse",
        positions: str = "window",
    ) -> None:
        super().__init__(sizes)
        require_one_of(MODES, mode=mode)
        require_one_of(POSITIONS, positions=positions)
        require_at_least(1, d_model=d_model, d_ff=d_ff, n_decoder_layers=n_decoder_layers)
        require_probability(dropout=dropout)
        self.mode = mode
        self.positions = positions
        n_rows = sizes.input_length + (sizes.output_length - 1 if self.feeds_on_itself else 0)
        self.rows = RowEmbedding(sizes, d_model, n_rows=n_rows)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(
                d_model,
                n_heads,
                d_ff,
                dropout=dropout,
                activation=activation,
                norm="layer",
                attention=attention,
                row_by_row=self.feeds_on_itself,
                kernel_size=kernel_size,
                n_tokens=n_rows,
            )
            for _ in range(n_decoder_layers)
        )
        if mode == "direct":
            self.horizon = HorizonMap(sizes, d_model, d_ff, dropout=dropout, activation=activation)
        self.head = nn.Linear(d_model, sizes.n_targets * sizes.n_parameters)

    @property
    def feeds_on_itself(self) -> bool:
        """Whether each step is forecast from the one before."""
        return self.mode == "autoregressive"

    def layouts(self) -> dict[str, Layout]:
        """Return what the rows stand for: the steps whose values they hold; each forecasts the step after it."""
        axis = look_back(self.sizes)
        if self.feeds_on_itself:
            axis += horizon(self.sizes)[:-1]
        return dict.fromkeys(self.attention_layers(), Layout((axis, axis)))

    def forward(self, window: Window, feed: Feed = first_parameter) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        if self.mode == "direct":
            known = self.rows.known(window, window.historic_future)
            return self._forecast(self.horizon(self._read(known, window.target), window.future))
        if self.streams:
            return self.ahead(self.begin(window), window.future, window.static, feed)
        return self._roll_out(self.rows.known(window, _of_the_next_step(window)), window.target, feed)

    def learn(self, window: Window) -> Training:
        """Forecast each step of the horizon from what was really there before it."""
        if self.mode == "direct":
            return super().learn(window)
        assert window.future_target is not None
        known = self.rows.known(window, _of_the_next_step(window))
        values = torch.cat([window.target, window.future_target[:, :-1]], dim=1)
        return Training(self._forecast(self._read(known, values, window.start)[:, -self.sizes.output_length :]))

    @torch.no_grad()
    def begin(self, window: Window) -> ReadRows:
        """Read a look-back, with placeholders behind it for the rows to come."""
        length, n_rows = window.target.shape[1], len(self.rows.position)
        next_step = window.historic_future
        if next_step is not None:
            next_step = F.pad(next_step[:, 1:], (0, 0, 0, n_rows - length + 1))
        x = self.rows.known(window, next_step) + self.rows.values(F.pad(window.target, (0, 0, 0, n_rows - length)))
        x = self.dropout(x if window.start is None else to_front(x, window.start, dim=1))
        kept = []
        for layer in self._layers:
            x, rows = layer.begin(x, length - 1, window.start)
            kept.append(rows)
        n_recent = max(1, self.sizes.input_length // 2)
        recent = (_row(window, i) for i in range(max(0, length - n_recent), length))
        return ReadRows(kept, deque(recent, n_recent), length, window.start)

    @torch.no_grad()
    def advance(self, state: ReadRows, row: Window) -> ReadRows:
        """Complete the row that waits, and let the new one wait."""
        self._put(state.recent[-1], row.historic_future, state, state.n_rows - 1)
        state.recent.append(row)
        state.n_rows += 1
        return state if state.n_rows <= self.sizes.input_length else self._anew(state)

    @torch.no_grad()
    def ahead(
        self,
        state: ReadRows,
        future: Float[Tensor, "B H F"] | None,
        static: Float[Tensor, "B V S"] | None,
        feed: Feed = first_parameter,
    ) -> Float[Tensor, "B H C Q"]:
        """Read on, each step of the forecast as one more row, in the places of rows to come."""
        out, row = [], state.recent[-1]
        for step in range(self.sizes.output_length):
            known = None if future is None else future[:, step : step + 1]
            out.append(self._forecast(self._put(row, known, state, state.n_rows - 1 + step)))
            row = Window(feed(out[-1]).to(row.target.dtype), static=static)
        return torch.cat(out, dim=1)

    def _put(
        self, row: Window, future: Float[Tensor, "B 1 F"] | None, state: ReadRows, at: int
    ) -> Float[Tensor, "B 1 D"]:
        """Put a row in its place, with the covariates of the step that it forecasts."""
        x = self.dropout(self.rows.row(row, future, at, state.start))
        for layer, rows in zip(self._layers, state.layers, strict=True):
            x = layer.advance(x, rows, at)
        return x

    def _anew(self, state: ReadRows) -> ReadRows:
        """Begin anew on the recent rows, with the positions that come first."""
        rows, n_left_out = list(state.recent), state.n_rows - len(state.recent)

        def together(name: str) -> Any:
            return None if getattr(rows[0], name) is None else torch.cat([getattr(row, name) for row in rows], dim=1)

        start = None if state.start is None else (state.start - n_left_out).clamp_min(0)
        target, past, known = (together(name) for name in ("target", "past", "historic_future"))
        return self.begin(Window(target, past, known, static=rows[-1].static, start=start))

    @property
    def _layers(self) -> Iterable[EncoderLayer]:
        return cast(Iterable[EncoderLayer], self.layers)

    def _read(
        self,
        known: Float[Tensor, "B R D"],
        values: Float[Tensor, "B R C"],
        start: Int[Tensor, " B"] | None = None,
    ) -> Float[Tensor, "B R D"]:
        x = known + self.rows.values(values)
        x = self.dropout(x if start is None else to_front(x, start, dim=1))
        for layer in self.layers:
            x, _ = self.run(layer, x)
        return x if start is None else to_front(x, -start, dim=1)

    @torch.no_grad()
    def _roll_out(
        self, known: Float[Tensor, "B R D"], target: Float[Tensor, "B L C"], feed: Feed
    ) -> Float[Tensor, "B H C Q"]:
        """Read the look-back with placeholders behind it, then put the steps in their places one after the other."""
        first, n_rows = target.shape[1], known.shape[1]
        x = self.dropout(known + self.rows.values(F.pad(target, (0, 0, 0, n_rows - first))))
        kept = []
        for layer in self._layers:
            x, rows = layer.begin(x, first)
            kept.append(rows)
        out = [self._forecast(x[:, first - 1 : first])]
        fed = feed(out[-1])
        for row in range(first, n_rows):
            x = self.dropout(known[:, row : row + 1] + self.rows.values(fed.to(known.dtype)))
            for layer, rows in zip(self._layers, kept, strict=True):
                x = layer.advance(x, rows, row)
            out.append(self._forecast(x))
            fed = feed(out[-1])
        return torch.cat(out, dim=1)

    def _forecast(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N C Q"]:
        return rearrange(self.head(x), "B N (C Q) -> B N C Q", Q=self.sizes.n_parameters)


def _of_the_next_step(window: Window) -> Float[Tensor, "B R F"] | None:
    if window.historic_future is None or window.future is None:
        return None
    return torch.cat([window.historic_future[:, 1:], window.future], dim=1)


def _row(window: Window, i: int) -> Window:
    parts = (window.target, window.past, window.historic_future)
    target, past, known = (None if x is None else x[:, i : i + 1] for x in parts)
    assert target is not None
    return Window(target, past, known, static=window.static)
