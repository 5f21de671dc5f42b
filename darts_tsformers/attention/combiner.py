"""Combiner: full attention, exact for some keys and by summaries of regions for all others."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention import _summaries
from darts_tsformers.attention._base import Attention
from darts_tsformers.attention._summaries import Entries
from darts_tsformers.checks import require_at_least, require_one_of
from darts_tsformers.execution.autocast import without_autocast
from darts_tsformers.execution.cache import parts

PATTERNS = ("fixed", "axial", "log", "mixture")
ROW_KEYS = ("weighted", "plain")


class CombinerAttention(Attention):
    r"""Attention that reaches every step: to near ones by themselves, to far ones through summaries of regions.

    .. math::

        o_i = \sum_{j \in D_i} p_{ij} v_j + \sum_{r \in R_i} p_{ir} \bar v_r, \qquad
        p_i = \mathrm{softmax}\!\left([q_i^\top k_j]_{j \in D_i}, [q_i^\top \bar k_r]_{r \in R_i}\right)

    .. math::

        \bar k_r = \max_{j \in r} k_j, \qquad
        \bar v_r = \sum_{j \in r} \mathrm{softmax}_j\!\left(\bar q_r^\top k_j\right) v_j, \qquad
        \bar q_r = \max_{j \in r} q_j

    with queries divided by the root of their width first. What a step sees of its past, laid out in rows of a segment:

    - ``"fixed"``: its own segment up to itself, and a summary of each earlier segment.
    - ``"axial"``: its own row up to itself, and of each earlier row what its cell in the own column attends to in that
      row; the key there is the sum of keys with the same weights, or the plain key of the cell.
    - ``"log"``: itself, and for each set bit :math:`b` of its place the block of :math:`2^b` steps that ends at
      :math:`\lfloor i / 2^b \rfloor 2^b`, so that each earlier step is in one block.
    - ``"mixture"``: its own row up to itself and its own column above; a summary of each other column above its row;
      and of each earlier row one summary of what is left of its column and one of what is right of it.

    When not causal, ``"fixed"`` and ``"axial"`` see all of their own row and all other rows; ``"log"`` and
    ``"mixture"`` see their future as they see their past, in a mirror.

    Cost: O(L l + L^2 / l) time and memory with segments of l steps, at best :math:`L^{1.5}`; O(L log L) for ``"log"``.

    Parameters
    ----------
    pattern
        ``"fixed"``, ``"axial"``, ``"log"`` or ``"mixture"``.
    segment
        Steps of a row. By default the root of the length, rounded up; ``"log"`` makes no use of it.
    row_keys
        Keys of other rows in ``"axial"``: ``"weighted"`` or ``"plain"``.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Ren et al., "Combiner: Full Attention Transformer with Sparse Computation Cost", NeurIPS 2021, with the maximum as
    the pooling. Equal to the causal JAX code of the authors on queries, keys and values; its norm on the input features
    in ``"axial"`` belongs to a layer and is not here.

    Deviations: the published form of ``"fixed"`` that is not causal counts the own segment twice, as steps and as a
    summary, that of ``"mixture"`` the own cell: here each is there once. Running maxima are maxima, where the
    TensorFlow code has running sums. The published ``"log"`` lacks a level at lengths of :math:`2^n + 1`.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import CombinerAttention
    >>> q = torch.zeros(1, 1, 8, 2)  # (B, h, L, e)
    >>> CombinerAttention("log").weights(q, q, causal=True)[0, 0, 6]  # blocks of 4 and 2, and itself
    tensor([0.0833, 0.0833, 0.0833, 0.0833, 0.1667, 0.1667, 0.3333, 0.0000])
    """

    supports_cross = False  # queries and keys share their positions

    def __init__(self, pattern: str = "fixed", segment: int | None = None, *, row_keys: str = "weighted") -> None:
        super().__init__()
        require_one_of(PATTERNS, pattern=pattern)
        require_one_of(ROW_KEYS, row_keys=row_keys)
        if segment is not None:
            require_at_least(1, segment=segment)
        self.pattern = pattern
        self.segment = segment
        self.row_keys = row_keys

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend to steps and summaries; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If queries and keys differ in number: their positions would not be the same.
        """
        if q.shape[-2] != k.shape[-2]:
            raise ValueError(f"combiner needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
        wide = torch.promote_types(q.dtype, torch.float32)
        with without_autocast(q):
            tensors = [t.to(wide).flatten(0, 1) for t in (q / math.sqrt(q.shape[-1]), k, v)]
            width = _summaries.RADIX if self.pattern == "log" else self._segment(q.shape[-2])
            heads = parts(q, tensors[0].shape[0], q.shape[-2] * width)
            out = torch.cat([self._attend(*(t[some] for t in tensors), causal=causal) for some in heads])
        return torch.unflatten(out, 0, q.shape[:2]).to(v.dtype), self.weights(
            q, k, causal=causal
        ) if need_weights else None

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> Tensor:
        entries = self._entries(q, k, v, causal=causal)
        weights = torch.cat([logits for logits, _ in entries], dim=-1).softmax(-1)
        shares = torch.split(weights, [logits.shape[-1] for logits, _ in entries], dim=-1)
        out = entries[0].weigh(shares[0])
        for share, (_, weigh) in zip(shares[1:], entries[1:], strict=True):
            out = out + weigh(share)
        return out

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the weight of each step, in its region included; each row sums to 1. O(L^2) memory and more time."""
        each = torch.eye(k.shape[-2], dtype=q.dtype, device=q.device).expand(*k.shape[:2], -1, -1)
        return self(q, k, each, causal=causal)[0]

    def _segment(self, length: int) -> int:
        return math.isqrt(length - 1) + 1 if self.segment is None else self.segment

    def _entries(self, q: Tensor, k: Tensor, v: Tensor, *, causal: bool) -> list[Entries]:
        segment = self._segment(q.shape[1])
        if self.pattern == "fixed":
            return _summaries.fixed(q, k, v, segment, causal=causal)
        if self.pattern == "axial":
            return _summaries.axial(q, k, v, segment, causal=causal, row_keys=self.row_keys == "weighted")
        past: Callable[..., list[Entries]] = _summaries.logarithmic
        how = {}
        if self.pattern == "mixture":
            past, how = _summaries.mixture, {"segment": segment}
        entries = past(q, k, v, own=True, **how)
        return entries if causal else [*entries, *_summaries.mirrored(past, q, k, v, **how)]
