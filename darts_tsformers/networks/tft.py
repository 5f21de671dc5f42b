"""Temporal Fusion Transformer: selected variables, an LSTM for what is near, attention for what is far."""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike
from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.blocks import by_blocks
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.selection.gating import GateAddNorm, GatedResidualNetwork
from darts_tsformers.layers.selection.grouped import NumberEmbedding
from darts_tsformers.layers.selection.variable_selection import VariableSelection
from darts_tsformers.layers.transformer.interpretable_attention import InterpretableAttention
from darts_tsformers.networks._network import Network
from darts_tsformers.recording import record
from darts_tsformers.recording.layout import Layout, VariableAxis, horizon, look_back
from darts_tsformers.window import Sizes, Window
from darts_tsformers.window.covariates import ALL_KINDS


class TemporalFusionTransformer(Network, Recomputing, name="temporal_fusion_transformer"):
    """Recurrent and attentive layers over selected variables, with gates around all of them.

    At each step the variables known there are weighed and mixed. An LSTM reads the mixtures of the look-back and, from
    the state it ends in, those of the horizon; static contexts, where there are any, steer the selection, start the
    LSTM and enrich its output. The steps of the horizon attend to all before them; a linear map of each is its
    forecast.

    Covariates: each is a variable of its own, as are the targets, which with past covariates are variables of the past
    alone. A future covariate has one embedding for past and future. Each entry of the static covariates is a static
    variable. Without future covariates the relative position of a step is what is known of it; without static ones
    there is no context, and no parameter for it.

    Cost: O((L + H) m k D) for ``m`` variables, most of it in their networks, then O((L + H) D^2) in the LSTM. Exact
    attention adds O(H L D): the forecast reads the rows of the horizon alone, so only they are computed.

    Parameters
    ----------
    d_model
        Width of a step (``D``): the paper's ``d_model``, hidden size elsewhere.
    n_lstm_layers
        Layers of the LSTM over the look-back, and of the one over the horizon.
    d_variable
        Width of the embedding of a variable and of the maps within its network. None for ``d_model``, as in the paper;
        with many variables a smaller one saves more than half of the time.
    dropout
        In every gate.
    full_attention
        Whether a step of the horizon sees later ones too, of which the covariates are known.
    attention
        Mechanism over time steps; without ``full_attention`` one that has a causal form.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Lim et al., "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting", International
    Journal of Forecasting 37, 2021.

    Deviations: dropout acts once in each gate, on its input, and nowhere else. Several targets are several variables of
    the past and outputs of the last map. Categories are embedded before the network, where each feature of an embedding
    becomes a variable. Weights start as PyTorch draws them, with biases up to one over the root of the width, where the
    authors' code has Keras' (Xavier's, with biases of zero, and recurrent maps that are orthogonal).

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.window import Sizes, Window
    >>> from darts_tsformers.networks import TemporalFusionTransformer
    >>> sizes = Sizes(input_length=48, output_length=6, n_targets=3, n_parameters=2)
    >>> network = TemporalFusionTransformer(sizes, d_model=16)
    >>> network(Window(target=torch.randn(2, 48, 3))).shape  # two parameters of a likelihood for each value
    torch.Size([2, 6, 3, 2])
    """

    reads = ALL_KINDS

    def __init__(
        self,
        sizes: Sizes,
        *,
        d_model: int = 64,
        n_heads: int = 4,
        n_lstm_layers: int = 1,
        d_variable: int | None = None,
        dropout: float = 0.1,
        full_attention: bool = False,
        attention: AttentionLike = "full",
    ) -> None:
        super().__init__(sizes)
        d_variable = d_model if d_variable is None else d_variable
        require_at_least(1, d_model=d_model, n_lstm_layers=n_lstm_layers, d_variable=d_variable)
        require_probability(dropout=dropout)
        require_flag(full_attention=full_attention)
        n_observed, n_known = sizes.n_targets + sizes.n_past, sizes.n_future or 1
        n_static = sizes.n_static * sizes.n_static_rows
        d_context = d_model if n_static else 0

        def selection(n_variables: int) -> VariableSelection:
            return VariableSelection(n_variables, d_variable, d_model, d_context=d_context, dropout=dropout)

        self.n_observed = n_observed
        self.embedding = NumberEmbedding(n_observed + n_known, d_variable)
        self.statics = (
            StaticContexts(n_static, d_variable, d_model, n_lstm_layers=n_lstm_layers, dropout=dropout)
            if n_static
            else None
        )
        self.past_selection = selection(n_observed + n_known)
        self.future_selection = selection(n_known)
        self.encoder = nn.LSTM(d_model, d_model, n_lstm_layers, batch_first=True)
        self.decoder = nn.LSTM(d_model, d_model, n_lstm_layers, batch_first=True)
        self.local_gate = GateAddNorm(d_model, d_model, dropout=dropout)
        self.enrichment = GatedResidualNetwork(d_model, d_model, d_model, d_context=d_context, dropout=dropout)
        self.attention = InterpretableAttention(
            d_model,
            n_heads,
            attention=attention,
            causal=not full_attention,
            n_rows=sizes.input_length + sizes.output_length,
        )
        self.attention_gate = GateAddNorm(d_model, d_model, dropout=dropout)
        self.feed_forward = GatedResidualNetwork(d_model, d_model, d_model, dropout=dropout)
        self.output_gate = GateAddNorm(d_model, d_model, dropout=dropout)
        self.head = nn.Linear(d_model, sizes.n_targets * sizes.n_parameters)

    def layouts(self) -> dict[str, Layout]:
        """Return what the tokens stand for: the rows that attend are those of the horizon."""
        past, ahead = look_back(self.sizes), horizon(self.sizes)
        known = "future" if self.sizes.n_future else "position"
        return {
            "attention": Layout((ahead, past + ahead)),
            "statics": Layout((VariableAxis(("static",)),)),
            "past_selection": Layout((past, VariableAxis(("target", "past", known)))),
            "future_selection": Layout((ahead, VariableAxis((known,)))),
        }

    def forward(self, window: Window) -> Float[Tensor, "B H C Q"]:
        """Forecast."""
        contexts = None
        if self.statics is not None and window.static is not None:
            contexts, weights = self.statics(window.static.flatten(1))
            record("variables", self.statics, weights=weights.squeeze(1))
        local, enriched = self._steps(window, contexts)
        ahead = self.sizes.output_length
        attended = self.attention_gate(self.attention(enriched, ahead), enriched[:, -ahead:])
        out = self.head(self.output_gate(self.feed_forward(attended), local[:, -ahead:]))
        return rearrange(out, "B H (C Q) -> B H C Q", Q=self.sizes.n_parameters)

    def _steps(
        self, window: Window, contexts: "Contexts | None"
    ) -> tuple[Float[Tensor, "B R D"], Float[Tensor, "B R D"]]:
        """Return each step of look-back and horizon as the LSTM leaves it, and enriched by what is static."""
        choice, enrichment, state = (None,) * 3 if contexts is None else contexts
        past, future = self._variables(window)
        past, weights = self.past_selection(past, self.embedding.lines(), choice)
        record("variables", self.past_selection, weights=weights)
        future, weights = self.future_selection(future, self.embedding.lines(self.n_observed), choice)
        record("variables", self.future_selection, weights=weights)
        encoded, state = self.encoder(past, state)
        decoded, _ = self.decoder(future, state)

        def enrich(
            recurrent: Float[Tensor, "B t D"], selected: Float[Tensor, "B t D"]
        ) -> tuple[Float[Tensor, "B t D"], Float[Tensor, "B t D"]]:
            local = self.local_gate(recurrent, selected)
            return local, self.enrichment(local, enrichment)

        recurrent, selected = torch.cat([encoded, decoded], dim=1), torch.cat([past, future], dim=1)
        if not self.recompute:
            return enrich(recurrent, selected)
        local, enriched = by_blocks(enrich, recurrent, selected, recompute=True)
        return local, enriched

    def _variables(self, window: Window) -> tuple[Float[Tensor, "B L m"], Float[Tensor, "B H F"]]:
        """Return the numbers seen at each step of the look-back, and of the horizon."""
        known, future = window.historic_future, window.future
        if known is None or future is None:
            known, future = self._position(window.target)
        observed = [window.target] if window.past is None else [window.target, window.past]
        return torch.cat([*observed, known], dim=-1), future

    def _position(self, target: Float[Tensor, "B L C"]) -> tuple[Float[Tensor, "B L 1"], Float[Tensor, "B H 1"]]:
        """Return the step of each row as a share of all, those left out before the horizon included."""
        length, shift = target.shape[1], self.sizes.output_shift
        total = length + shift + self.sizes.output_length
        share = torch.arange(total, device=target.device, dtype=torch.float32).to(target.dtype) / total
        share = share[None, :, None].expand(target.shape[0], -1, -1)
        return share[:, :length], share[:, length + shift :]


