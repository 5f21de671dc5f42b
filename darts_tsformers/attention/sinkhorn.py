"""Sinkhorn attention: each block of steps attends to itself and to the blocks that are sorted to it."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.attention._ties import highest
from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.cache import parts

SORTINGS = ("sinkhorn", "top")


class SinkhornAttention(Attention):
    r"""Softmax attention within blocks, and to other blocks in an order that is learnt.

    .. math::

        o_i = \sum_j \mathrm{softmax}_j\!\left(q_i^\top [P K; K_u] / \sqrt{e}\right) [P V; V_u]

    for a step i of block u, with P from the likeness of blocks, :math:`R_{uv} = \bar q_u^\top \bar k_v / \sqrt{e}`,
    means over the steps of a block:

    - ``"sinkhorn"``: a soft permutation. The logarithm of relu(R) over the temperature, with Gumbel noise in training,
      is normalised by rows and by columns, so many times.
    - ``"top"``: the blocks of largest R, each times its share of the softmax among those that are left.

    A block that is sorted to another is mixed slot by slot. The last block may be shorter; its missing slots count
    as nothing.

    When causal, blocks are chosen as with ``"top"`` for either sorting, among those before and a block of zeros. They
    are compared by the average of all queries up to the first of the one, and by the sum of such averages of keys at
    the steps of the other. As a step early in its block sees little of what lies just before, the blocks of the second
    half of the heads begin one step short of a block later.

    Cost: O(L b + (L / b)^2 + L^2 / b) time with blocks of b steps, at best :math:`L^{1.5}`, O(L b) memory.

    Parameters
    ----------
    block_size
        Steps of a block. By default the root of the length, rounded up.
    sorting
        ``"sinkhorn"`` or ``"top"``, as above.
    n_top
        Blocks that ``"top"`` chooses for each, and the causal form.
    n_iterations
        Times that ``"sinkhorn"`` normalises.
    temperature
        Of ``"sinkhorn"``, above 0; the lower, the nearer P is to a permutation.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Tay et al., "Sparse Sinkhorn Attention", ICML 2020, with the sorting by attention and the causal form of
    sinkhorn-transformer. Deviations: there the sorted values are keys, and noise is drawn in evaluation too. Its null
    keys and values, which are learnt, are zeros here: they would have no gradient where nothing is causal. Of blocks
    whose likeness differs by less than 1e-5 of the most that it could be, the earlier is chosen, where rounding would
    decide. With ``"sinkhorn"`` the weights of a row sum to one but for what the iterations leave.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import SinkhornAttention
    >>> q, k, v = torch.randn(3, 2, 4, 50, 5)  # each (B, h, L, e)
    >>> out, _ = SinkhornAttention(block_size=8)(q, k, v)
    >>> out.shape
    torch.Size([2, 4, 50, 5])
    """

    supports_cross: ClassVar[bool] = False  # queries and keys share their positions

    def __init__(
        self,
        block_size: int | None = None,
        *,
        sorting: str = "sinkhorn",
        n_top: int = 1,
        n_iterations: int = 7,
        temperature: float = 0.75,
    ) -> None:
        super().__init__()
        if block_size is not None:
            require_at_least(1, block_size=block_size)
        require_one_of(SORTINGS, sorting=sorting)
        require_at_least(1, n_top=n_top, n_iterations=n_iterations)
        if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature < math.inf:
            raise ValueError(f"temperature={temperature!r} must be a positive number")
        self.block_size = block_size
        self.sorting = sorting
        self.n_top = n_top
        self.n_iterations = n_iterations
        self.temperature = temperature

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend to the own block and to those sorted to it; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If queries and keys differ in number: their positions would not be the same.
        """
        if q.shape[-2] != k.shape[-2]:
            raise ValueError(f"sinkhorn needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        length = q.shape[-2]
        size = math.isqrt(length - 1) + 1 if self.block_size is None else self.block_size
        wide = torch.promote_types(q.dtype, torch.float32)
        with without_autocast(q):
            queries, keys, values = (t.to(wide) for t in (q, k, v))
            noise = None if causal else self._noise(queries, -(-length // size))
            out = self._attend(queries, keys, values, noise, size, causal=causal).to(v.dtype)
            if not need_weights:
                return out, None
            each = torch.eye(length, dtype=wide, device=q.device).expand(*q.shape[:2], -1, -1)
            return out, self._attend(queries, keys, each, noise, size, causal=causal).to(q.dtype)

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map, the sorted blocks taken apart. O(L^2) memory and more time: for explanations.

        In training noise is drawn anew; the weights of one pass come from ``forward(..., need_weights=True)``.
        """
        found = self(q, k, k, causal=causal, need_weights=True)[1]
        assert found is not None
        return found

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, noise: Tensor | None, size: int, *, causal: bool
    ) -> Float[Tensor, "B h L f"]:
        n, h, length, _ = q.shape
        if causal:
            half = h // 2
            past = [] if half == 0 else [self._past(attend_the_past, q[:, :half], k[:, :half], v[:, :half], size)]
            past.append(self._past(attend_later_blocks, q[:, half:], k[:, half:], v[:, half:], size))
            return torch.cat(past, dim=1)
        heads = [t.flatten(0, 1) for t in (q, k, v)]
        out = []
        for some in parts(q, n * h, 2 * size * length):
            queries, keys, values = (t[some] for t in heads)
            likeness, bound = compare_blocks(queries, keys, size)
            if self.sorting == "top":
                order = choose_blocks(likeness, bound, self.n_top)
            else:
                drawn = None if noise is None else noise[some]
                order = sort_blocks(likeness, drawn, self.n_iterations, self.temperature)
            out.append(attend_blocks(queries, keys, values, order, size))
        return torch.unflatten(torch.cat(out), 0, (n, h))

    def _past(self, attend: Callable[..., Tensor], q: Tensor, k: Tensor, v: Tensor, size: int) -> Tensor:
        return torch.unflatten(attend(*(t.flatten(0, 1) for t in (q, k, v)), size, self.n_top), 0, q.shape[:2])

    def _noise(self, q: Float[Tensor, "B h L e"], n: int) -> Float[Tensor, "N n n"] | None:
        """Draw Gumbel noise in training."""
        if not self.training or self.sorting == "top":
            return None
        drawn = torch.rand(q.shape[0] * q.shape[1], n, n, dtype=q.dtype, device=q.device)
        return -torch.log(1e-6 - torch.log(drawn + 1e-6))


def compare_blocks(
    q: Float[Tensor, "N L e"], k: Float[Tensor, "N L e"], size: int
) -> tuple[Float[Tensor, "N u u"], Float[Tensor, "N u 1"]]:
    """Return how alike the blocks of queries and keys are on average, and the most that each row could come to."""
    counts = _there(q.shape[1], size, q).sum(-1, keepdim=True)
    of_queries, of_keys = (_blocks(t, size).sum(2) / counts for t in (q, k))
    return _likeness(of_queries, of_keys)


def sort_blocks(
    likeness: Float[Tensor, "N u v"], noise: Float[Tensor, "N u v"] | None, n_iterations: int, temperature: float
) -> Float[Tensor, "N u 1 v"]:
    """Return a soft permutation of blocks."""
    logits = torch.log(likeness.relu() + 1e-6)
    logits = (logits if noise is None else logits + noise) / temperature
    for _ in range(n_iterations):
        logits = logits - logits.logsumexp(-1, keepdim=True)
        logits = logits - logits.logsumexp(-2, keepdim=True)
    return logits.exp()[:, :, None]


def choose_blocks(
    likeness: Float[Tensor, "N u v"], bound: Float[Tensor, "N u 1"], n_top: int
) -> Float[Tensor, "N u t v"]:
    """Return the shares of the blocks that are most alike, one after the other, each among those that are left."""
    chosen = []
    for _ in range(min(n_top, likeness.shape[-1])):
        best = highest(likeness, 1, bound)
        taken = torch.zeros_like(likeness, dtype=torch.bool).scatter(-1, best, True)
        chosen.append(likeness.softmax(-1) * taken)
        likeness = likeness.masked_fill(taken, -math.inf)
    return torch.stack(chosen, dim=2)


def attend_blocks(
    q: Float[Tensor, "N L e"],
    k: Float[Tensor, "N L e"],
    v: Float[Tensor, "N L f"],
    order: Float[Tensor, "N u t v"],
    size: int,
) -> Float[Tensor, "N L f"]:
    """Attend from each block to those that are sorted to it, and to itself."""
    there = _there(q.shape[1], size, q)
    seen = (order != 0).to(q.dtype) @ there.to(q.dtype) > 0  # (N, u, t, b): slots that some sorted block has
    seen = torch.cat([seen.flatten(2), there.expand(q.shape[0], -1, -1)], dim=-1)[:, :, None]
    return _attend(q, k, v, order, size, seen)


def attend_the_past(
    q: Float[Tensor, "N L e"],
    k: Float[Tensor, "N L e"],
    v: Float[Tensor, "N L f"],
    size: int,
    n_top: int,
    null: tuple[Tensor, Tensor] | None = None,
) -> Float[Tensor, "N L f"]:
    """Attend from each block to chosen ones before it, and to itself up to the own step.

    ``null`` is a key and a value, ``(N, 1, e)`` and ``(N, 1, f)``, that stand in all slots of the blocks before the
    first, as many as are chosen; zeros by default.
    """
    null_key, null_value = (t[:, :1] * 0 for t in (k, v)) if null is None else null
    steps = torch.arange(1, q.shape[1] + 1, dtype=q.dtype, device=q.device)[:, None]
    of_queries = _blocks(q.cumsum(1) / steps, size)[:, :, 0]
    of_keys = F.pad(_blocks(k.cumsum(1) / steps, size).sum(2), (0, 0, n_top, 0))
    likeness, bound = _likeness(of_queries, of_keys)
    n_blocks = likeness.shape[1]
    earlier = torch.ones(n_blocks, n_top + n_blocks, dtype=torch.bool, device=q.device).tril(n_top - 1)
    order = choose_blocks(likeness.masked_fill(~earlier, -math.inf), bound, n_top)
    k, v = (torch.cat([null.expand(-1, n_top * size, -1), t], dim=1) for null, t in ((null_key, k), (null_value, v)))
    past = torch.ones(size, size, dtype=torch.bool, device=q.device).tril()
    seen = torch.cat([past.new_ones(size, n_top * size), past], dim=-1)
    return _attend(q, k, v, order, size, seen)


def attend_later_blocks(
    q: Float[Tensor, "N L e"],
    k: Float[Tensor, "N L e"],
    v: Float[Tensor, "N L f"],
    size: int,
    n_top: int,
    null: tuple[Tensor, Tensor] | None = None,
) -> Float[Tensor, "N L f"]:
    """Do as :func:`attend_the_past`, with blocks from the last step of the first on; those before see each other."""
    start = min(size - 1, q.shape[1])
    early = [t[:, None, :start] for t in (q, k, v)]
    first = F.scaled_dot_product_attention(early[0], early[1], early[2], is_causal=True)[:, 0]
    if start == q.shape[1]:
        return first
    later = attend_the_past(q[:, start:], k[:, start:], v[:, start:], size, n_top, null)
    return torch.cat([first, later], dim=1)


def _attend(q: Tensor, k: Tensor, v: Tensor, order: Tensor, size: int, seen: Bool[Tensor, "*N k"]) -> Tensor:
    """Attend with the last blocks of keys beside the sorted ones."""
    length = q.shape[1]
    queries, keys, values = (_blocks(t, size) for t in (q, k, v))
    own = slice(keys.shape[1] - queries.shape[1], None)

    def beside_sorted(blocks: Float[Tensor, "N v b w"]) -> Float[Tensor, "N u k w"]:
        n, u, t, _ = order.shape
        moved = (order.flatten(1, 2) @ blocks.flatten(2)).view(n, u, t * size, blocks.shape[-1])
        return torch.cat([moved, blocks[:, own]], dim=2)

    scores = queries @ beside_sorted(keys).mT / math.sqrt(q.shape[-1])
    hidden = torch.zeros(seen.shape, dtype=q.dtype, device=q.device).masked_fill_(~seen, torch.finfo(q.dtype).min)
    out = (scores + hidden).softmax(-1) @ beside_sorted(values)
    return out.flatten(1, 2)[:, :length]


def _likeness(q: Float[Tensor, "N u e"], k: Float[Tensor, "N v e"]) -> tuple[Tensor, Tensor]:
    root = math.sqrt(q.shape[-1])
    bound = q.norm(dim=-1, keepdim=True) * k.norm(dim=-1).amax(-1)[:, None, None] / root
    return q @ k.mT / root, bound


def _blocks(t: Float[Tensor, "N L w"], size: int) -> Float[Tensor, "N u b w"]:
    return torch.unflatten(F.pad(t, (0, 0, 0, -t.shape[1] % size)), 1, (-1, size))


def _there(length: int, size: int, like: Tensor) -> Bool[Tensor, "u b"]:
    return torch.arange(-(-length // size) * size, device=like.device).view(-1, size) < length
