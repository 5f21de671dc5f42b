"""ProbSparse attention: the queries that have something to find attend, the others average."""

import math
import random
from collections.abc import Collection
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.attention._ties import highest
from darts_tsformers.attention.full import FullAttention, _widened
from darts_tsformers.execution.autocast import without_autocast

EVALUATION_SEED = 0
CHUNK = 2**14  # elements for each head of the largest tensor made while measuring: a processor's cache holds them


class ProbSparseAttention(Attention):
    r"""Informer's attention: exact for the few queries whose scores are far from uniform, an average for the rest.

    .. math::

        M_i = \max_{j \in S} q_i^\top k_j - \frac{1}{|S|} \sum_{j \in S} q_i^\top k_j,
        \qquad I = \text{the } u \text{ queries with the largest } M_i

    .. math::

        o_i = \begin{cases}
            \sum_j \mathrm{softmax}_j\!\left(q_i^\top k_j / \sqrt{e}\right) v_j & i \in I \\
            \frac{1}{M} \sum_j v_j & \text{otherwise}
        \end{cases}

    with :math:`S` a random sample of :math:`U = \min(c \lceil \ln M \rceil, M)` keys and
    :math:`u = \min(c \lceil \ln L \rceil, L)`, both at least 1. Each head of each sample of the batch selects its own
    queries; the sampled keys are the same for all of them, so that no forecast depends on its batch mates. With
    :math:`u = L` this is exact attention.

    Causal rows attend to, measure by and average over the keys up to their own position. Only *which* rows are selected
    compares all queries, as in the paper: a later query can turn an earlier row lazy, though none of its values get
    there. That is harmless where later rows are placeholders, as in Informer's decoder, and is why the class is not
    ``strictly_causal``. A query that has none of the sampled keys in its past is measured by minus infinity: it is
    selected last.

    Cost: O((L + M) ln(L + M) e) time. O((L + M) e) memory, and O(M ln L) more for the mask when causal or O(L ln M) for
    the table of keys when each query draws its own; measuring runs in chunks of bounded size. Drawing for each query
    takes about four times as long.

    Parameters
    ----------
    factor
        ``c`` above: sampled keys and selected queries for each unit of the logarithm. At least 1.
    sampling
        ``"shared"``: one sample of different keys serves all queries, and the measure is one matrix product.
        ``"per_query"``: each query draws its own, with replacement, as the authors' code does.
    lazy_context
        What a lazy query takes when causal: ``"cummean"``, the mean of the values so far (attention with equal weights,
        as without a mask), or ``"cumsum"``, their sum, as in the authors' code: it grows with the position, and its row
        of the attention map sums to ``i + 1``. Without a mask both are the mean of all values.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Zhou et al., "Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting", AAAI 2021, section
    3.1 and algorithm 1. ``M_i`` is the paper's :math:`\overline{M}(q_i, K)` times :math:`\sqrt{d}`, which ranks alike;
    ``S`` is its :math:`\overline{K}` and ``c`` its sampling factor. Deviations: the mean over the sample is divided by
    the size of the sample, as the paper writes, and not by M, as the authors' code does (the rankings differ); a causal
    query is measured by earlier keys only; the sample is shared unless asked otherwise; of queries whose measures
    differ by less than 1e-5 of the most that a score of the head could come to, by the norms of queries and keys,
    earlier ones are selected, where rounding would decide. In evaluation the sample is a fixed function of the lengths,
    so that the same input gives the same forecast; in training it comes from torch's default generator.

    Examples
    --------
    Of 48 queries, twice the logarithm, rounded up to 4, attend:

    >>> import torch
    >>> from darts_tsformers.attention import ProbSparseAttention
    >>> q, k, v = torch.randn(3, 2, 4, 48, 5)  # each (B, h, L, e)
    >>> attention = ProbSparseAttention(factor=2)
    >>> attention(q, k, v)[0].shape
    torch.Size([2, 4, 48, 5])
    >>> attention.select(q, k).shape
    torch.Size([2, 4, 8])
    """

    strictly_causal: ClassVar[bool] = False

    def __init__(self, factor: int = 5, *, sampling: str = "shared", lazy_context: str = "cummean") -> None:
        super().__init__()
        if not isinstance(factor, int | np.integer) or isinstance(factor, bool) or factor < 1:
            raise ValueError(f"factor={factor!r} must be an integer of at least 1")
        if sampling not in ("per_query", "shared"):
            raise ValueError(f"sampling={sampling!r} must be one of ['per_query', 'shared']")
        if lazy_context not in ("cummean", "cumsum"):
            raise ValueError(f"lazy_context={lazy_context!r} must be one of ['cummean', 'cumsum']")
        self.factor = factor
        self.sampling = sampling
        self.lazy_context = lazy_context
        self._exact = FullAttention()

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend from the selected queries, to all keys or to those up to the query's own position.

        Raises
        ------
        ValueError
            If ``causal`` and the number of queries differs from that of keys: which positions are earlier is undefined.
        """
        if self._n_kept(q.shape[-2]) == q.shape[-2]:
            return self._exact(q, k, v, causal=causal, need_weights=need_weights)
        selected = self.select(q, k, causal=causal)
        past = _past(selected, k.shape[-2]) if causal else None
        attended = F.scaled_dot_product_attention(
            q.gather(-2, _along(selected, q.shape[-1])), k, _widened(v, q.shape[-1]), attn_mask=past
        )[..., : v.shape[-1]]
        out = self._lazy(v, q.shape[-2], causal=causal).scatter_(-2, _along(selected, v.shape[-1]), attended)
        return out, self._weights(q, k, selected, causal=causal) if need_weights else None

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map, lazy rows uniform. O(L M) memory: for explanations, not for training.

        In training the sample is drawn anew; the weights of one pass come from ``forward(..., need_weights=True)``.
        """
        if self._n_kept(q.shape[-2]) == q.shape[-2]:
            return self._exact.weights(q, k, causal=causal)
        selected = self.select(q, k, causal=causal)
        return self._weights(q, k, selected, causal=causal)

    @torch.no_grad()
    def select(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Int[Tensor, "B h u"]:
        """Return the positions of the queries that attend, in no order.

        Raises
        ------
        ValueError
            If ``causal`` and the number of queries differs from that of keys.
        """
        return highest(self._measured(q, k, causal=causal), self._n_kept(q.shape[-2]), _bound(q, k))

    def details(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        *,
        kinds: Collection[str],
        causal: bool = False,
    ) -> dict[str, dict[str, Tensor]]:
        """Return the measure of each query, and whether it was selected: ``"queries"``."""
        if "queries" not in kinds:
            return {}
        measured = self._measured(q, k, causal=causal)
        kept = highest(measured, self._n_kept(q.shape[-2]), _bound(q, k))
        selected = torch.zeros_like(measured, dtype=torch.bool).scatter_(-1, kept, True)
        return {"queries": {"measure": measured, "selected": selected}}

    def _measured(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool
    ) -> Float[Tensor, "B h L"]:
        if causal and q.shape[-2] != k.shape[-2]:
            raise ValueError(f"causal=True needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        with without_autocast(q):
            return measure(q, k, self._sample(q.shape[-2], k.shape[-2], q.device), causal=causal)

    def _n_kept(self, length: int) -> int:
        return min(max(1, self.factor * math.ceil(math.log(length))), length)

    def _sample(self, n_queries: int, n_keys: int, device: torch.device) -> Int[Tensor, "U"] | Int[Tensor, "L U"]:
        size = self._n_kept(n_keys)
        if self.sampling == "per_query":
            if torch.compiler.is_exporting():
                return torch.tensor(_evaluation_draws(n_keys, (n_queries, size)), device=device)
            generator = None if self.training else torch.Generator().manual_seed(EVALUATION_SEED)
            source = device if self.training else torch.device("cpu")
            return torch.randint(n_keys, (n_queries, size), generator=generator, device=source).to(device)
        if self.training:
            return torch.randperm(n_keys, device=device)[:size]
        # plain numbers: an exported model holds them as a constant
        return torch.tensor(random.Random(EVALUATION_SEED).sample(range(n_keys), size), device=device)

    def _lazy(self, v: Float[Tensor, "B h M f"], n_queries: int, *, causal: bool) -> Float[Tensor, "B h L f"]:
        if not causal:
            return v.mean(-2, keepdim=True).repeat(1, 1, n_queries, 1)
        total = v.cumsum(-2, dtype=_wide(v))
        if self.lazy_context == "cummean":
            total /= torch.arange(1, n_queries + 1, dtype=total.dtype, device=v.device)[:, None]
        return total.to(v.dtype)

    def _weights(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        selected: Int[Tensor, "B h u"],
        *,
        causal: bool,
    ) -> Float[Tensor, "B h L M"]:
        b, h, n, e = q.shape
        m = k.shape[-2]
        rows = q.gather(-2, _along(selected, e)) @ k.mT / math.sqrt(e)
        lazy = q.new_ones(n, m)
        if causal:
            rows = rows.masked_fill(~_past(selected, m), -math.inf)
            lazy = lazy.tril()
        if not causal or self.lazy_context == "cummean":
            lazy = lazy / lazy.sum(-1, keepdim=True)
        return lazy.expand(b, h, n, m).scatter(-2, _along(selected, m), rows.softmax(-1))


def _evaluation_draws(n: int, shape: tuple[int, int]) -> list[list[int]]:
    """Return what torch's generator draws in evaluation, as plain numbers: NumPy has the same one."""
    bits = np.random.RandomState(EVALUATION_SEED).randint(2**32, size=shape, dtype=np.uint32)
    return (bits % n).tolist()


@torch.no_grad()
def measure(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h M e"],
    sample: Int[Tensor, "U"] | Int[Tensor, "L U"],
    *,
    causal: bool,
    divisor: int | None = None,
) -> Float[Tensor, "B h L"]:
    """Measure how far each query's scores are from uniform, by the keys sampled for all queries or for each.

    ``divisor`` replaces the number of scores in their mean.
    """
    q = q.to(_wide(q))  # ties among rounded scores would leave the selection to chance
    shared = sample.ndim == 1
    if shared:
        keys = k.index_select(-2, sample).to(q.dtype)
    else:  # one row for all heads: a gather of long rows takes half the time
        keys = rearrange(k.to(q.dtype), "B h M e -> M B h e").contiguous()
    step = max(1, CHUNK // (sample.shape[-1] * (1 if shared else q.shape[-1])))
    parts = []
    for start in range(0, q.shape[-2], step):
        queries = q[..., start : start + step, :]
        at = sample[:, None] if shared else sample[start : start + step].mT
        if shared:
            scores = keys @ queries.mT
        else:
            gathered = rearrange(keys.index_select(0, at.flatten()), "(U c) B h e -> U c B h e", U=at.shape[0])
            products = gathered * rearrange(queries, "B h c e -> c B h e")
            scores = rearrange(products.sum(-1), "U c B h -> B h U c")
        past = at <= torch.arange(start, start + queries.shape[-2], device=q.device) if causal else None
        parts.append(_peak_over_mean(scores, past, divisor))
    return torch.cat(parts, -1)


def _bound(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]) -> Float[Tensor, "B h 1"]:
    """Return the most that a score can come to in each head: the product of the largest norms."""
    by_step = (t.transpose(1, 2) for t in (q, k))  # as projections lay them out: three times as fast
    of_query, of_key = (torch.linalg.vector_norm(t, dim=-1, dtype=_wide(t)).amax(1) for t in by_step)
    return (of_query * of_key)[..., None]


def _peak_over_mean(
    scores: Float[Tensor, "B h U c"], past: Bool[Tensor, "U c"] | None, divisor: int | None
) -> Float[Tensor, "B h c"]:
    """Subtract the mean from the largest score of each query; where none is in the past, return minus infinity."""
    if past is None:
        return scores.amax(-2) - scores.sum(-2) / (divisor or scores.shape[-2])
    total = scores.masked_fill(~past, 0).sum(-2)
    return scores.masked_fill(~past, -math.inf).amax(-2) - total / (divisor or past.sum(-2).clamp(min=1))


def _past(positions: Int[Tensor, "B h u"], n_keys: int) -> Bool[Tensor, "B h u M"]:
    return torch.arange(n_keys, device=positions.device) <= positions[..., None]


def _along(index: Int[Tensor, "B h u"], width: int) -> Int[Tensor, "B h u w"]:
    return index[..., None].expand(*index.shape, width)


def _wide(t: Tensor) -> torch.dtype:
    return torch.float32 if t.dtype in (torch.float16, torch.bfloat16) else t.dtype