class Contexts(NamedTuple):
    """What static covariates say to each part of the network; ``state`` as an LSTM takes it."""

    selection: Float[Tensor, "B D"]
    enrichment: Float[Tensor, "B D"]
    state: tuple[Float[Tensor, "n B D"], Float[Tensor, "n B D"]]


class StaticContexts(nn.Module):
    """Select among the static variables, and make of the mixture one context for each use of it."""

    def __init__(self, n_variables: int, d_variable: int, d_model: int, *, n_lstm_layers: int, dropout: float) -> None:
        super().__init__()
        self.n_lstm_layers = n_lstm_layers
        self.embedding = NumberEmbedding(n_variables, d_variable)
        self.selection = VariableSelection(n_variables, d_variable, d_model, dropout=dropout)
        self.uses = nn.ModuleList(
            GatedResidualNetwork(d_model, d_model, d_model, dropout=dropout)
            for _ in ("selection", "enrichment", "h", "c")
        )

    def forward(self, static: Float[Tensor, "B m"]) -> tuple[Contexts, Float[Tensor, "B 1 m"]]:
        """Return the contexts, and the weights of the variables."""
        mixture, weights = self.selection(static[:, None], self.embedding.lines())
        selection, enrichment, *state = (use(mixture[:, 0]) for use in self.uses)
        hidden, cell = (t.expand(self.n_lstm_layers, -1, -1).contiguous() for t in state)
        return Contexts(selection, enrichment, (hidden, cell)), weights
