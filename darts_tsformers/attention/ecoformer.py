"""EcoFormer: queries and keys are compared by short binary codes."""

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention._base import Attention, HeadSizes
from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.autocast import without_autocast

CHUNK = 64
"""Steps of a causal block, within which all pairs are formed."""


class EcoFormerAttention(Attention):
    r"""Attention whose weights count the bits that the codes of a query and a key have in common.

    .. math::

        \kappa(x)_a = \exp\!\left(-\frac{\|x / \|x\| - c_a\|^2}{2 \sigma}\right), \qquad
        H(x) = \mathrm{sign}\!\left(A (\kappa(x) - \mu)\right) \in \{-1, 1\}^b

    .. math:: o_i = \frac{\sum_j w_{ij} v_j}{\sum_j w_{ij}}, \qquad w_{ij} = H(q_i) \cdot H(k_j) + b + 1

    with the anchors :math:`c` of a head. Weights are at least 1 before they are divided. The sum over keys is a product
    of codes with a state of ``(b + 1) x f`` numbers, so that no pair is ever formed but, when causal, within blocks.

    Cost: O((L + M) (a e + b (a + f))) time, O((L + M) (a + b + f)) memory.

    Parameters
    ----------
    n_bits
        Bits ``b`` of a code.
    n_anchors
        Anchors ``a`` that a token is compared with to make its code.

    Raises
    ------
    ValueError
        If an argument is not an integer of at least 1.

    Notes
    -----
    Liu et al., "EcoFormer: Energy-Saving Attention with Linear Complexity", NeurIPS 2022. The gradient of the sign is 1
    where its argument is in (-1, 1), as there, and 0 elsewhere.

    Deviations: the published code adds :math:`(b + 1) v_i` to the numerator where :math:`(b + 1) \sum_j v_j` belongs,
    so that its weights do not sum to one. Queries and keys may come from two projections; with one they are those of
    the paper. The hash A and the centre :math:`\mu` are learnt by the loss of the forecast, through the signs, where
    the paper fits them to the largest and smallest scores of exact attention every 30 epochs. The anchors are drawn
    once, of unit norm, and :math:`\sigma` is their own mean squared distance, where the published code takes that of
    all tokens of a sample to the anchors: the future would move the weights of the past.

    A bit is a threshold: two tokens that rounding alone tells apart differ in it if they lie within rounding of it. The
    codes are made in float32 at least, so that this takes tokens within a millionth of the threshold.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import HeadSizes, build_attention
    >>> mechanism = build_attention("ecoformer", HeadSizes(n_heads=2, d_head=5, n_queries=12, n_keys=12))
    >>> q, k, v = torch.randn(3, 1, 2, 12, 5)  # (B, h, L, e)
    >>> mechanism.codes(q).shape
    torch.Size([1, 2, 12, 16])
    """

    anchors: Tensor
    width: Tensor

    def __init__(self, n_bits: int = 16, n_anchors: int = 25) -> None:
        super().__init__()
        require_at_least(1, n_bits=n_bits, n_anchors=n_anchors)
        self.n_bits = n_bits
        self.n_anchors = n_anchors
        self.sizes: HeadSizes | None = None

    def fit_to(self, sizes: HeadSizes) -> None:
        """Draw anchors, and start from random hashes."""
        self.sizes = sizes
        shape = sizes.n_heads, self.n_anchors, sizes.d_head
        anchors = F.normalize(torch.randn(shape, generator=torch.Generator().manual_seed(0)), dim=-1)
        distances = torch.cdist(anchors, anchors).square()
        width = distances.mean((-2, -1)).clamp(min=0.5)  # one anchor has no distances
        self.register_buffer("anchors", anchors)
        self.register_buffer("width", width)
        self.mean = nn.Parameter(torch.exp(-distances / (2 * width[:, None, None])).mean(-1))
        self.hashes = nn.Parameter(torch.randn(sizes.n_heads, self.n_bits, self.n_anchors) / math.sqrt(self.n_anchors))

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend by codes; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If the mechanism was made for other heads; if ``causal`` and queries and keys differ in number.
        """
        if causal and q.shape[-2] != k.shape[-2]:
            raise ValueError(f"causal=True needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        of_queries, of_keys = self.codes(q), self.codes(k)
        with without_autocast(q):
            out = attend_codes(of_queries, of_keys, v.to(of_keys.dtype), causal=causal).to(v.dtype)
        weights = code_weights(of_queries, of_keys, causal=causal).to(q.dtype) if need_weights else None
        return out, weights

    def codes(self, x: Float[Tensor, "B h L e"]) -> Float[Tensor, "B h L b"]:
        """Return the code of each token, in float32 at least."""
        self.require_fit(self.sizes and replace(self.sizes, n_queries=x.shape[-2], n_keys=x.shape[-2]), x, x)
        wide = torch.promote_types(x.dtype, torch.float32)
        with without_autocast(x):
            anchors, mean, hashes, width = (t.to(wide) for t in (self.anchors, self.mean, self.hashes, self.width))
            return binary_codes(x.to(wide), anchors, mean, hashes, width)

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map; each row sums to 1. O(L M) memory: for explanations, not for training."""
        return code_weights(self.codes(q), self.codes(k), causal=causal).to(q.dtype)


