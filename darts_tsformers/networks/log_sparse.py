"""LogSparse Transformer: a causal stack over time steps that forecasts by reading on, one step after the other."""

from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.checks import require_at_least, require_one_of, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.encoder import EncoderLayer
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.networks._lessons import Training
from darts_tsformers.networks._network import Feed, Network, first_parameter
from darts_tsformers.recording.layout import Layout, horizon, look_back
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, zero_linear

MODES = ("autoregressive", "direct")


class LogSparseTransformer(Network, Recomputing, name="log_sparse_transformer"):
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
    ) -> None:
        super().__init__(sizes)
        require_one_of(MODES, mode=mode)
        require_at_least(1, d_model=d_model, d_ff=d_ff, n_decoder_layers=n_decoder_layers)
        require_probability(dropout=dropout)
        self.mode = mode
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
        return self._roll_out(self.rows.known(window, _of_the_next_step(window)), window.target, feed)

    def learn(self, window: Window) -> Training:
        """Forecast each step of the horizon from what was really there before it."""
        if self.mode == "direct":
            return super().learn(window)
        assert window.future_target is not None
        known = self.rows.known(window, _of_the_next_step(window))
        values = torch.cat([window.target, window.future_target[:, :-1]], dim=1)
        return Training(self._forecast(self._read(known, values)[:, -self.sizes.output_length :]))

    def _read(self, known: Float[Tensor, "B R D"], values: Float[Tensor, "B R C"]) -> Float[Tensor, "B R D"]:
        x = self.dropout(known + self.rows.values(values))
        for layer in self.layers:
            x, _ = self.run(layer, x)
        return x

    @torch.no_grad()
    def _roll_out(
        self, known: Float[Tensor, "B R D"], target: Float[Tensor, "B L C"], feed: Feed
    ) -> Float[Tensor, "B H C Q"]:
        """Read the look-back with placeholders behind it, then put the steps in their places one after the other."""
        first, n_rows = target.shape[1], known.shape[1]
        x = self.dropout(known + self.rows.values(F.pad(target, (0, 0, 0, n_rows - first))))
        layers = cast(Sequence[EncoderLayer], self.layers)
        kept = []
        for layer in layers:
            x, rows = layer.begin(x, first)
            kept.append(rows)
        out = [self._forecast(x[:, first - 1 : first])]
        fed = feed(out[-1])
        for row in range(first, n_rows):
            x = self.dropout(known[:, row : row + 1] + self.rows.values(fed.to(known.dtype)))
            for layer, rows in zip(layers, kept, strict=True):
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


class RowEmbedding(nn.Module):
    """A sum of linear maps of what a row holds, and its position.

    The values of the target come apart from all the rest, which is known of every row before any step is forecast.

    Parameters
    ----------
    sizes
        Sizes of the problem.
    d_model
        Width of a row.
    n_rows
        Rows there can be.
    """

    def __init__(self, sizes: Sizes, d_model: int, *, n_rows: int) -> None:
        super().__init__()
        self.values = nn.Linear(sizes.n_targets, d_model, bias=False)
        self.past = nn.Linear(sizes.n_past, d_model, bias=False) if sizes.n_past else None
        is_read_on = bool(sizes.n_past) and n_rows > sizes.input_length
        self.unknown_past = nn.Parameter(torch.zeros(d_model)) if is_read_on else None
        self.future = nn.Linear(sizes.n_future, d_model, bias=False) if sizes.n_future else None
        n_static = sizes.n_static * sizes.n_static_rows
        self.static = zero_linear(n_static, d_model) if n_static else None
        self.position = nn.Parameter(0.02 * torch.randn(n_rows, d_model))

    def known(self, window: Window, future: Float[Tensor, "B R F"] | None) -> Float[Tensor, "B R D"]:
        """Embed all but the values, with the future covariates that belong to each row."""
        out = self.position.expand(window.target.shape[0], -1, -1)
        if self.past is not None and window.past is not None:
            out = out + self._past(window.past)
        if self.future is not None and future is not None:
            out = out + self.future(future)
        if self.static is not None and window.static is not None:
            out = out + self.static(window.static.flatten(1))[:, None]
        return out

    def _past(self, past: Float[Tensor, "B L P"]) -> Float[Tensor, "B R D"]:
        assert self.past is not None
        observed = self.past(past)
        if self.unknown_past is None:
            return observed
        n_beyond = len(self.position) - past.shape[1]
        return torch.cat([observed, self.unknown_past.expand(past.shape[0], n_beyond, -1)], dim=1)


class HorizonMap(nn.Module):
    """From the rows of the look-back to one state for each step to forecast, which then meets what is known of it."""

    def __init__(self, sizes: Sizes, d_model: int, d_ff: int, *, dropout: float, activation: str) -> None:
        super().__init__()
        self.time = nn.Linear(sizes.input_length, sizes.output_length)
        self.future = nn.Linear(sizes.n_future, d_model, bias=False) if sizes.n_future else None
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)

    def forward(self, rows: Float[Tensor, "B L D"], future: Float[Tensor, "B H F"] | None) -> Float[Tensor, "B H D"]:
        """Return the states."""
        steps = self.time(rows.mT).mT
        if self.future is not None and future is not None:
            steps = steps + self.future(future)
        return steps + self.feed_forward(steps)
