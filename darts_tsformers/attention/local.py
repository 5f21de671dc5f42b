"""Local attention: each step sees the steps near it, and a few tokens see and are seen by all."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from darts_tsformers.attention._base import Attention
from darts_tsformers.attention._tiles import attend_tiles, common_length, pattern_weights, visible
from darts_tsformers.attention.full import FullAttention
from darts_tsformers.checks import require_at_least, require_flag

SMALLEST_TILE = 16


class LocalAttention(Attention):
    r"""Softmax attention in a sliding window, with global tokens as Longformer has them.

    .. math::

        o_i = \sum_{j \in I_i} \mathrm{softmax}_j\!\left(q_i^\top k_j / \sqrt{e}\right) v_j, \qquad
        I_i = \{j : |i - j| \le w d, \; d \mid i - j\} \cup G

    and :math:`I_i` holds all steps for the global tokens :math:`i \in G`. When causal, only steps up to i are seen.
    A stack of n layers reaches n w d steps. With :math:`w \ge L - 1` it is exact attention.

    Cost: O(L (w + g) e) time and O(L e + L g / w) memory with g global tokens.

    Parameters
    ----------
    window
        Steps ``w`` seen on either side, at least 1; when causal, before.
    dilation
        Distance ``d`` between the steps of a window, at least 1: a season, for example.
    global_at
        Positions ``G`` of the tokens that see and are seen by all; negative ones count from the end, and those that a
        shorter input does not have are left out.
    whole_blocks
        Instead of the window around each step, take the block of ``window`` steps that it is in, the block before, and
        if not causal the one after.

    Raises
    ------
    ValueError
        If a number is below 1, or a position no integer.

    Notes
    -----
    Beltagy et al., "Longformer: The Long-Document Transformer", arXiv 2004.05150, 2020, section 3.1: a window of ours
    is half of theirs. Blocks are those of the package local-attention. Deviation: global tokens have no projections of
    their own, which belong to a layer; and where the package pads the last block with zeros it attends to them.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.attention import LocalAttention
    >>> q = torch.zeros(1, 1, 6, 2)  # (B, h, L, e)
    >>> _, weights = LocalAttention(window=1, global_at=(0,))(q, q, q, need_weights=True)
    >>> weights[0, 0, 4]
    tensor([0.2500, 0.0000, 0.0000, 0.2500, 0.2500, 0.2500])
    """

    supports_cross = False  # queries and keys share their positions

    def __init__(
        self, window: int = 32, *, dilation: int = 1, global_at: Sequence[int] = (), whole_blocks: bool = False
    ) -> None:
        super().__init__()
        require_at_least(1, window=window, dilation=dilation)
        require_flag(whole_blocks=whole_blocks)
        if not all(isinstance(at, int) and not isinstance(at, bool) for at in global_at):
            raise ValueError(f"global_at={global_at!r} must be integers")
        self.window = int(window)
        self.dilation = int(dilation)
        self.global_at = tuple(global_at)
        self.whole_blocks = whole_blocks

    def forward(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M f"],
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Float[Tensor, "B h L f"], Float[Tensor, "B h L M"] | None]:
        """Attend within the window; the dense map is built only when ``need_weights``.

        Raises
        ------
        ValueError
            If queries and keys differ in number: their positions would not be the same.
        """
        length = common_length("local", q, k)
        weights = self.weights(q, k, causal=causal) if need_weights else None
        if self.dilation == 1 and self.window >= length - 1:
            return FullAttention()(q, k, v, causal=causal)[0], weights
        few = self._few(length)
        tile = self.window if self.whole_blocks else max(self.window, SMALLEST_TILE)
        out = attend_tiles(
            q,
            k,
            v,
            self.pattern(length, causal=causal),
            tile=min(tile, -(-length // self.dilation)),
            before=1,
            after=0 if causal else 1,
            dilation=self.dilation,
            few=few,
        )
        return self._with_global_rows(out, q, k, v, few, causal=causal), weights

    def weights(
        self, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"], *, causal: bool = False
    ) -> Float[Tensor, "B h L M"]:
        """Return the attention map, zero off the pattern. O(L^2) memory: for explanations, not for training."""
        length = common_length("local", q, k)
        few = self._few(length)
        mask = visible(self.pattern(length, causal=causal), length, few=few, device=q.device)
        steps = torch.arange(length, device=q.device)
        mask[few] = (steps <= steps[few, None]) if causal else True
        return pattern_weights(q, k, mask)

    def distance_groups(self, length: int) -> dict[str, list[int]]:
        """Name the distances of the window; global tokens are at any."""
        if self.whole_blocks:
            return {}
        reach = range(self.dilation, min(self.window * self.dilation, length - 1) + 1, self.dilation)
        return {name: group for name, group in {"self": [0], "local": list(reach)}.items() if group}

    def pattern(self, length: int, *, causal: bool) -> Any:
        """Return what :func:`attend_tiles` asks: whether a row sees a key, as one of the global ones or as another."""
        is_global = torch.zeros(length, dtype=torch.bool)
        is_global[self._few(length)] = True

        def seen(row: Tensor, key: Tensor, few: Tensor) -> Tensor:
            known = is_global.to(key.device)[key.clamp(0, length - 1)]
            if self.whole_blocks:
                size = self.window * self.dilation
                near = (row // size - key // size).abs() <= 1
            else:
                near = (row - key).abs() <= self.window * self.dilation
            found = few | near & ((row - key) % self.dilation == 0) & ~known
            return found & (key <= row) if causal else found

        return seen

    def _few(self, length: int) -> list[int]:
        return sorted({at % length for at in self.global_at if -length <= at < length})

    @staticmethod
    def _with_global_rows(
        out: Float[Tensor, "B h L f"],
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h L e"],
        v: Float[Tensor, "B h L f"],
        few: list[int],
        *,
        causal: bool,
    ) -> Float[Tensor, "B h L f"]:
        """Attend to all from the global rows."""
        if not few:
            return out
        exact = FullAttention()
        rows = [exact.row(q, k, v, at) if causal else exact(q[..., at : at + 1, :], k, v)[0] for at in few]
        return out.index_copy(-2, torch.tensor(few, device=q.device), torch.cat(rows, dim=-2).to(out.dtype))
