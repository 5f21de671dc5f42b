"""Sparse Transformer attention: near steps, and far ones at a stride or in summary columns."""

import math
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.attention._strides import attend_strided
from darts_tsformers.attention._tiles import attend_tiles, common_length, pattern_weights, visible
from darts_tsformers.attention.full import FullAttention
from darts_tsformers.checks import require_at_least, require_one_of

PATTERNS = ("fixed", "strided")
PARTS = ("alternate", "far", "joint", "near")


class SparseAttention(Attention):
    r"""Softmax attention to about :math:`2 \sqrt L` keys: two hops lead from any step to any other.

    - ``"strided"``: near are the steps less than a stride away, :math:`|i - j| < l`; far those a whole number of
      strides away, :math:`l \mid i - j`. With the stride of a season these are the same phase of all other seasons.
    - ``"fixed"``: near are the steps of the same block of ``l``; far are the last ``c`` of each block, which can sum
      it up, and the step itself.

    When causal, only steps up to i are seen.

    Cost: O(L (l + c L / l) e) time, c being 1 for ``"strided"``, which is :math:`O(L \sqrt L e)` by default; O(L e)
    memory, and that of one head's scores at work.

    Parameters
    ----------
    pattern
        ``"strided"`` or ``"fixed"``.
    stride
        Steps ``l`` of a stride or a block, at least 1: a season, for example. By default the root of the length,
        rounded up.
    n_summaries
        Last steps ``c`` of a block that ``"fixed"`` sees from afar, at most ``stride``.
    parts
        ``"joint"``: every head sees near and far steps, in one softmax. ``"alternate"``: the first head and every other
        sees near ones, those between far ones. ``"near"`` or ``"far"``: all heads see that part alone.

    Raises
    ------
    ValueError
        If an argument is none of the above.

    Notes
    -----
    Child et al., "Generating Long Sequences with Sparse Transformers", arXiv 1904.10509, 2019, sections 4.2 and 4.3;
    ``stride`` is the paper's l, ``n_summaries`` its c. Deviation: the form that is not causal, which encoders need.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import SparseAttention
    >>> q = torch.zeros(1, 1, 9, 2)  # (B, h, L, e)
    >>> _, weights = SparseAttention("strided", stride=3)(q, q, q, causal=True, need_weights=True)
    >>> weights[0, 0, -1].nonzero().flatten()
    tensor([2, 5, 6, 7, 8])
    """

    supports_cross = False  # queries and keys share their positions

    def __init__(
        self, pattern: str = "strided", stride: int | None = None, *, n_summaries: int = 1, parts: str = "joint"
    ) -> None:
        super().__init__()
        require_one_of(PATTERNS, pattern=pattern)
        require_one_of(PARTS, parts=parts)
        require_at_least(1, n_summaries=n_summaries)
        if stride is not None:
            require_at_least(1, stride=stride)
            if n_summaries > stride:
                raise ValueError(f"n_summaries={n_summaries} must be at most stride={stride}")
        self.pattern = pattern
        self.stride = None if stride is None else int(stride)
        self.n_summaries = int(n_summaries)
        self.parts = parts

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
        common_length("sparse", q, k)
        weights = self.weights(q, k, causal=causal) if need_weights else None
        if self.parts != "alternate":
            return self._attend(self.parts, q, k, v, causal=causal), weights
        out = v.new_empty(*q.shape[:-1], v.shape[-1])
        for first, part in enumerate(("near", "far")):
            own = slice(first, None, 2)
            if q[:, own].shape[1]:
                out[:, own] = self._attend(part, q[:, own], k[:, own], v[:, own], causal=causal)
        return out, weights

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map, zero off the pattern. O(L^2) memory: for explanations, not for training."""
        length = common_length("sparse", q, k)
        if self.parts != "alternate":
            return pattern_weights(q, k, self.visible(self.parts, length, causal=causal, device=q.device))
        masks = [self.visible(part, length, causal=causal, device=q.device) for part in ("near", "far")]
        return pattern_weights(q, k, torch.stack([masks[head % 2] for head in range(q.shape[1])]))

    def distance_groups(self, length: int) -> dict[str, list[int]]:
        """Name the distances of ``"strided"``; those of ``"fixed"`` depend on the row."""
        if self.pattern == "fixed":
            return {}
        stride = min(self._stride(length), length)
        groups = {
            "self": [0],
            "local": list(range(1, stride)) if self.parts != "far" else [],
            "strides": list(range(stride, length, stride)) if self.parts != "near" else [],
        }
        return {name: group for name, group in groups.items() if group}

    def visible(
        self, part: str, length: int, *, causal: bool, device: torch.device | None = None
    ) -> Bool[Tensor, "L L"]:
        """Say which keys the rows see."""
        few = self._few(part, length)
        return visible(self._seen(part, length, causal=causal), length, few=few, device=device)

    def _attend(
        self,
        part: str,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        *,
        causal: bool,
    ) -> Float[Tensor, "B h L f"]:
        length = q.shape[-2]
        stride = self._stride(length)
        if part != "far" and stride >= length:
            return FullAttention()(q, k, v, causal=causal)[0]
        seen = self._seen(part, length, causal=causal)
        if self.pattern == "fixed":
            few = self._few(part, length)
            tile = stride * max(1, -(-len(few) // stride))  # as many rows as summaries: each tile copies those
            return attend_tiles(q, k, v, seen, tile=min(tile, length), few=few)
        if part == "near":
            return attend_tiles(q, k, v, seen, tile=stride, before=1, after=0 if causal else 1)
        if part == "far":
            return attend_tiles(q, k, v, seen, tile=-(-length // stride), dilation=stride)
        return attend_strided(q, k, v, stride, causal=causal)

    def _seen(self, part: str, length: int, *, causal: bool) -> Any:
        """Return what :func:`attend_tiles` asks; the few are the summaries of ``"fixed"``."""
        stride, c = self._stride(length), self.n_summaries

        def strided(row: Tensor, key: Tensor, few: Tensor) -> Tensor:  # noqa: ARG001
            near, far = (row - key).abs() < stride, (row - key) % stride == 0
            return {"near": near, "far": far, "joint": near | far}[part]

        def fixed(row: Tensor, key: Tensor, few: Tensor) -> Tensor:
            own = row // stride == key // stride
            if part != "far":
                return few & ~own | ~few & own
            return few | ~few & (row == key) & (key % stride < stride - c)  # a summary is one of the few

        def seen(row: Tensor, key: Tensor, few: Tensor) -> Tensor:
            found = (strided if self.pattern == "strided" else fixed)(row, key, few)
            return found & (key <= row) if causal else found

        return seen

    def _stride(self, length: int) -> int:
        return math.isqrt(max(length, 1) - 1) + 1 if self.stride is None else self.stride

    def _few(self, part: str, length: int) -> list[int]:
        """Return the positions of the summaries, where they are seen."""
        if self.pattern == "strided" or part == "near":
            return []
        stride = self._stride(length)
        return [at for at in range(length) if at % stride >= stride - self.n_summaries]
