"""Exact attention: every query meets every key."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.execution.cache import CHUNK
from darts_tsformers.execution.rows import take_rows
from darts_tsformers.execution.tracing import is_traced

FEW_KEYS = 16
"""Up to how many keys a map does not pay: its products are small and many."""


class FullAttention(Attention):
    r"""Scaled dot-product attention.

    .. math:: O = \mathrm{softmax}\!\left(Q K^\top / \sqrt{e}\right) V

    Runs in PyTorch's fused kernel, which never holds the L x M map. Values may have another width than queries and
    keys; the kernel needs narrower ones with zeros beside them. On a processor it is then faster, and takes about as
    much memory, to build the maps of a few samples at a time, as long as they are small (at most two keys for each
    number of a query), not causal, and in single or double precision.

    Cost: O(L M e) time, O((L + M) e) memory.

    Notes
    -----
    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, equation 1. Dropout on the weights is left out: it would
    turn the fused kernel off. Layers drop the output instead.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import FullAttention
    >>> q, k, v = torch.randn(3, 2, 4, 12, 5)  # each (B, h, L, e)
    >>> out, weights = FullAttention()(q, k, v, causal=True, need_weights=True)
    >>> out.shape, weights.shape
    (torch.Size([2, 4, 12, 5]), torch.Size([2, 4, 12, 12]))
    >>> weights[0, 0, 0, :3]  # the first step sees itself alone
    tensor([1., 0., 0.])
    """

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
            If ``causal`` and the number of queries differs from that of keys: which positions are earlier is undefined.
        """
        if causal and q.shape[-2] != k.shape[-2]:
            raise ValueError(f"causal=True needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        if not causal and _map_is_small(q, k, v):
            samples = CHUNK // _map_size(q, k)
            blocks = zip(*(torch.split(t, samples) for t in (q, k, v)), strict=True)
            out = torch.cat([_by_map(*block) for block in blocks])
        else:
            out = F.scaled_dot_product_attention(q, k, _widened(v, q.shape[-1]), is_causal=causal)[..., : v.shape[-1]]
        return out, self.weights(q, k, causal=causal) if need_weights else None

    def row(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        row: int,
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from one row alone, in O(L e)."""
        seen = slice(row + 1)
        return self(q[..., row : row + 1, :], k[..., seen, :], v[..., seen, :])[0]

    def row_of_each(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        rows: Int[Tensor, " B"],
    ) -> Float[Tensor, "B h 1 f"]:
        """Attend causally from a row of its own in each sample, in O(L e)."""
        seen = torch.arange(k.shape[-2], device=q.device) <= rows[:, None]
        queries = take_rows(q, rows[:, None], dim=2)
        values = _widened(v, q.shape[-1])
        return F.scaled_dot_product_attention(queries, k, values, attn_mask=seen[:, None, None])[..., : v.shape[-1]]

    def row_weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"], row: int
    ) -> Float[Tensor, "B h 1 L"]:
        """Return the weights of one row, in O(L e)."""
        return F.pad(self.weights(q[..., row : row + 1, :], k[..., : row + 1, :]), (0, k.shape[-2] - row - 1))

    def last_rows(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        n: int,
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h n f"], Float[Tensor, "B h n L"] | None]:
        """Attend from the last ``n`` rows alone, in O(n L e)."""
        last = q[..., -n:, :]
        seen = _seen(n, k.shape[-2], q.device) if causal else None
        out = F.scaled_dot_product_attention(last, k, _widened(v, q.shape[-1]), attn_mask=seen)[..., : v.shape[-1]]
        return out, self.weights(last, k, causal=causal) if need_weights else None

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map; each row sums to 1. O(L M) memory: for explanations, not for training.

        Causal queries, where they are fewer than the keys, stand at the last positions.
        """
        scores = q @ k.mT / math.sqrt(q.shape[-1])
        if causal:
            scores = scores.masked_fill(~_seen(q.shape[-2], k.shape[-2], q.device), -math.inf)
        return scores.softmax(-1)


def _seen(n: int, n_keys: int, device: torch.device) -> Bool[Tensor, "n M"]:
    """Say which keys the queries at the last ``n`` positions see: those up to their own."""
    return torch.ones(n, n_keys, dtype=torch.bool, device=device).tril(n_keys - n)


def _widened(v: Float[Tensor, "B h M f"], width: int) -> Float[Tensor, "B h M g"]:
    """Values with zero columns up to the width of the keys: the fused kernel serves equal widths only."""
    missing = width - v.shape[-1]
    return F.pad(v, (0, missing)) if missing > 0 else v


def _map_is_small(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M f"]) -> bool:
    """Whether values are so narrow, and keys so few, that maps take less time than the fused kernel.

    Half precision is the kernel's: it keeps the scores in more digits.
    """
    width, n_keys = q.shape[-1], k.shape[-2]
    return (
        not is_traced()
        and v.shape[-1] < width
        and FEW_KEYS < n_keys <= 2 * width
        and 0 < _map_size(q, k) <= CHUNK
        and q.device.type == "cpu"
        and q.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
    )


def _map_size(q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]) -> int:
    """Return the number of weights that a sample has."""
    return q.shape[1] * q.shape[2] * k.shape[2]


def _by_map(
    q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], v: Float[Tensor, "B h M f"]
) -> Float[Tensor, "B h L f"]:
    return (q / math.sqrt(q.shape[-1]) @ k.mT).softmax(-1) @ v
