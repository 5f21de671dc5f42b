"""FIT: attention within groups of tokens, and among a few latents of each group, in turns."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from darts_tsformers.checks import require_at_least, require_flag, require_probability
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.recomputing import Recomputing
from darts_tsformers.layers.transformer.feed_forward import FeedForward


class InterleavedEncoder(nn.Module, Recomputing):
    r"""A stack of :class:`InterleavedBlock`, from tokens to tokens like any other encoder.

    Parameters
    ----------
    d_model, n_heads, d_ff
        Width, heads, inner width of the feed-forward parts.
    n_tokens
        The most tokens it will see.
    group_size
        Tokens of a group; the last one may be shorter. By default the cube root of the square of ``n_tokens``, which
        makes the cost grow slowest.
    n_latents
        Latents of a group.
    n_blocks, n_local_layers, n_global_layers
        Blocks, and the layers of each among the tokens of a group and among all latents.
    dropout
        After attention and in the feed-forward parts.
    activation
        ``"gelu"``, ``"relu"``, ``"elu"``, ``"silu"`` or ``"squared_relu"``.
    causal
        Whether a token sees what came before it alone.

    Raises
    ------
    ValueError
        If a hyper-parameter breaks its rule; the message names it.

    Notes
    -----
    Chen and Li, "FIT: Far-reaching Interleaved Transformers", 2023, section 3, with norms before each part. Cost:
    O(L n + (m L / n)^2) time with groups of n tokens and m latents, about :math:`L^{4/3}` at the best n. Latents are
    learnt for each group by its place and enter each block anew.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.interleaved import InterleavedEncoder
    >>> encoder = InterleavedEncoder(8, 2, 16, n_tokens=96, group_size=24)
    >>> encoder(torch.randn(3, 90, 8)).shape  # (B, N, D)
    torch.Size([3, 90, 8])
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        *,
        n_tokens: int,
        group_size: int | None = None,
        n_latents: int = 4,
        n_blocks: int = 1,
        n_local_layers: int = 1,
        n_global_layers: int = 1,
        dropout: float = 0.0,
        activation: str = "gelu",
        causal: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, d_ff=d_ff, n_tokens=n_tokens, n_blocks=n_blocks)
        group_size = max(1, round(n_tokens ** (2 / 3))) if group_size is None else group_size
        self.blocks = nn.ModuleList(
            InterleavedBlock(
                d_model,
                n_heads,
                n_tokens=n_tokens,
                group_size=group_size,
                n_latents=n_latents,
                n_local_layers=n_local_layers,
                n_global_layers=n_global_layers,
                d_ff=d_ff,
                dropout=dropout,
                activation=activation,
                causal=causal,
            )
            for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(d_model)

    def forward(self, x: Float[Tensor, "B N D"]) -> Float[Tensor, "B N D"]:
        """Encode the tokens."""
        for block in self.blocks:
            x, _ = self.run(block, x)
        return self.norm(x)


class InterleavedBlock(nn.Module):
    """Tokens attend within their group; latents read their group, attend to each other, and are read by the tokens.

    When causal, latents attend to those of their own and of earlier groups, and tokens read the latents of the group
    before theirs; the first group has none to read.

    Parameters
    ----------
    d_ff
        Inner width of the feed-forward part after each attention. None for attention alone, without norms.
    d_model, n_heads, n_tokens, group_size, n_latents, n_local_layers, n_global_layers, dropout, activation, causal
        As in :class:`InterleavedEncoder`.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        n_tokens: int,
        group_size: int,
        n_latents: int,
        n_local_layers: int = 1,
        n_global_layers: int = 1,
        d_ff: int | None = None,
        dropout: float = 0.0,
        activation: str = "gelu",
        causal: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads, group_size=group_size, n_latents=n_latents)
        require_at_least(0, n_local_layers=n_local_layers, n_global_layers=n_global_layers)
        require_probability(dropout=dropout)
        require_flag(causal=causal)
        if d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}")
        self.n_tokens, self.group_size, self.causal = n_tokens, group_size, causal
        self.latents = nn.Parameter(0.02 * torch.randn(-(-n_tokens // group_size), n_latents, d_model))

        def layer(*, cross: bool = False) -> _Layer:
            return _Layer(d_model, n_heads, d_ff, dropout=dropout, activation=activation, cross=cross)

        self.local = nn.ModuleList(layer() for _ in range(n_local_layers))
        self.read = layer(cross=True)
        self.among = nn.ModuleList(layer() for _ in range(n_global_layers))
        self.write = layer(cross=True)

    def forward(self, x: Float[Tensor, "B N D"]) -> tuple[Float[Tensor, "B N D"], Float[Tensor, "B g m D"]]:
        """Return the tokens and the latents of each group.

        Raises
        ------
        ValueError
            If there are more tokens than the block was made for.
        """
        b, n, d = x.shape
        if n > self.n_tokens:
            raise ValueError(f"the encoder was made for at most n_tokens={self.n_tokens}, not {n}")
        for layer in self.local:
            x = self._in_groups(partial(_within, layer, causal=self.causal), x, None)
        n_groups = -(-n // self.group_size)
        latents = self.latents[:n_groups].to(x.dtype).expand(b, -1, -1, -1)
        latents = self._in_groups(lambda part, own: self.read(own, part), x, latents).view(b, n_groups, -1, d)
        tokens = latents.flatten(1, 2)
        seen = self._earlier_groups(n_groups, latents.shape[2], x.device) if self.causal else None
        for layer in self.among:
            tokens = layer(tokens, seen=seen)
        latents = tokens.view(latents.shape)
        if not self.causal:
            return self._in_groups(lambda part, own: self.write(part, own), x, latents), latents
        first, later = x[:, : self.group_size], x[:, self.group_size :]
        if later.shape[1]:
            later = self._in_groups(lambda part, own: self.write(part, own), later, latents[:, :-1])
        return torch.cat([first, later], dim=1), latents

    def _in_groups(
        self,
        function: Callable[[Tensor, Tensor | None], Tensor],
        x: Float[Tensor, "B N D"],
        latents: Float[Tensor, "B g m D"] | None,
    ) -> Float[Tensor, "B K D"]:
        """Apply a function to all whole groups and their latents at once, then to what is left at the end."""
        b, n, _ = x.shape
        n_whole = n // self.group_size
        end = n_whole * self.group_size
        outs = []
        if n_whole:
            own = None if latents is None else latents[:, :n_whole].flatten(0, 1)
            groups = x[:, :end].reshape(b * n_whole, self.group_size, -1)
            outs.append(function(groups, own).reshape(b, -1, x.shape[-1]))
        if end < n:
            outs.append(function(x[:, end:], None if latents is None else latents[:, -1]))
        return torch.cat(outs, dim=1)

    @staticmethod
    def _earlier_groups(n_groups: int, n_latents: int, device: torch.device) -> Bool[Tensor, "K K"]:
        group = torch.arange(n_groups * n_latents, device=device) // n_latents
        return group <= group[:, None]


def _within(layer: nn.Module, part: Tensor, _: Tensor | None, *, causal: bool) -> Tensor:
    attended: Tensor = layer(part, causal=causal)
    return attended


class _Layer(nn.Module):
    """Attention of tokens to each other or to others, and a feed-forward part, each added to what it acts on."""

    def __init__(
        self, d_model: int, n_heads: int, d_ff: int | None, *, dropout: float, activation: str, cross: bool
    ) -> None:
        super().__init__()
        whole = d_ff is not None
        self.n_heads = n_heads
        self.norm = nn.LayerNorm(d_model) if whole else nn.Identity()
        self.memory_norm = nn.LayerNorm(d_model) if whole and cross else nn.Identity()
        self.project_q = nn.Linear(d_model, d_model, bias=whole)
        self.project_kv = nn.Linear(d_model, 2 * d_model, bias=whole)
        self.project_out = nn.Linear(d_model, d_model, bias=whole)
        self.dropout = Dropout(dropout)
        self.feed_forward = (
            None
            if d_ff is None
            else nn.Sequential(
                nn.LayerNorm(d_model), FeedForward(d_model, d_ff, dropout=dropout, activation=activation)
            )
        )

    def forward(
        self,
        x: Float[Tensor, "N K D"],
        memory: Float[Tensor, "N M D"] | None = None,
        *,
        causal: bool = False,
        seen: Bool[Tensor, "K M"] | None = None,
    ) -> Float[Tensor, "N K D"]:
        given = self.norm(x)
        q, kv = self.project_q(given), self.project_kv(given if memory is None else self.memory_norm(memory))
        q, k, v = (t.unflatten(-1, (self.n_heads, -1)).transpose(1, 2) for t in (q, *kv.chunk(2, dim=-1)))
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, is_causal=causal)
        x = x + self.dropout(self.project_out(out.transpose(1, 2).flatten(2)))
        return x if self.feed_forward is None else x + self.feed_forward(x)
