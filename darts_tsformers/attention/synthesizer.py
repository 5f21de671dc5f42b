"""Synthesizer: attention whose scores never compare a query with a key."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention._base import Attention, HeadSizes
from darts_tsformers.checks import require_at_least, require_one_of

KINDS = ("dense", "random", "factorised")


class SynthesizerAttention(Attention):
    r"""Attention with scores that each query makes by itself, or that are learnt and the same for all inputs.

    .. math::

        S_i = \begin{cases}
            W_2\, \mathrm{relu}(W_1 q_i + b_1) + b_2 & \text{"dense"} \\
            R_i & \text{"random"} \\
            R^{(1)}_i R^{(2)\top} & \text{"factorised"}
        \end{cases}
        \qquad o_i = \sum_j \mathrm{softmax}_j(S_i)\, v_j

    Scores have a column for each position up to the longest that the layer serves. A shorter input takes the first
    columns, before the softmax. Each head has parameters of its own; keys count for their number only.

    Cost: O(L M r) time with r the ``width``, O((L + M) r) memory, in PyTorch's fused kernel; ``"random"`` holds its
    L x M scores, once for all samples.

    Parameters
    ----------
    kind
        ``"dense"``, ``"random"`` or ``"factorised"``, as above.
    width
        Hidden features of ``"dense"``, or the rank of ``"factorised"``; ``"random"`` makes no use of it.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Tay et al., "Synthesizer: Rethinking Self-Attention for Transformer Models", ICML 2021, sections 3.1 and 3.2; the
    scores are not divided by the root of the width. Deviation: the first map acts on the query of a head, not on the
    whole token; as the query is a linear map of the token, this is the paper's form with a factorised ``W_1``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import HeadSizes, build_attention
    >>> sizes = HeadSizes(n_heads=4, d_head=5, n_queries=12, n_keys=12)
    >>> mechanism = build_attention(("synthesizer", {"kind": "factorised", "width": 3}), sizes)
    >>> q = torch.randn(2, 4, 9, 5)  # (B, h, L, e)
    >>> mechanism(q, q, q, causal=True)[0].shape
    torch.Size([2, 4, 9, 5])
    """

    def __init__(self, kind: str = "dense", width: int = 16) -> None:
        super().__init__()
        require_one_of(KINDS, kind=kind)
        require_at_least(1, width=width)
        self.kind = kind
        self.width = width
        self.sizes: HeadSizes | None = None

    def fit_to(self, sizes: HeadSizes) -> None:
        """Make scores for as many queries and keys."""
        self.sizes = sizes
        h, n, m, r = sizes.n_heads, sizes.n_queries, sizes.n_keys, self.width
        if self.kind == "dense":
            self.widen, self.widen_bias = _drawn(h, r, sizes.d_head), nn.Parameter(torch.zeros(h, r))
            self.narrow, self.narrow_bias = _drawn(h, m, r), nn.Parameter(torch.zeros(h, m))
        elif self.kind == "random":
            self.scores = _drawn(h, n, m)
        else:
            self.of_queries, self.of_keys = _drawn(h, n, r), _drawn(h, m, r)

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend by the scores that are learnt, or made from the queries.

        Raises
        ------
        ValueError
            If the mechanism was made for other sizes; if ``causal`` and queries and keys differ in number.
        """
        self.require_fit(self.sizes, q, k)
        if causal and q.shape[-2] != k.shape[-2]:
            raise ValueError(f"causal=True needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        if need_weights or self.kind == "random":
            weights = self.weights(q, k, causal=causal)
            return weights @ v, weights if need_weights else None
        left, right = self._factors(q, k)
        width = max(left.shape[-1], v.shape[-1])  # the fused kernel serves equal widths only
        left, right, values = (F.pad(t, (0, width - t.shape[-1])) for t in (left, right, v))
        return F.scaled_dot_product_attention(left, right, values, is_causal=causal, scale=1.0)[
            ..., : v.shape[-1]
        ], None

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map; each row sums to 1. O(L M) memory."""
        self.require_fit(self.sizes, q, k)
        if self.kind == "random":
            scores = self.scores[:, : q.shape[-2], : k.shape[-2]].to(q.dtype)
        else:
            left, right = self._factors(q, k)
            scores = left @ right.mT
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        return scores.softmax(-1).expand(q.shape[0], -1, -1, -1)

    def _factors(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]
    ) -> tuple[Float[Tensor, "B h L r"], Float[Tensor, "B h M r"]]:
        """Return what the scores are products of; a last feature of ones carries the bias."""
        n, m = q.shape[-2], k.shape[-2]
        if self.kind == "factorised":
            left, right = self.of_queries[:, :n], self.of_keys[:, :m]
        else:
            hidden = (q @ self.widen.mT.to(q.dtype) + self.widen_bias[:, None].to(q.dtype)).relu()
            left = F.pad(hidden, (0, 1), value=1.0)
            right = torch.cat([self.narrow, self.narrow_bias[..., None]], dim=-1)[:, :m]
        return left.to(q.dtype).expand(q.shape[0], -1, -1, -1), right.to(q.dtype).expand(q.shape[0], -1, -1, -1)


def _drawn(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(shape) / math.sqrt(shape[-1]))
