"""Kernelised attention with relative positions: a bias for each distance, applied by fast Fourier transform."""

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention._base import Attention, HeadSizes
from darts_tsformers.attention._features import widened
from darts_tsformers.attention._tiles import common_length
from darts_tsformers.attention.performer import drawn
from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.rebuilding import in_parts
from darts_tsformers.execution.tracing import is_traced

FEW_STEPS = 128
"""Up to how many steps the map itself costs less than the transforms."""


class NPRFAttention(Attention):
    r"""Attention by positive random features, with a learnt bias for each distance.

    .. math::

        o_i = \frac{\sum_j e^{b_{j - i}} \, \phi(\hat q_i)^\top \phi(\hat k_j) \, v_j}
        {\sum_j e^{b_{j - i}} \, \phi(\hat q_i)^\top \phi(\hat k_j)}, \qquad
        \phi(x) = \frac{1}{\sqrt m} \exp\!\left(\omega_r^\top x - \tfrac{1}{2} \lVert x \rVert^2\right)_{r = 1 \dots m}

    with :math:`\hat q, \hat k` of length 1, which keeps the exponentials small. The factors :math:`e^{b_{j - i}}` are a
    Toeplitz matrix, whose product with a column takes two FFTs; there are :math:`m (f + 1)` columns. When causal the
    factors of later steps are zero.

    In training the features are drawn anew in each pass; in evaluation they are a fixed function of ``m`` and ``e``.

    Cost: O(L log L m f) time, O(L (e + f)) memory beside that of one head at work. Sequences of up to 128 steps, and
    exported graphs, form the map, at O(L^2 (m + f)) time. Sums whose factors are less than about 1e-6 of the largest
    are lost in the rounding of a transform.

    Parameters
    ----------
    n_features
        Random features ``m``. By default the width of a head.

    Raises
    ------
    ValueError
        If ``n_features`` is below 1.

    Notes
    -----
    Luo et al., "Stable, Fast and Accurate: Kernelized Attention with Relative Positional Encoding", NeurIPS 2021,
    sections 3.1 and 3.2. No code of the authors was compared. Biases are zero at first: no distance is preferred. Those
    of the distances that a shorter input has not are not used.

    Examples
    --------
    It is made for a number of steps, and serves up to so many:

    >>> import torch
    >>> from darts_tsformers.attention import HeadSizes, build_attention
    >>> nprf = build_attention("nprf", HeadSizes(4, 16, n_queries=512, n_keys=512))
    >>> nprf.bias.shape  # for each head, from 511 steps back to 511 ahead
    torch.Size([4, 1023])
    >>> q, k, v = torch.randn(3, 2, 4, 300, 16)  # each (B, h, L, e)
    >>> nprf(q, k, v, causal=True)[0].shape
    torch.Size([2, 4, 300, 16])
    """

    supports_cross = False  # queries and keys share their positions
    width_power: ClassVar[float] = 0.0

    def __init__(self, n_features: int | None = None) -> None:
        super().__init__()
        if n_features is not None:
            require_at_least(1, n_features=n_features)
        self.n_features = None if n_features is None else int(n_features)
        self.sizes: HeadSizes | None = None

    def fit_to(self, sizes: HeadSizes) -> None:
        """Make the biases, for distances of less than so many steps."""
        self.sizes = sizes
        self.bias = nn.Parameter(torch.zeros(sizes.n_heads, 2 * max(sizes.n_queries, sizes.n_keys) - 1))

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend to all keys, or to those up to the query's own position.

        Raises
        ------
        ValueError
            If queries and keys differ in number, or do not fit the layer that the mechanism was made for.
        """
        length = common_length("nprf", q, k)
        self.require_fit(self.sizes, q, k)
        middle = self.bias.shape[-1] // 2
        bias = self.bias[:, middle - length + 1 : middle + length]
        rows = drawn(self.n_features or q.shape[-1], q.shape[-1], training=self.training)
        with without_autocast(q):
            projection = torch.tensor(rows.tolist(), dtype=widened(q).dtype, device=q.device)
            of_queries, of_keys = (unit_features(widened(x), projection) for x in (q, k))
            factors = distance_factors(widened(bias), causal=causal)
            out = attend_by_distance(of_queries, of_keys, widened(v), factors).to(v.dtype)
            weights = distance_weights(of_queries, of_keys, factors).to(q.dtype) if need_weights else None
        return out, weights


def unit_features(x: Float[Tensor, "B h L e"], projection: Float[Tensor, "m e"]) -> Float[Tensor, "B h L m"]:
    """Return positive features of the directions of ``x``."""
    exponents = F.normalize(x, dim=-1) @ projection.mT - 0.5
    return exponents.exp() / math.sqrt(projection.shape[0])


def distance_factors(bias: Float[Tensor, "h D"], *, causal: bool) -> Float[Tensor, "h D"]:
    """Return the exponentials of biases of distances from 1 - L to L - 1, the largest of them 1; no later ones."""
    length = bias.shape[-1] // 2 + 1
    kept = bias[:, :length] if causal else bias
    factors = (kept - kept.detach().amax(-1, keepdim=True)).exp()
    return F.pad(factors, (0, bias.shape[-1] - kept.shape[-1]))


def attend_by_distance(
    of_queries: Float[Tensor, "B h L m"],
    of_keys: Float[Tensor, "B h L m"],
    v: Float[Tensor, "B h L f"],
    factors: Float[Tensor, "h D"],
) -> Float[Tensor, "B h L f"]:
    """Average values by products of features times the factor of the distance."""
    if v.shape[-2] <= FEW_STEPS or is_traced():
        return distance_weights(of_queries, of_keys, factors) @ v
    return attend_by_transform(of_queries, of_keys, v, factors)


def attend_by_transform(
    of_queries: Float[Tensor, "B h L m"],
    of_keys: Float[Tensor, "B h L m"],
    v: Float[Tensor, "B h L f"],
    factors: Float[Tensor, "h D"],
) -> Float[Tensor, "B h L f"]:
    """Do the same without the map, a few heads at a time; no transform is kept."""
    batch, length = v.shape[0], v.shape[-2]
    values = F.pad(v, (0, 1), value=1.0)  # the sum of the weights is a column too
    heads = (t.flatten(0, 1) for t in (of_queries, of_keys, values, factors.expand(batch, *factors.shape)))
    n = transform_length(2 * length - 1)
    sums = in_parts(_sums_by_fft, *heads, size=n * of_keys.shape[-1] * values.shape[-1])
    total = sums[..., -1:].clamp_min(torch.finfo(sums.dtype).tiny)  # rounding may take it below zero
    return rearrange(sums[..., :-1] / total, "(B h) L f -> B h L f", h=v.shape[1])


def distance_weights(
    of_queries: Float[Tensor, "B h L m"], of_keys: Float[Tensor, "B h L m"], factors: Float[Tensor, "h D"]
) -> Float[Tensor, "B h L L"]:
    """Return the map; each row sums to 1. O(L^2) memory."""
    length = of_queries.shape[-2]
    steps = torch.arange(length, device=of_queries.device)
    products = of_queries @ of_keys.mT * factors[:, steps - steps[:, None] + length - 1]
    return products / products.sum(-1, keepdim=True)


def transform_length(least: int) -> int:
    """Return the next length that transforms are fast for: 2, 3 or 5 times a power of 2, and products of these.

    Examples
    --------
    >>> from darts_tsformers.attention.nprf import transform_length
    >>> [transform_length(n) for n in (1, 7, 97, 8191)]
    [1, 8, 100, 8192]
    """
    found = 1 << (least - 1).bit_length()
    for odd in (3, 5, 9, 15, 25, 45):
        found = min(found, odd << max(0, (-(-least // odd) - 1).bit_length()))
    return found


def _sums_by_fft(
    of_queries: Float[Tensor, "G L m"],
    of_keys: Float[Tensor, "G L m"],
    values: Float[Tensor, "G L f"],
    factors: Float[Tensor, "G D"],
) -> Float[Tensor, "G L f"]:
    """Return the sums over keys: the columns are convolved with the factors, then weighted by the queries' features."""
    length = values.shape[1]
    n = transform_length(2 * length - 1)
    columns = of_keys.mT[:, :, None] * values.mT[:, None]  # (G, m, f, L), time last
    # what comes from t steps back is at t, from t steps ahead at n - t
    kernel = torch.cat([factors[:, :length].flip(-1), factors.new_zeros(len(factors), n - 2 * length + 1),
                        factors[:, length:].flip(-1)], dim=-1)  # fmt: skip
    spectrum = torch.fft.rfft(columns, n) * torch.fft.rfft(kernel, n)[:, None, None]
    convolved = torch.fft.irfft(spectrum, n)[..., :length]
    return (convolved * of_queries.mT[:, :, None]).sum(1).mT
