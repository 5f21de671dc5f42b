"""Causal attention with rotary positions, fewer keys than queries by head, and a memory of what was read."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.rotary import rotate
from darts_tsformers.recording import is_recording, record


class KeysValues(NamedTuple):
    """Keys, turned to their positions, and values of all tokens read so far."""

    keys: Float[Tensor, "B g M e"]
    values: Float[Tensor, "B g M e"]

    def followed_by(self, more: "KeysValues") -> "KeysValues":
        """Return these and further ones behind them."""
        return KeysValues(*(torch.cat(pair, dim=2) for pair in zip(self, more, strict=True)))


class GroupedAttention(nn.Module):
    r"""Multi-head attention of each token to those up to it, where groups of heads share keys and values.

    .. math::
        a_t = W_o\, \mathrm{softmax}_{j \le t}\!\left(\rho_t(W_q x_t)^\top \rho_j(W_k x_j) / \sqrt e\right) W_v x_j

    with the rotation :math:`\rho` of :mod:`~darts_tsformers.layers.transformer.rotary`. Queries, keys and values have
    biases, the output has none. The fused kernel is used, which never holds the map.

    What is kept of the tokens read (:class:`KeysValues`) lets further ones attend to them without reading them again.

    Parameters
    ----------
    d_model, n_heads
        Width and heads of the queries.
    n_kv_heads
        Heads of keys and values (``g``); must divide ``n_heads``. None for as many.
    dropout
        On the output.

    Raises
    ------
    ValueError
        If a size is below 1, ``n_heads`` does not divide ``d_model`` into heads of even width, or ``n_kv_heads`` does
        not divide ``n_heads``.

    Notes
    -----
    Ainslie et al., "GQA", EMNLP 2023 (arXiv 2305.13245).

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.grouped_attention import GroupedAttention
    >>> from darts_tsformers.layers.transformer.rotary import rotation
    >>> layer = GroupedAttention(d_model=8, n_heads=2)
    >>> x = torch.randn(3, 12, 8)  # (B, n, D)
    >>> whole, _ = layer(x, rotation(12, 4, like=x))
    >>> _, read = layer(x[:, :10], rotation(10, 4, like=x))
    >>> last, _ = layer(x[:, 10:], rotation(2, 4, first=10, like=x), read)
    >>> torch.allclose(last, whole[:, 10:], atol=1e-5)
    True
    """

    def __init__(self, d_model: int, n_heads: int, n_kv_heads: int | None = None, *, dropout: float = 0.0) -> None:
        super().__init__()
        n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        require_at_least(1, d_model=d_model, n_heads=n_heads, n_kv_heads=n_kv_heads)
        if d_model % n_heads or d_model // n_heads % 2:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model} into heads of even width")
        if n_heads % n_kv_heads:
            raise ValueError(f"n_kv_heads={n_kv_heads} must divide n_heads={n_heads}")
        self.n_heads, self.n_kv_heads = n_heads, n_kv_heads
        d_keys = d_model // n_heads * n_kv_heads
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_keys)
        self.value = nn.Linear(d_model, d_keys)
        self.out = nn.Linear(d_model, d_model, bias=False)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "B n D"],
        turn: tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]],
        read: KeysValues | None = None,
        there: Bool[Tensor, "B M"] | None = None,
    ) -> tuple[Float[Tensor, "B n D"], KeysValues]:
        """Attend from tokens that follow on those read; ``there`` says which of all are no padding, None for all.

        A token that is padding sees itself alone.
        """
        q = rotate(rearrange(self.query(x), "B n (h e) -> B h n e", h=self.n_heads), turn)
        k, v = (rearrange(to(x), "B n (g e) -> B g n e", g=self.n_kv_heads) for to in (self.key, self.value))
        own = KeysValues(rotate(k, turn), v)
        read = own if read is None else read.followed_by(own)
        k, v = (t.repeat_interleave(self.n_heads // self.n_kv_heads, dim=1) for t in read)
        mask = seen(q.shape[2], k.shape[2], there, x.device)
        if is_recording("attention"):
            scores = q @ k.mT / math.sqrt(q.shape[-1])
            record("attention", self, weights=scores.masked_fill(~mask, -math.inf).softmax(-1))
        at_once = there is None and q.shape[2] == k.shape[2]
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=None if at_once else mask, is_causal=at_once)
        attended: Tensor = self.dropout(self.out(rearrange(out, "B h n e -> B n (h e)")))
        return attended, read


def seen(
    n: int, n_keys: int, there: Bool[Tensor, "B M"] | None, device: torch.device
) -> Bool[Tensor, "n M"] | Bool[Tensor, "B 1 n M"]:
    """Say which keys the last ``n`` tokens see: those up to their own that are there, and their own."""
    causal = torch.ones(n, n_keys, dtype=torch.bool, device=device).tril(n_keys - n)
    if there is None:
        return causal
    own = torch.ones_like(causal).triu(n_keys - n)
    return (causal & (there[:, None, None] | own)).contiguous()
