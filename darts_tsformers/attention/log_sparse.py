"""LogSparse attention: each step sees its past at distances that double."""

import math
from numbers import Integral
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from darts_tsformers.attention._base import Attention
from darts_tsformers.attention.full import FullAttention
from darts_tsformers.execution.cache import parts
from darts_tsformers.execution.rows import take_rows

PATTERNS = ("plain", "local", "restart", "local+restart")


class LogSparseAttention(Attention):
    r"""Softmax attention over a logarithmic number of keys.

    .. math:: o_l = \sum_{j \in I_l} \mathrm{softmax}_j\!\left(q_l^\top k_j / \sqrt{e}\right) v_j

    A step sees itself and the steps at distances that double, :math:`I_l = \{l\} \cup \{l - 2^i \ge 0\}`; so a stack of
    :math:`\lfloor \log_2 L \rfloor + 1` layers carries every earlier step to the last. The variants see more:

    - ``"plain"``: the set above.
    - ``"local"``: the window :math:`l - w + 1, \dots, l` with :math:`w = \lceil \log_2 s \rceil`, then the doubling
      distances beyond it, :math:`l - w + 1 - 2^i`.
    - ``"restart"``: the set above up to a distance of ``s``, and again from :math:`l - s, l - 2s, \dots`
    - ``"local+restart"``: window and doubling distances up to ``s``, and again from :math:`l - s, l - 2s, \dots`; the
      rows :math:`l < 2 w \lfloor L / s \rfloor`, which would see much of their past, see all of it.

    When not causal, each set is joined by its mirror image, so that a step sees its future as it sees its past.

    Cost: O(L m e) time and O(L (m + e)) memory with ``m`` keys a step: about log L, and with restarts 2 w L / s. The
    loop is over distances, each a shifted view of keys and values, and the backward pass computes the products anew. A
    short ``sub_length`` with restarts sees nearly everything and saves nothing.

    Parameters
    ----------
    pattern
        One of ``"plain"``, ``"local"``, ``"restart"`` and ``"local+restart"``.
    sub_length
        Length ``s`` of a sub-sequence, at least 2; ``"plain"`` makes no use of it. By default half of the sequence,
        rounded up, so that the number of restarts does not grow with the length.

    Raises
    ------
    ValueError
        If ``pattern`` is none of the four, or ``sub_length`` is below 2: a window of no steps would see nothing.

    Notes
    -----
    Li et al., "Enhancing the Locality and Breaking the Memory Bottleneck of Transformer on Time Series Forecasting",
    NeurIPS 2019 (arXiv 1907.00235), section 4. The causal convolution that makes the paper's queries and keys has
    widths, so it belongs to the layer's projections and is not here. No code of the authors is public. Deviations: the
    form that is not causal, which encoders need; and where the reference leaves out the restart whose window begins
    before the sequence, its step is seen like every other.

    Examples
    --------
    With all scores equal, a step takes the same of itself and of the steps 1, 2, 4 and 8 before it:

    >>> import torch
    >>> from darts_tsformers.attention import LogSparseAttention
    >>> q = torch.zeros(1, 1, 9, 2)  # (B, h, L, e)
    >>> _, weights = LogSparseAttention()(q, q, q, causal=True, need_weights=True)
    >>> weights[0, 0, -1]
    tensor([0.2000, 0.0000, 0.0000, 0.0000, 0.2000, 0.0000, 0.2000, 0.2000, 0.2000])
    >>> LogSparseAttention("local", sub_length=4).distance_groups(16)
    {'self': [0], 'local': [1], 'log steps': [2, 3, 5, 9]}
    """

    supports_cross = False  # queries and keys share their positions

    def __init__(self, pattern: str = "plain", sub_length: int | None = None) -> None:
        super().__init__()
        if pattern not in PATTERNS:
            raise ValueError(f"pattern={pattern!r} must be one of {list(PATTERNS)}")
        if sub_length is not None and (not isinstance(sub_length, Integral) or int(sub_length) < 2):
            raise ValueError(f"sub_length={sub_length!r} must be None or an integer of at least 2")
        self.pattern = pattern
        self.sub_length = None if sub_length is None else int(sub_length)

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend within the pattern; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If queries and keys differ in number: their positions would not be the same.
        """
        length = _common_length(q, k)
        distances, dense = self._past(length)
        weights = self.weights(q, k, causal=causal) if need_weights else None
        if dense >= length:
            return FullAttention()(q, k, v, causal=causal)[0], weights
        far = length if causal else max(dense, length - dense)
        looks = distances if causal else [*distances, *(-distance for distance in distances if distance)]
        out = _attend_distances(q[..., dense:far, :], k, v, looks, dense)
        if dense:
            first, last = (self._attend_rows(q, k, v, r, causal=causal) for r in (slice(0, dense), slice(far, length)))
            out = torch.cat([first, out, last], dim=-2)
        return out, weights

    def row(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        row: int,
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from one row alone, to the few keys it sees."""
        distances, dense = self._past(_common_length(q, k))
        seen = list(range(row + 1)) if row < dense else [row - distance for distance in distances if distance <= row]
        return F.scaled_dot_product_attention(q[..., row : row + 1, :], k[..., seen, :], v[..., seen, :])

    def row_of_each(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        rows: Int[Tensor, " B"],
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from a row of its own in each sample, to the few keys it sees."""
        distances, dense = self._past(_common_length(q, k))
        row, back = rows[:, None], torch.tensor([*distances, *range(dense)], device=q.device)
        of_the_dense = torch.arange(len(back), device=q.device) >= len(distances)
        at = row - back
        seen = (at >= 0) & (of_the_dense == (row < dense))
        keys, values = (take_rows(t, at.clamp_min(0), dim=2) for t in (k, v))
        return F.scaled_dot_product_attention(take_rows(q, row, dim=2), keys, values, attn_mask=seen[:, None, None])

    def row_weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"], row: int
    ) -> Float[Tensor, "B h 1 L"]:
        """Return the weights of one row, in O(L e)."""
        visible = self._visible(slice(row, row + 1), k.shape[-2], causal=True, device=q.device)
        scores = q[..., row : row + 1, :] @ k.mT / math.sqrt(q.shape[-1])
        return scores.masked_fill(~visible, -math.inf).softmax(-1)

    def distance_groups(self, length: int) -> dict[str, list[int]]:
        """Name the distances of the pattern; rows that see all of their past have others as well."""
        distances, _ = self._past(length)
        near = self._near(self._sub_length(length))
        reach = self._sub_length(length) if "restart" in self.pattern else length
        steps = {step for i in range(length.bit_length()) if (step := near - 1 + 2**i) <= reach}
        groups: dict[str, list[int]] = {"self": [], "local": [], "log steps": [], "restarts": []}
        for distance in distances:
            name = "log steps" if distance in steps else "restarts"
            groups["self" if distance == 0 else "local" if distance < near else name].append(distance)
        return {name: group for name, group in groups.items() if group}

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map, zero off the pattern. O(L^2) memory: for explanations, not for training."""
        length = _common_length(q, k)
        visible = self._visible(slice(0, length), length, causal=causal, device=q.device)
        return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~visible, -math.inf).softmax(-1)

    def _attend_rows(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        rows: slice,
        *,
        causal: bool,
    ) -> Float[Tensor, "B h n f"]:
        """Attend for the few rows that see long stretches, with a mask."""
        length = q.shape[-2]
        visible = self._visible(rows, length, causal=causal, device=q.device)
        end = rows.stop if causal else length
        return F.scaled_dot_product_attention(
            q[..., rows, :], k[..., :end, :], v[..., :end, :], attn_mask=visible[:, :end]
        )

    def _visible(self, rows: slice, length: int, *, causal: bool, device: torch.device) -> Bool[Tensor, "n L"]:
        """Say which keys these rows see."""
        distances, dense = self._past(length)
        steps = torch.arange(length, device=device)
        row = steps[rows, None]
        seen = torch.zeros(length, dtype=torch.bool, device=device)
        seen[distances] = True
        visible = seen[(row - steps).abs()]
        earlier = steps <= row
        past = earlier & (visible | (row < dense))
        return past if causal else past | ~earlier & (visible | (row >= length - dense))

    def _past(self, length: int) -> tuple[list[int], int]:
        """Return the distances at which a row looks back, ascending, and how many first rows see all of their past."""
        s = self._sub_length(length)
        w = _log2_rounded_up(s)
        near = self._near(s)
        if "restart" in self.pattern:
            anchors = range(0, length, s)
            steps = [step for i in range(w) if (step := near - 1 + 2**i) <= s]
        else:
            anchors = range(1)
            steps = [near - 1 + 2**i for i in range(length.bit_length())]
        seen = {anchor + step for anchor in anchors for step in [*range(near), *steps]}
        distances = sorted(distance for distance in seen if distance < length)
        if len(distances) == length:
            return distances, length
        return distances, length // s * 2 * w if self.pattern == "local+restart" else 0

    def _sub_length(self, length: int) -> int:
        return max(2, -(-length // 2)) if self.sub_length is None else self.sub_length

    def _near(self, sub_length: int) -> int:
        """Return the width of the window of each step, its own included."""
        return _log2_rounded_up(sub_length) if "local" in self.pattern else 1


def _log2_rounded_up(n: int) -> int:
    return (n - 1).bit_length()


def _common_length(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]) -> int:
    if q.shape[-2] != k.shape[-2]:
        raise ValueError(f"log-sparse attention needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
    return q.shape[-2]


def _attend_distances(
    q: Float[Tensor, "B h n e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    distances: list[int],
    start: int,
) -> Float[Tensor, "B h n f"]:
    """Attend from row ``start + i`` to the keys at the given distances before it; negative ones lie after it."""
    if torch.compiler.is_exporting():
        return _gather_distances(q, k, v, distances, start)
    wide = torch.promote_types(q.dtype, torch.float32)  # a sum over distances would round at each of them
    queries, keys, values = (t.to(wide).flatten(0, 1).mT.contiguous() for t in (q, k, v))
    scaled = queries / math.sqrt(q.shape[-1])
    out: Tensor = _Distances.apply(scaled, keys, values, distances, start)  # type: ignore[no-untyped-call]
    return out.mT.reshape(*q.shape[:-1], v.shape[-1]).to(v.dtype)


def _gather_distances(
    q: Float[Tensor, "B h n e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    distances: list[int],
    start: int,
) -> Float[Tensor, "B h n f"]:
    """Do the same in a few operations on copies of the keys, O(n m e) memory: a graph that does not grow with them."""
    rows = torch.arange(start, start + q.shape[-2], device=q.device)[:, None]
    at = rows - torch.tensor(distances, device=q.device)
    exists = (at >= 0) & (at < k.shape[-2])
    keys, values = (t[..., at.clamp(0, k.shape[-2] - 1), :] for t in (k, v))
    scores = (keys @ q[..., None] / math.sqrt(q.shape[-1])).squeeze(-1)
    weights = scores.masked_fill(~exists, -math.inf).softmax(-1)
    return (weights[..., None, :] @ values).squeeze(-2)


class _Distances(torch.autograd.Function):
    """Attention at fixed distances, time last: products run over contiguous memory, and none of them is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Float[Tensor, "N e n"],
        k: Float[Tensor, "N e L"],
        v: Float[Tensor, "N f L"],
        distances: list[int],
        start: int,
    ) -> Float[Tensor, "N f n"]:
        weights = q.new_full((q.shape[0], len(distances), q.shape[-1]), -math.inf)
        out = v.new_zeros(*v.shape[:2], q.shape[-1])
        spans = _spans(distances, start, q.shape[-1], k.shape[-1])
        for heads in parts(q, q.shape[0], k.shape[1] * k.shape[2]):
            q_, k_, v_, w_, out_ = (t[heads] for t in (q, k, v, weights, out))
            for i, rows, keys in spans:
                w_[:, i, rows] = (q_[..., rows] * k_[..., keys]).sum(1)
            w_.copy_(w_.softmax(1))
            for i, rows, keys in spans:
                out_[..., rows].addcmul_(w_[:, i : i + 1, rows], v_[..., keys])
        ctx.save_for_backward(q, k, v, weights)
        ctx.spans = spans
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: Float[Tensor, "N f n"]) -> tuple[Tensor | None, ...]:
        q, k, v, weights = ctx.saved_tensors
        d_q, d_k, d_v = (torch.zeros_like(t) for t in (q, k, v))
        for heads in parts(q, q.shape[0], k.shape[1] * k.shape[2]):
            q_, k_, v_, w_ = (t[heads] for t in (q, k, v, weights))
            d_out_, d_q_, d_k_, d_v_ = (t[heads] for t in (d_out, d_q, d_k, d_v))
            d_w = torch.zeros_like(w_)
            for i, rows, keys in ctx.spans:
                d_w[:, i, rows] = (d_out_[..., rows] * v_[..., keys]).sum(1)
            d_scores = w_ * (d_w - (w_ * d_w).sum(1, keepdim=True))
            for i, rows, keys in ctx.spans:
                step = d_scores[:, i : i + 1, rows]
                d_q_[..., rows].addcmul_(step, k_[..., keys])
                d_k_[..., keys].addcmul_(step, q_[..., rows])
                d_v_[..., keys].addcmul_(w_[:, i : i + 1, rows], d_out_[..., rows])
        return d_q, d_k, d_v, None, None


def _spans(distances: list[int], start: int, rows: int, length: int) -> list[tuple[int, slice, slice]]:
    """For each distance, by its index: the rows that have a key there, and these keys."""

    def span(distance: int) -> tuple[slice, slice]:
        shift = start - distance
        first, last = max(0, -shift), min(rows, length - shift)
        return slice(first, last), slice(first + shift, last + shift)

    spans = [(i, *span(distance)) for i, distance in enumerate(distances)]
    return [(i, rows, keys) for i, rows, keys in spans if rows.start < rows.stop]
