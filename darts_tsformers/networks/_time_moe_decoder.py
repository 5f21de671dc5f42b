"""The decoder of Time-MoE: from values to states of all steps, and what is kept to read on."""

from collections.abc import Iterable
from typing import NamedTuple

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.experts.decoder_layer import DecoderLayer
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.feed_forward import build_activation
from darts_tsformers.layers.transformer.grouped_attention import KeysValues
from darts_tsformers.layers.transformer.rotary import rotation


class Read(NamedTuple):
    """What a decoder makes of values.

    Attributes
    ----------
    states
        Of each step.
    kept
        Of each layer, what later values attend to.
    logits
        What the router of each layer says of each step; none without experts.
    """

    states: Float[Tensor, "R n D"]
    kept: list[KeysValues]
    logits: list[Float[Tensor, "R n E"]]


class PointEmbedding(nn.Module):
    r"""Token of a single value: :math:`\phi(w_g s) \odot w_v s`."""

    def __init__(self, d_model: int, activation: str) -> None:
        super().__init__()
        self.value = nn.Linear(1, d_model, bias=False)
        self.gate = nn.Linear(1, d_model, bias=False)
        self.activation = build_activation(activation)

    def forward(self, values: Float[Tensor, "R n"]) -> Float[Tensor, "R n D"]:
        """Embed each value."""
        each = values.unsqueeze(-1)
        token: Tensor = self.activation(self.gate(each)) * self.value(each)
        return token


class TimeMoEDecoder(nn.Module, Recomputing):
    """Point embedding, decoder layers, norm, and heads of several lengths: all that a checkpoint holds.

    Parameters
    ----------
    horizon_lengths
        Steps of each head.
    n_parameters
        Parameters for each step.
    d_model, n_heads, n_kv_heads, n_layers, d_ff, n_experts, n_experts_per_token, activation, norm_epsilon, dropout
        As for :class:`~darts_tsformers.layers.experts.decoder_layer.DecoderLayer`.
    rope_theta
        Base of the rotary positions.
    """

    def __init__(
        self,
        horizon_lengths: Iterable[int],
        *,
        n_parameters: int,
        d_model: int,
        n_heads: int,
        n_kv_heads: int | None,
        n_layers: int,
        d_ff: int,
        n_experts: int | None,
        n_experts_per_token: int,
        activation: str,
        norm_epsilon: float,
        rope_theta: float,
        dropout: float,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_decoder_layers=n_layers)
        self.rope_theta = rope_theta
        self.d_head = d_model // n_heads
        self.n_parameters = n_parameters
        self.embedding = PointEmbedding(d_model, activation)
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList(
            DecoderLayer(
                d_model,
                n_heads,
                d_ff,
                n_kv_heads=n_kv_heads,
                n_experts=n_experts,
                n_experts_per_token=n_experts_per_token,
                activation=activation,
                norm_epsilon=norm_epsilon,
                dropout=dropout,
            )
            for _ in range(n_layers)
        )
        self.norm = nn.RMSNorm(d_model, eps=norm_epsilon)
        self.heads = nn.ModuleList(nn.Linear(d_model, length * n_parameters, bias=False) for length in horizon_lengths)
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.normal_(part.weight, std=part.in_features**-0.5)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(
        self,
        values: Float[Tensor, "R n"],
        kept: list[KeysValues] | None = None,
        there: Bool[Tensor, "R M"] | None = None,
    ) -> Read:
        """Read values that follow on those kept; ``there`` says which of all are no padding, None for all."""
        first = 0 if kept is None else kept[0].keys.shape[2]
        x = self.dropout(self.embedding(values))
        turn = rotation(values.shape[1], self.d_head, first=first, theta=self.rope_theta, like=x)
        now, logits = [], []
        for i, layer in enumerate(self.layers):
            x, read, said = self.run(layer, x, turn, None if kept is None else kept[i], there)
            now.append(read)
            logits += [] if said is None else [said]
        return Read(self.norm(x), now, logits)

    def ahead(self, states: Float[Tensor, "R n D"], head: int) -> Float[Tensor, "R n h Q"]:
        """Forecast from each state by one head, which reaches ``h`` steps."""
        out = self.heads[head](states)
        return rearrange(out, "R n (h Q) -> R n h Q", Q=self.n_parameters)
