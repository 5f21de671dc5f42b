"""ReGENN: variables mixed along a graph that evolves, a recurrent decoder, and a linear highway."""

from collections.abc import Iterable, Iterator

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_one_of, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.mixing.graph_evolution import GraphEvolution
from darts_tsformers.layers.mixing.graph_learning import GRAPHS, learn_graph
from darts_tsformers.layers.recurrent.bidirectional import in_rows_of_one
from darts_tsformers.layers.recurrent.summed_lstm import SummedLSTM
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.layers.transformer.feed_forward import ACTIVATIONS, build_activation
from darts_tsformers.networks._network import Network
from darts_tsformers.networks._series import TrainingSeries
from darts_tsformers.networks._variates import LAYOUT
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recording.layout import Layout
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS, FutureResponse, zero_linear


class ReGENN(Network, name="regenn"):
    r"""Recurrent Graph Evolution Neural Network.

    1. A graph of the variables, learnt before training, evolves in training and mixes the variables of each step
       (:class:`~darts_tsformers.layers.mixing.graph_evolution.GraphEvolution`); a linear map over the steps follows.
    2. The look-back of each variable is a token; encoder layers let the tokens attend to each other.
    3. The time gate, an LSTM that goes from variable to variable, makes the steps to forecast of those looked back on.
    4. An LSTM goes over the steps to forecast, and adds to them.
    5. A second graph evolves from the first, and mixes the targets of each of these steps.
    6. The highway adds a linear map of each target's look-back, the same for all.

    The graphs tie the network to its number of components, and the time gate makes their order matter.

    Covariates: past covariates, and the past of the future ones, are further variables of the first graph, the encoder
    and the gate (the paper has none); they are not forecast. Static covariates add to the token of their target, and
    each step responds to what is known of it through :class:`~darts_tsformers.window.covariates.FutureResponse`; both
    start at zero.

    Cost: O(V L^2 + V^2 L + V H (L + H) + C^2 H) with V = C + P + F variables.

    Parameters
    ----------
    graph
        What the graph holds before it evolves: the ``"correlation"`` of the variables over the training part, or their
        ``"co_occurrence"``, as in the paper, for counts and other sizes that are zero while there is nothing. See
        :mod:`darts_tsformers.layers.mixing.graph_learning`.
    n_encoder_layers
        Layers of the encoder; 0 for none.
    evolution_activation
        Of what the first graph has mixed, or None: ``"relu"`` suits sizes that are never below zero.
    bidirectional_gate, bidirectional_decoder
        Whether the LSTM over the variables, and that over the steps to forecast, has a twin from the other end.
    highway
        Whether the linear map of the look-back adds to the forecast. Without it the forecast of each step is bounded.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Spadon et al., "Pay Attention to Evolution: Time Series Forecasting with Deep Graph-Evolution Learning", IEEE
    Transactions on Pattern Analysis and Machine Intelligence, 2022.

    Deviations: the authors' encoder attends over the samples of a batch, ours over the variables of one sample. Their
    graph is summed up batch by batch in the first epoch, and the second one is that of the last batch of training; ours
    are learnt once, and depend on no batch. It is scaled to a largest entry of 1, and counts each step of the training
    part once, not in each window that it is in. Correlation is ours. Their output activation is left out: a likelihood
    for counts does that. Each parameter of a likelihood has a second graph and a highway of its own.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import ReGENN
    >>> network = ReGENN(Sizes(input_length=24, output_length=6, n_targets=3, n_past=1), d_ff=16)
    >>> network(Window(target=torch.randn(2, 24, 3), past=torch.randn(2, 24, 1))).shape
    torch.Size([2, 6, 3, 1])
    >>> network.evolved_graph().shape  # how much of each variable goes into each
    torch.Size([4, 4])
    """

    reads = ALL_KINDS
    graph: Tensor

    def __init__(
        self,
        sizes: Sizes,
        *,
        graph: str = "correlation",
        n_encoder_layers: int = 1,
        d_ff: int = 256,
        dropout: float = 0.1,
        activation: str = "relu",
        evolution_activation: str | None = None,
        bidirectional_gate: bool = False,
        bidirectional_decoder: bool = False,
        highway: bool = True,
    ) -> None:
        super().__init__(sizes)
        require_one_of(GRAPHS, graph=graph)
        require_one_of(ACTIVATIONS, activation=activation)
        require_at_least(0, n_encoder_layers=n_encoder_layers)
        require_at_least(1, d_ff=d_ff)
        require_probability(dropout=dropout)
        require_flag(
            bidirectional_gate=bidirectional_gate, bidirectional_decoder=bidirectional_decoder, highway=highway
        )
        self.kind_of_graph = graph
        length, n_targets = sizes.input_length, sizes.n_targets
        n_variables = n_targets + sizes.n_past + sizes.n_future
        self.register_buffer("graph", torch.eye(n_variables))
        self.source = GraphEvolution(n_variables)
        self.dropout = Dropout(dropout)
        self.evolution_activation = _activation(evolution_activation)
        self.time_map = nn.Linear(length, length)
        self.encoder = (
            Encoder(length, 1, d_ff, n_layers=n_encoder_layers, dropout=dropout, activation=activation)
            if n_encoder_layers
            else nn.Identity()
        )
        self.gate = SummedLSTM(length, sizes.output_length, bidirectional=bidirectional_gate)
        self.decoder = SummedLSTM(n_targets, n_targets, bidirectional=bidirectional_decoder)
        self.target = GraphEvolution(n_targets, sizes.n_parameters)
        self.highway = nn.Linear(length, sizes.output_length * sizes.n_parameters) if highway else None
        self.apply(_start)
        self.static = zero_linear(sizes.n_static, length) if sizes.n_static else None
        self.future = FutureResponse(length, sizes.n_future, sizes.n_parameters) if sizes.n_future else None

    def attention_layers(self) -> list[str]:
        """Return the paths of the encoder's attention, and of the first graph, which is recorded like it."""
        return ["source", *super().attention_layers()]

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: variables."""
        return dict.fromkeys(self.attention_layers(), LAYOUT)

    def prepare(self, series: Iterable[TrainingSeries]) -> None:
        """Learn the graph of the variables."""
        self.graph.copy_(learn_graph(self.kind_of_graph, _variables(series)))

    def evolved_graph(self) -> Float[Tensor, "V V"]:
        """Return how much of each variable (column) goes into each (row): targets, then past and future covariates."""
        return self.source.evolved(self.source.embedded(self.graph))

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        embedded = self.source.embedded(self.graph)
        tokens = self.encoder(self._tokens(window, embedded))
        n_targets = self.sizes.n_targets
        steps = self._opened(tokens).mT
        between_targets = self.target.embedded(embedded[:n_targets, :n_targets].detach())
        out = self.target(steps + self.decoder(steps), between_targets)
        out = rearrange(out, "B H (C Q) -> B H C Q", C=n_targets)
        if self.highway is not None:
            out = out + rearrange(self.highway(window.target.mT), "B C (H Q) -> B H C Q", Q=self.sizes.n_parameters)
        if self.future is not None and window.future is not None:
            out = out + self.future(window.future, tokens[:, :n_targets]).transpose(1, 2)
        return out

    def _tokens(self, window: Window, embedded: Float[Tensor, "V V"]) -> Float[Tensor, "B V L"]:
        """Return what the first graph makes of the look-back of each variable."""
        given = (window.target, window.past, window.historic_future)
        mixed = self.source(torch.cat([x for x in given if x is not None], dim=-1), embedded)
        tokens: Tensor = self.time_map(self.evolution_activation(self.dropout(mixed)).mT)
        if is_recording("attention"):
            shares = in_rows_of_one(self.source.evolved(embedded).abs().expand(len(tokens), -1, -1))
            record("attention", self.source, weights=shares.unsqueeze(1))
        if self.static is not None and window.static is not None:
            n_targets = self.sizes.n_targets
            targets, others = tokens[:, :n_targets], tokens[:, n_targets:]
            tokens = torch.cat([targets + self.static(window.static), others], dim=1)
        return tokens

    def _opened(self, tokens: Float[Tensor, "B V L"]) -> Float[Tensor, "B C H"]:
        """Return the steps to forecast of each target.

        The gate meets the covariates before the targets; if it comes from both ends, the past ones behind them.
        """
        n_targets, n_past, n_future = self.sizes.n_targets, self.sizes.n_past, self.sizes.n_future
        targets, past, future = torch.split(tokens, [n_targets, n_past, n_future], dim=1)
        order, first = [past, future, targets], n_past + n_future
        if self.gate.lstm.bidirectional:
            order, first = [future, targets, past], n_future
        opened: Tensor = self.gate(torch.cat(order, dim=1))
        return opened[:, first : first + n_targets]


def _variables(series: Iterable[TrainingSeries]) -> Iterator[Float[Tensor, "T V"]]:
    """Return the variables of each series side by side."""
    for one in series:
        yield torch.cat([x for x in (one.target, one.past, one.future) if x is not None], dim=-1)


def _activation(evolution_activation: str | None) -> nn.Module:
    if evolution_activation is None:
        return nn.Identity()
    require_one_of(ACTIVATIONS, evolution_activation=evolution_activation)
    return build_activation(evolution_activation)


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)
