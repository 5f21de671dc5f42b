"""The layer around a mechanism: projections, heads, dropout, recording."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike, attention_spec, build_attention
from darts_tsformers.layers.checks import require_at_least
from darts_tsformers.layers.recording import active_record


class Scores(NamedTuple):
    """Attention scores by their factors: ``q @ k.mT / sqrt(head width)``, never formed."""

    q: Float[Tensor, "B h L w"]
    k: Float[Tensor, "B h M w"]


class MultiHeadAttention(nn.Module):
    r"""Multi-head attention around any mechanism.

    Parameters
    ----------
    d_model
        Width ``D``.
    n_heads
        Heads ``h``; must divide ``d_model``.
    attention
        The mechanism: a registered name, a name with arguments, or a mechanism whose arguments to take.
    dropout
        Applied to the output (not to the weights, see :class:`~darts_tsformers.attention.FullAttention`).
    causal, cross
        How the layer will be used; a mechanism that cannot serve the use is refused here.
    mix
        Whether to lay heads and time steps out in each other's place after attention, as the code of Informer's authors
        does in its decoder; only for parity with it.

    Raises
    ------
    ValueError
        If ``n_heads`` does not divide ``d_model``, or the mechanism does not support ``causal`` or ``cross``.

    Notes
    -----
    Residual attention (He et al., "RealFormer", 2021) adds the raw scores of the layers before. The sum over layers of
    :math:`Q_i K_i^\top` is the product of the queries and keys laid side by side,
    :math:`[Q_1 \dots Q_l][K_1 \dots K_l]^\top`, so this layer carries those on instead of an L x L map, and any
    mechanism that compares queries with keys can be used with it, the fused kernel included.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        attention: AttentionLike = "full",
        dropout: float = 0.0,
        causal: bool = False,
        cross: bool = False,
        mix: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads)
        if d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}")
        self.n_heads = n_heads
        self.causal = causal
        self.mix = mix
        self.mechanism = build_attention(attention)
        name, _ = attention_spec(attention)
        if causal and not self.mechanism.supports_causal:
            raise ValueError(f"attention={name!r} has no causal form and cannot serve a causal layer")
        if cross and not self.mechanism.supports_cross:
            raise ValueError(
                f"attention={name!r} needs queries and keys of one length and cannot serve as cross-attention"
            )
        self.project_in = nn.Linear(d_model, 3 * d_model)
        self.project_out = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(dropout)
        for part in self.project_in.weight.chunk(3):
            nn.init.xavier_uniform_(part.data)
        nn.init.zeros_(self.project_in.bias)

    def forward(
        self,
        x: Float[Tensor, "B L D"],
        memory: Float[Tensor, "B M D"] | None = None,
        *,
        earlier: Scores | None = None,
    ) -> tuple[Float[Tensor, "B L D"], Scores]:
        """Attend from ``x`` to ``memory``, or to itself.

        Returns the output and the scores, which a residual layer above takes as ``earlier``.
        """
        q, k, v = (rearrange(t, "B L (h e) -> B h L e", h=self.n_heads) for t in self._projected(x, memory))
        scores = Scores(q, k) if earlier is None else _side_by_side(earlier, Scores(q, k))
        record = active_record()
        # the mechanism divides by the root of the width it sees; the scores ask for the root of one layer's
        scaled = scores.q * (scores.q.shape[-1] / v.shape[-1]) ** 0.5 if earlier is not None else scores.q
        out, weights = self.mechanism(scaled, scores.k, v, causal=self.causal, need_weights=record is not None)
        if record is not None and weights is not None:
            record.maps.append(weights.detach())
        tokens = out.reshape(x.shape) if self.mix else rearrange(out, "B h L e -> B L (h e)")
        return self.dropout(self.project_out(tokens)), scores

    def _projected(
        self, x: Float[Tensor, "B L D"], memory: Float[Tensor, "B M D"] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if memory is None:
            q, k, v = self.project_in(x).chunk(3, dim=-1)
            return q, k, v
        d = x.shape[-1]
        weight, bias = self.project_in.weight, self.project_in.bias
        q = F.linear(x, weight[:d], bias[:d])
        k, v = F.linear(memory, weight[d:], bias[d:]).chunk(2, dim=-1)
        return q, k, v


def _side_by_side(earlier: Scores, own: Scores) -> Scores:
    return Scores(torch.cat([earlier.q, own.q], dim=-1), torch.cat([earlier.k, own.k], dim=-1))
