"""Attention among tokens of any number of variates: by time, and with a bias for those of the same variate."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.rotary import rotate_neighbours, rotation_at
from darts_tsformers.recording import is_recording, record


class Places(NamedTuple):
    """Where tokens stand.

    Attributes
    ----------
    time
        Position of each token in time.
    variate
        Number of the variate that each is of.
    there
        Which tokens are no padding.
    """

    time: Int[Tensor, "B n"]
    variate: Int[Tensor, " n"]
    there: Bool[Tensor, "B n"]

    def seen(self) -> Bool[Tensor, "B 1 n n"]:
        """Say which tokens each token sees: of all variates, up to its own time; padding sees padding alone."""
        in_time = self.time[:, None] <= self.time[:, :, None]
        alike = self.there[:, None] == self.there[:, :, None]
        return (in_time & alike)[:, None]

    def same(self) -> Bool[Tensor, "n n"]:
        """Say which tokens are of the same variate."""
        return self.variate[:, None] == self.variate


class VariateAttention(nn.Module):
    r"""Multi-head attention over time and variates at once.

    .. math::
        a_i = W_o\, \mathrm{softmax}_{j:\, t_j \le t_i}\!\left(
            \rho_i(\hat q_i)^\top \rho_j(\hat k_j) / \sqrt e + b_{[v_i = v_j]}\right) v_j

    with queries and keys :math:`\hat q, \hat k` that a root-mean-square norm has brought to one size, the rotation
    :math:`\rho` of neighbouring features in the first half of each head, and two learned numbers :math:`b` for each
    head: one for tokens of the same variate and one for those of others. It serves variates in any order and number.

    Parameters
    ----------
    d_model, n_heads
        Width and heads.
    rope_theta
        Base of the rotary positions.
    norm_epsilon
        What the norms add to the mean square.
    dropout
        On the output.

    Raises
    ------
    ValueError
        If a size is below 1, or ``n_heads`` does not divide ``d_model`` into heads whose width is a multiple of 4.

    Notes
    -----
    Woo et al., "Unified Training of Universal Time Series Forecasting Transformers", ICML 2024 (arXiv 2402.02592),
    equation 2; with the norms of Liu et al., "Moirai-MoE", 2024 (arXiv 2410.10469).
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        rope_theta: float = 10000.0,
        norm_epsilon: float = 1e-5,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads)
        if d_model % n_heads or d_model // n_heads % 4:
            raise ValueError(
                f"n_heads={n_heads} must divide d_model={d_model} into heads whose width is a multiple of 4"
            )
        self.n_heads, self.rope_theta = n_heads, rope_theta
        self.query, self.key, self.value, self.out = (nn.Linear(d_model, d_model, bias=False) for _ in range(4))
        self.query_norm, self.key_norm = (nn.RMSNorm(d_model // n_heads, eps=norm_epsilon) for _ in range(2))
        self.variate_bias = nn.Parameter(torch.zeros(2, n_heads))
        self.dropout = Dropout(dropout)

    def forward(self, x: Float[Tensor, "B n D"], places: Places) -> Float[Tensor, "B n D"]:
        """Attend from each token to those up to its time."""
        q, k, v = (
            rearrange(to(x), "B n (h e) -> B h n e", h=self.n_heads) for to in (self.query, self.key, self.value)
        )
        q, k = self._turned(self.query_norm(q), places), self._turned(self.key_norm(k), places)
        bias = rearrange(self.variate_bias[places.same().int()], "n m h -> h n m")
        logits = torch.where(places.seen(), bias.to(q.dtype), -torch.inf)
        if is_recording("attention"):
            record("attention", self, weights=(q @ k.mT / q.shape[-1] ** 0.5 + logits).softmax(-1))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=logits)
        attended: Tensor = self.dropout(self.out(rearrange(out, "B h n e -> B n (h e)")))
        return attended

    def _turned(self, x: Float[Tensor, "B h n e"], places: Places) -> Float[Tensor, "B h n e"]:
        """Turn the first half of each head."""
        half = x.shape[-1] // 2
        turn = rotation_at(places.time, half, theta=self.rope_theta, like=x)
        return torch.cat([rotate_neighbours(x[..., :half], turn), x[..., half:]], dim=-1)