def binary_codes(
    x: Float[Tensor, "B h L e"],
    anchors: Float[Tensor, "h a e"],
    mean: Float[Tensor, "h a"],
    hashes: Float[Tensor, "h b a"],
    width: Float[Tensor, "*s h"],
) -> Float[Tensor, "B h L b"]:
    """Return the codes of tokens; gradients pass the signs where their arguments are in (-1, 1)."""
    unit = F.normalize(x, dim=-1)
    distances = unit.square().sum(-1, keepdim=True) + anchors.square().sum(-1)[:, None] - 2 * unit @ anchors.mT
    likeness = torch.exp(-distances / (2 * width[..., None, None]))
    sides = (likeness - mean[:, None]) @ hashes.mT
    inside = sides.clamp(-1, 1)
    return sides.detach().sign() + (inside - inside.detach())


def attend_codes(
    of_queries: Float[Tensor, "B h L b"],
    of_keys: Float[Tensor, "B h M b"],
    v: Float[Tensor, "B h M f"],
    *,
    causal: bool,
) -> Float[Tensor, "B h L f"]:
    """Average values by the bits that codes share; the offset is one more feature, the same for all."""
    offset = math.sqrt(of_keys.shape[-1] + 1)
    q, k = (F.pad(t, (0, 1), value=offset) for t in (of_queries, of_keys))
    values = F.pad(v, (0, 1), value=1.0)
    sums = _sums_of_the_past(q, k, values) if causal else q @ (k.mT @ values)
    return sums[..., :-1] / sums[..., -1:]


def code_weights(
    of_queries: Float[Tensor, "B h L b"], of_keys: Float[Tensor, "B h M b"], *, causal: bool
) -> Float[Tensor, "B h L M"]:
    """Return the weight of each key for each query."""
    raw = of_queries @ of_keys.mT + (of_keys.shape[-1] + 1)
    raw = raw.tril() if causal else raw
    return raw / raw.sum(-1, keepdim=True)


def _sums_of_the_past(
    q: Float[Tensor, "B h L b"], k: Float[Tensor, "B h L b"], v: Float[Tensor, "B h L f"]
) -> Float[Tensor, "B h L f"]:
    """Sum ``(q_i . k_j) v_j`` over ``j <= i``: pair by pair within blocks, by a state over all blocks before."""
    length = q.shape[-2]
    missing = -length % CHUNK
    q, k, v = (torch.unflatten(F.pad(t, (0, 0, 0, missing)), -2, (-1, CHUNK)) for t in (q, k, v))
    states = (k.mT @ v)[..., :-1, :, :].cumsum(-3)
    before = F.pad(states, (0, 0, 0, 0, 1, 0))
    within = (q @ k.mT).tril() @ v
    return (q @ before + within).flatten(-3, -2)[..., :length, :]
