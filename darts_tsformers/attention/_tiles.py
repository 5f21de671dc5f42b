"""Attention tile by tile: the rows of a tile meet the keys of it, of tiles beside it, and a few from anywhere."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from darts_tsformers.attention.full import _widened

Seen = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What is seen: (rows, keys, whether a key is of the few) to a mask. Positions are of the whole sequence."""


def attend_tiles(
    q: Float[Tensor, "B h L e"],
    k: Float[Tensor, "B h L e"],
    v: Float[Tensor, "B h L f"],
    seen: Seen,
    *,
    tile: int,
    before: int = 0,
    after: int = 0,
    dilation: int = 1,
    few: Sequence[int] = (),
) -> Float[Tensor, "B h L f"]:
    """Attend from each tile of rows to the keys of its own, of some tiles around it, and to a few more.

    Parameters
    ----------
    q, k, v
        Queries, keys and values; their positions are the same.
    seen
        Which of these keys a row sees: at least one.
    tile
        Rows of a tile, ``dilation`` steps apart.
    before, after
        Tiles on either side whose keys the rows may see.
    few
        Positions of keys that all rows may see, besides.

    Notes
    -----
    All tiles are attended from in one call of PyTorch's fused kernel, so that no map is held: O(L s e) time and
    O(L s / t e) memory for tiles of t rows that meet s keys.
    """
    length = q.shape[-2]
    n = -(-length // (tile * dilation))
    missing = n * tile * dilation - length

    def tiles(x: Float[Tensor, "B h L w"]) -> Float[Tensor, "d n G t w"]:
        whole = F.pad(x, (0, 0, 0, missing))
        return rearrange(whole, "B h (n t d) w -> d n (B h) t w", n=n, d=dilation)

    def around(x: Float[Tensor, "d n G t w"]) -> Float[Tensor, "d n G s w"]:
        padded = F.pad(x, (0, 0, 0, 0, 0, 0, before, after))
        return torch.cat([padded[:, i : i + n] for i in range(before + 1 + after)], dim=-2)

    def met(x: Float[Tensor, "B h L w"]) -> Float[Tensor, "N G s w"]:
        keys = around(tiles(x))
        if len(few):
            others = x.flatten(0, 1)[:, list(few)]
            keys = torch.cat([keys, others.expand(dilation, n, *others.shape)], dim=-2)
        return keys.flatten(0, 1)

    queries = tiles(q).flatten(0, 1)
    mask = _mask(seen, length, n, tile, before, after, dilation, few, q.device)
    out = F.scaled_dot_product_attention(queries, met(k), _widened(met(v), q.shape[-1]), attn_mask=mask)
    rows = rearrange(out[..., : v.shape[-1]], "(d n) (B h) t w -> B h (n t d) w", n=n, h=q.shape[1])
    return rows[..., :length, :]


def visible(
    seen: Seen, length: int, *, few: Sequence[int] = (), device: torch.device | None = None
) -> Bool[Tensor, "L L"]:
    """Return the whole mask, for explanations: a key is seen as one of the few or as another."""
    steps = torch.arange(length, device=device)
    is_few = torch.zeros(length, dtype=torch.bool, device=device)
    near = seen(steps[:, None], steps, is_few)
    is_few[list(few)] = True
    return near | is_few & seen(steps[:, None], steps, torch.ones_like(is_few))


def pattern_weights(
    q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h L e"], mask: Bool[Tensor, "*h L L"]
) -> Float[Tensor, "B h L L"]:
    """Return the softmax over what is seen, zero elsewhere. O(L^2) memory."""
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~mask, -math.inf).softmax(-1)


def common_length(name: str, q: Float[Tensor, "B h L e"], k: Float[Tensor, "B h M e"]) -> int:
    """Return the length of queries and keys.

    Raises
    ------
    ValueError
        If they differ: their positions would not be the same.
    """
    if q.shape[-2] != k.shape[-2]:
        raise ValueError(f"{name} attention needs as many queries as keys, got {q.shape[-2]} and {k.shape[-2]}")
    return q.shape[-2]


def _mask(
    seen: Seen,
    length: int,
    n: int,
    tile: int,
    before: int,
    after: int,
    dilation: int,
    few: Sequence[int],
    device: torch.device,
) -> Bool[Tensor, "N 1 t s"]:
    """Return what the rows of each tile see; rows beyond the end see all, as a row must see something."""
    rows = torch.arange(n * tile * dilation, device=device).view(n, tile, dilation).permute(2, 0, 1)
    step = tile * dilation
    keys = torch.cat([rows + i * step for i in range(-before, after + 1)], dim=-1)
    exists = (keys >= 0) & (keys < length)
    is_few = torch.zeros(keys.shape[-1] + len(few), dtype=torch.bool, device=device)
    if len(few):
        others = torch.tensor(list(few), device=device).expand(dilation, n, -1)
        keys = torch.cat([keys, others], dim=-1)
        exists = F.pad(exists, (0, len(few)), value=True)
        is_few[-len(few) :] = True
    row, key = rows[..., None], keys[..., None, :]
    mask = exists[..., None, :] & seen(row, key, is_few) | (row >= length)
    return mask.flatten(0, 1)[:, None]
