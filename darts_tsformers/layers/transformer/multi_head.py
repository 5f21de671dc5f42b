"""The layer around a mechanism: projections, heads, dropout, recording, and one row at a time."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike, HeadSizes, attention_spec, build_attention
from darts_tsformers.checks import require_at_least
from darts_tsformers.execution.rows import take_rows
from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.transformer.primer import DepthwiseConvolution
from darts_tsformers.recording import is_recording, record, recorded_kinds


class Scores(NamedTuple):
    """Attention scores by their factors, ``q @ k.mT`` before any division by the width, never formed."""

    q: Float[Tensor, "B h L w"]
    k: Float[Tensor, "B h M w"]


@dataclass
class Rows:
    """What a causal layer has made of a sequence, to be completed row by row: its input and the projections of it.

    Where histories begin at rows of their own (``start``), each is moved to the front.
    """

    x: Float[Tensor, "B L D"]
    q: Float[Tensor, "B h L e"]
    k: Float[Tensor, "B h L e"]
    v: Float[Tensor, "B h L e"]
    start: Int[Tensor, " B"] | None = None

    def put(self, x: Float[Tensor, "B 1 D"], row: int, n: int) -> Float[Tensor, "B m D"]:
        """Put ``x`` in the place of one row, and return up to ``n`` rows that end with it."""
        if self.start is None:
            self.x[:, row : row + 1] = x
            return self.x[:, max(0, row + 1 - n) : row + 1]
        at = (row - self.start)[:, None] + torch.arange(1 - n, 1, device=x.device)
        self.x[torch.arange(x.shape[0], device=x.device), at[:, -1]] = x[:, 0]
        return take_rows(self.x, at.clamp_min(0), dim=1).masked_fill((at < 0)[..., None], 0)

    def project(self, projections: Iterable[Float[Tensor, "B h m e"]], row: int) -> None:
        """Put the last of each projection in the place of one row."""
        for kept, new in zip((self.q, self.k, self.v), projections, strict=True):
            if self.start is None:
                kept[..., row : row + 1, :] = new[..., -1:, :]
            else:
                kept[torch.arange(new.shape[0], device=new.device), :, row - self.start] = new[..., -1, :]


class MultiHeadAttention(nn.Module):
    r"""Multi-head attention around any mechanism.

    Parameters
    ----------
    d_model
        Width ``D``.
    n_heads
        Heads ``h``; must divide ``d_model``.
    attention
        The mechanism: a registered name, a name with arguments, or a mechanism whose arguments to take.
    dropout
        Applied to the output (not to the weights, see :class:`~darts_tsformers.attention.FullAttention`).
    causal, cross
        How the layer will be used; a mechanism that cannot serve the use is refused here.
    row_by_row
        Whether a causal layer must serve :meth:`begin` and :meth:`advance`. A mechanism that is not strictly causal is
        refused then: with later rows still open it would choose differently.
    kernel_size
        Steps that the query and the key of a position are made of: its own and those before it.
    depthwise_size
        Steps that each channel of the projections is averaged over, by learnt weights: the present one and those
        before it (:class:`~darts_tsformers.layers.transformer.primer.DepthwiseConvolution`). 1 for none.
    n_queries, n_keys
        The most steps of ``x``, and of the memory if there is one, that the layer will see; for a mechanism that has
        parameters of its own.
    n_earlier
        Layers before this one whose scores will come as ``earlier``.
    mix
        Whether to lay heads and time steps out in each other's place after attention, as the code of Informer's authors
        does in its decoder; only for parity with it.

    Raises
    ------
    ValueError
        If ``n_heads`` does not divide ``d_model``, ``kernel_size`` is below 1, or the mechanism does not support
        ``causal``, ``row_by_row`` or ``cross``.

    Notes
    -----
    Queries and keys from a causal convolution: Li et al., "Enhancing the Locality and Breaking the Memory Bottleneck of
    Transformer on Time Series Forecasting", NeurIPS 2019, section 4.1; a kernel of one step is plain attention.

    Residual attention (He et al., "RealFormer", 2021) adds the raw scores of the layers before. The sum over layers of
    :math:`Q_i K_i^\top` is the product of the queries and keys laid side by side,
    :math:`[Q_1 \dots Q_l][K_1 \dots K_l]^\top`, so this layer carries those on instead of an L x L map, and any
    mechanism that compares queries with keys can be used with it, the fused kernel included.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.multi_head import MultiHeadAttention
    >>> layer = MultiHeadAttention(d_model=8, n_heads=2, attention="log_sparse", causal=True)
    >>> out, _ = layer(torch.randn(3, 12, 8))  # (B, L, D)
    >>> out.shape
    torch.Size([3, 12, 8])
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        attention: AttentionLike = "full",
        dropout: float = 0.0,
        causal: bool = False,
        cross: bool = False,
        row_by_row: bool = False,
        kernel_size: int = 1,
        depthwise_size: int = 1,
        n_queries: int | None = None,
        n_keys: int | None = None,
        n_earlier: int = 0,
        mix: bool = False,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads, kernel_size=kernel_size, depthwise_size=depthwise_size)
        if d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}")
        self.n_heads = n_heads
        self.causal = causal
        self.mix = mix
        sizes = None
        if n_queries is not None:
            width = d_model // n_heads * (1 + n_earlier)
            sizes = HeadSizes(n_heads, width, n_queries, n_queries if n_keys is None else n_keys)
        self.mechanism = build_attention(attention, sizes)
        name, _ = attention_spec(attention)
        if causal and not self.mechanism.supports_causal:
            raise ValueError(f"attention={name!r} has no causal form and cannot serve a causal layer")
        if row_by_row and not self.mechanism.strictly_causal:
            raise ValueError(
                f"attention={name!r} is causal in what it attends to but not in its choice of queries, which compares "
                "all rows; it cannot serve a layer that forecasts row by row"
            )
        if cross and not self.mechanism.supports_cross:
            raise ValueError(
                f"attention={name!r} needs queries and keys of one length and cannot serve as cross-attention"
            )
        self.kernel_size = max(kernel_size, depthwise_size)
        self.project_in = nn.Linear(d_model, 3 * d_model)
        self.project_before = (
            nn.Linear((kernel_size - 1) * d_model, 2 * d_model, bias=False) if kernel_size > 1 else None
        )
        self.convolve = DepthwiseConvolution(3 * d_model, depthwise_size) if depthwise_size > 1 else None
        self.project_out = nn.Linear(d_model, d_model)
        self.dropout = Dropout(dropout)
        for part in self.project_in.weight.chunk(3):
            nn.init.xavier_uniform_(part.data)
        nn.init.zeros_(self.project_in.bias)

    def forward(
        self,
        x: Float[Tensor, "B L D"],
        memory: Float[Tensor, "B M D"] | None = None,
        *,
        earlier: Scores | None = None,
    ) -> tuple[Float[Tensor, "B L D"], Scores]:
        """Attend from ``x`` to ``memory``, or to itself.

        Returns the output and the scores, which a residual layer above takes as ``earlier``.
        """
        return self._attended(*self._heads(x, memory), earlier)

    def begin(
        self, x: Float[Tensor, "B L D"], n_known: int, start: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], Rows]:
        """Attend from a sequence whose rows after the first ``n_known`` are placeholders; keep what is needed to go on.

        The placeholders are not recorded: :meth:`advance` records each row that takes the place of one. With ``start``
        the rows of each sample were moved to the front by that many, and those before to the end, as :func:`to_front`
        does; rows are then counted, and recorded, as they were.
        """
        q, k, v = self._heads(x, None)
        return self._attended(q, k, v, None, n_known, start)[0], Rows(x, q, k, v, start)

    def advance(self, x: Float[Tensor, "B 1 D"], rows: Rows, row: int) -> Float[Tensor, "B 1 D"]:
        """Put ``x`` in the place of one row, and attend from it to the rows up to it. Writes to ``rows``."""
        rows.project(self._heads(rows.put(x, row, self.kernel_size), None), row)
        if is_recording("attention"):
            record("attention", self, weights=self._row_weights(rows, row))
        if rows.start is None:
            return self._merged(self.mechanism.row(rows.q, rows.k, rows.v, row))
        return self._merged(self.mechanism.row_of_each(rows.q, rows.k, rows.v, row - rows.start))

    def _row_weights(self, rows: Rows, row: int) -> Float[Tensor, "B h 1 L"]:
        if rows.start is None:
            return self.mechanism.row_weights(rows.q, rows.k, row)
        each = enumerate((row - rows.start).tolist())
        weights = [self.mechanism.row_weights(rows.q[i : i + 1], rows.k[i : i + 1], own) for i, own in each]
        return to_front(torch.cat(weights), -rows.start, dim=3)

    def _attended(
        self,
        q: Float[Tensor, "B h L e"],
        k: Float[Tensor, "B h M e"],
        v: Float[Tensor, "B h M e"],
        earlier: Scores | None,
        n_known: int | None = None,
        start: Int[Tensor, " B"] | None = None,
    ) -> tuple[Float[Tensor, "B L D"], Scores]:
        scores = Scores(q, k) if earlier is None else _side_by_side(earlier, Scores(q, k))
        # the mechanism divides by a power of the width it sees; the scores ask for that of one layer's
        too_wide = scores.q.shape[-1] / v.shape[-1]
        scaled = scores.q * too_wide**self.mechanism.width_power if earlier is not None else scores.q
        recorded = is_recording()
        need_weights = recorded and is_recording("attention")
        out, weights = self.mechanism(scaled, scores.k, v, causal=self.causal, need_weights=need_weights)
        if recorded:
            if weights is not None:
                if start is not None:
                    weights = to_front(to_front(weights, -start, dim=2), -start, dim=3)
                record("attention", self, weights=weights[..., :n_known, :])
            if n_known is None:
                said = self.mechanism.details(scaled, scores.k, kinds=recorded_kinds(), causal=self.causal)
                for kind, tensors in said.items():
                    record(kind, self, **tensors)
        return self._merged(out), scores

    def _merged(self, out: Float[Tensor, "B h L e"]) -> Float[Tensor, "B L D"]:
        tokens = out.reshape(out.shape[0], out.shape[2], -1) if self.mix else rearrange(out, "B h L e -> B L (h e)")
        projected: Tensor = self.dropout(self.project_out(tokens))
        return projected

    def _heads(self, x: Float[Tensor, "B L D"], memory: Float[Tensor, "B M D"] | None) -> tuple[Tensor, Tensor, Tensor]:
        q, k, v = (rearrange(t, "B L (h e) -> B h L e", h=self.n_heads) for t in self._projected(x, memory))
        return q, k, v

    def _projected(
        self, x: Float[Tensor, "B L D"], memory: Float[Tensor, "B M D"] | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        d = x.shape[-1]
        if memory is not None:
            q = self._mapped(x, slice(0, d))
            k, v = self._mapped(memory, slice(d, None)).chunk(2, dim=-1)
            return q, k, v
        projected = self.project_in(x) if self.convolve is None else self._mapped(x, slice(None))
        if self.project_before is None:
            q, k, v = projected.chunk(3, dim=-1)
            return q, k, v
        qk, v = projected.split([2 * d, d], dim=-1)
        n_before = self.project_before.in_features // d
        q, k = (qk + self.project_before(_tokens_before(x, n_before))).chunk(2, dim=-1)
        return q, k, v

    def _mapped(self, x: Float[Tensor, "B L D"], features: slice) -> Float[Tensor, "B L K"]:
        """Return some of the projections; convolved before the bias: there is none before the first step."""
        weight, bias = self.project_in.weight[features], self.project_in.bias[features]
        if self.convolve is None:
            return F.linear(x, weight, bias)
        convolved: Tensor = self.convolve(F.linear(x, weight), features) + bias
        return convolved


def to_front(x: Shaped[Tensor, "B *N"], start: Int[Tensor, " B"], dim: int) -> Shaped[Tensor, "B *N"]:
    """Move what begins at ``start`` to the front of an axis, and what was before to its end; back by ``-start``.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.multi_head import to_front
    >>> to_front(torch.tensor([[1, 2, 3, 4], [1, 2, 3, 4]]), torch.tensor([0, 3]), dim=1)
    tensor([[1, 2, 3, 4],
            [4, 1, 2, 3]])
    """
    at = (torch.arange(x.shape[dim], device=x.device) + start[:, None]) % x.shape[dim]
    return take_rows(x, at, dim)


def _tokens_before(x: Float[Tensor, "B L D"], n: int) -> Float[Tensor, "B L K"]:
    """Lay the ``n`` tokens before each side by side, zeros before the first."""
    length = x.shape[1]
    padded = F.pad(x, (0, 0, n, 0))
    return torch.cat([padded[:, i : i + length] for i in range(n)], dim=-1)


def _side_by_side(earlier: Scores, own: Scores) -> Scores:
    return Scores(torch.cat([earlier.q, own.q], dim=-1), torch.cat([earlier.k, own.k], dim=-1))
