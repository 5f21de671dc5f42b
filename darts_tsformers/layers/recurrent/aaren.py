"""Aaren: a transformer layer whose attention goes on in constant memory."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.norm import build_norm
from darts_tsformers.layers.transformer.feed_forward import FeedForward
from darts_tsformers.recording import is_recording, record
from darts_tsformers.recurrence import (
    PrefixState,
    advance_prefix_attention,
    begin_prefix_attention,
    prefix_attention,
    prefix_weights,
)


class AarenAttention(nn.Module):
    r"""Multi-head attention of one learned token to every prefix of a sequence.

    .. math:: a_t = W_o \, \mathrm{softmax}_{j \le t}\!\left((W_q c)^\top (W_k x_j) / \sqrt{e}\right) W_v x_j

    with one token :math:`c` for the whole layer. Cost: O(L D) for a sequence, beside the projections.

    Parameters
    ----------
    d_model
        Width ``D``.
    n_heads
        Heads ``h``; must divide ``d_model``.
    dropout
        Applied to the output.

    Raises
    ------
    ValueError
        If a size is below 1 or ``n_heads`` does not divide ``d_model``.
    """

    def __init__(self, d_model: int, n_heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads)
        if d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}")
        self.n_heads = n_heads
        self.query = nn.Parameter(torch.randn(d_model))
        self.project_in = nn.Linear(d_model, 3 * d_model)
        self.project_out = nn.Linear(d_model, d_model)
        self.dropout = Dropout(dropout)
        for part in self.project_in.weight.chunk(3):
            nn.init.xavier_uniform_(part.data)
        nn.init.zeros_(self.project_in.bias)

    def forward(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L D"]:
        """Attend to each prefix; ``mask`` says which tokens there are, the others are padding."""
        scores, values = self._compared(x)
        if is_recording("attention"):
            record("attention", self, weights=prefix_weights(scores, mask))
        return self._merged(prefix_attention(scores, values, mask))

    def begin(
        self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], PrefixState]:
        """Attend to each prefix, and keep what is needed to go on."""
        scores, values = self._compared(x)
        if is_recording("attention"):
            record("attention", self, weights=prefix_weights(scores, mask))
        out, state = begin_prefix_attention(scores, values, mask)
        return self._merged(out), state

    def advance(
        self, x: Float[Tensor, "B 1 D"], state: PrefixState, mask: Bool[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B 1 D"], PrefixState]:
        """Attend to the prefix that one more token makes. Nothing is recorded: the state has no earlier scores."""
        scores, values = self._compared(x)
        out, state = advance_prefix_attention(scores[..., 0], values[..., 0, :], state, mask)
        return self._merged(out[..., None, :]), state

    def _compared(self, x: Float[Tensor, "B L D"]) -> tuple[Float[Tensor, "B h L"], Float[Tensor, "B h L e"]]:
        """Return how well each token answers the query, and its value."""
        d = x.shape[-1]
        weight, bias = self.project_in.weight, self.project_in.bias
        query = rearrange(F.linear(self.query, weight[:d], bias[:d]), "(h e) -> h e 1", h=self.n_heads)
        k, v = F.linear(x, weight[d:], bias[d:]).chunk(2, dim=-1)
        keys, values = (rearrange(t, "B L (h e) -> B h L e", h=self.n_heads) for t in (k, v))
        return (keys @ (query / math.sqrt(query.shape[1]))).squeeze(-1), values

    def _merged(self, out: Float[Tensor, "B h L e"]) -> Float[Tensor, "B L D"]:
        projected: Tensor = self.dropout(self.project_out(rearrange(out, "B h L e -> B L (h e)")))
        return projected


class AarenLayer(nn.Module):
    """``x = norm(x + attention(x)); x = norm(x + feed_forward(x))``, where a token sees those up to it.

    The layer of a post-norm transformer with :class:`AarenAttention`: ``d_model`` parameters more. What it keeps of a
    sequence to go on is as large as one token.

    Parameters
    ----------
    d_model, n_heads, d_ff
        Width, heads, inner width of the feed-forward part.
    dropout
        After attention and in the feed-forward part.
    activation
        ``"gelu"``, ``"relu"``, ``"elu"``, ``"silu"`` or ``"squared_relu"``.
    norm
        ``"layer"`` or ``"batch"``.

    Raises
    ------
    ValueError
        If a size is below 1, ``n_heads`` does not divide ``d_model``, or a name is not known.

    Notes
    -----
    Feng et al., "Attention as an RNN", 2024 (arXiv 2405.13956), section 3.3. No code of the authors is public. That the
    learned query is one token, which passes through the projection of queries like any other, follows from the
    paper's numbers of parameters: 3,152,384 and, with the query, 512 more for ``d_model=512``. Our choice is that the
    token is drawn from a normal distribution.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.recurrent.aaren import AarenLayer
    >>> layer = AarenLayer(d_model=8, n_heads=2, d_ff=16).eval()
    >>> x = torch.randn(3, 12, 8)  # (B, L, D)
    >>> _, state = layer.begin(x[:, :11])
    >>> y, state = layer.advance(x[:, 11:], state)
    >>> torch.allclose(y, layer(x)[:, 11:], atol=1e-5)
    True
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        dropout: float = 0.0,
        activation: str = "gelu",
        norm: str = "layer",
    ) -> None:
        super().__init__()
        require_at_least(1, d_ff=d_ff)
        self.attention = AarenAttention(d_model, n_heads, dropout=dropout)
        self.attention_norm = build_norm(norm, d_model)
        self.feed_forward = FeedForward(d_model, d_ff, dropout=dropout, activation=activation)
        self.feed_forward_norm = build_norm(norm, d_model)

    def forward(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None) -> Float[Tensor, "B L D"]:
        """Encode the tokens; those that ``mask`` says are not there are seen by none."""
        return self._completed(x, self.attention(x, mask))

    def begin(
        self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], PrefixState]:
        """Encode the tokens, and keep what :meth:`advance` needs to go on."""
        attended, state = self.attention.begin(x, mask)
        return self._completed(x, attended), state

    def advance(
        self, x: Float[Tensor, "B 1 D"], state: PrefixState, mask: Bool[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B 1 D"], PrefixState]:
        """Encode one more token, in time and memory that do not grow with those before it."""
        attended, state = self.attention.advance(x, state, mask)
        return self._completed(x, attended), state

    def _completed(self, x: Float[Tensor, "B L D"], attended: Float[Tensor, "B L D"]) -> Float[Tensor, "B L D"]:
        x = self.attention_norm(x + attended)
        tokens: Tensor = self.feed_forward_norm(x + self.feed_forward(x))
        return tokens
