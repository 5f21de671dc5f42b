"""Attention whose heads share their values, so that the mean of their maps is the map of the whole."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.attention import AttentionLike, HeadSizes, attention_spec, build_attention
from darts_tsformers.checks import require_at_least
from darts_tsformers.recording import is_recording, record, recorded_kinds


class InterpretableAttention(nn.Module):
    r"""Multi-head attention with one head of values.

    .. math::
        A_h &= \mathrm{softmax}\left(Q_h K_h^\top / \sqrt{e}\right) \\
        O &= \frac{1}{h} \sum_h A_h V \, W_O

    Each head has its own queries and keys, of width ``e = D / h``; the values, of that width too, are the same for all.
    The mechanism runs on each head and its outputs are averaged, so that no map is formed; only while attention is
    recorded are there maps, one a head.

    Parameters
    ----------
    d_model
        Width ``D``.
    n_heads
        Heads ``h``; must divide ``d_model``.
    attention
        The mechanism: a registered name, a name with arguments, or a mechanism whose arguments to take.
    causal
        Whether a row sees the rows up to itself, or all.
    n_rows
        The most rows that the layer will see; for a mechanism that has parameters of its own.

    Raises
    ------
    ValueError
        If ``n_heads`` does not divide ``d_model``, or the mechanism does not support ``causal``.

    Notes
    -----
    Lim et al., "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series Forecasting", International
    Journal of Forecasting 37, 2021, section 4.4. No map has a bias, as in the authors' code.
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        attention: AttentionLike = "full",
        causal: bool = True,
        n_rows: int | None = None,
    ) -> None:
        super().__init__()
        require_at_least(1, d_model=d_model, n_heads=n_heads)
        if d_model % n_heads:
            raise ValueError(f"n_heads={n_heads} must divide d_model={d_model}")
        self.n_heads = n_heads
        self.causal = causal
        sizes = None if n_rows is None else HeadSizes(n_heads, d_model // n_heads, n_rows, n_rows)
        self.mechanism = build_attention(attention, sizes)
        if causal and not self.mechanism.supports_causal:
            raise ValueError(
                f"attention={attention_spec(attention)[0]!r} has no causal form and cannot serve a causal layer"
            )
        self.widths = [d_model, d_model, d_model // n_heads]
        self.project_in = nn.Linear(d_model, sum(self.widths), bias=False)
        self.project_out = nn.Linear(d_model // n_heads, d_model, bias=False)

    def forward(self, x: Float[Tensor, "B R D"], n_last: int) -> Float[Tensor, "B H D"]:
        """Attend from the last rows, ``n_last`` of them, to all that each may see."""
        q, k, v = self.project_in(x).split(self.widths, dim=-1)
        q, k = (rearrange(t, "B R (h e) -> B h R e", h=self.n_heads) for t in (q, k))
        values = v.unsqueeze(1).expand(-1, self.n_heads, -1, -1)
        out, weights = self.mechanism.last_rows(
            q, k, values, n_last, causal=self.causal, need_weights=is_recording("attention")
        )
        if is_recording():
            self._record(q, k, weights, n_last)
        mixed: Tensor = self.project_out(out.mean(dim=1))
        return mixed

    def _record(
        self,
        q: Float[Tensor, "B h R e"],
        k: Float[Tensor, "B h R e"],
        weights: Float[Tensor, "B h H R"] | None,
        n_last: int,
    ) -> None:
        if weights is not None:
            record("attention", self, weights=weights)
        said = self.mechanism.details(q, k, kinds=recorded_kinds(), causal=self.causal)
        for kind, tensors in said.items():
            of_rows = kind == "queries"
            record(kind, self, **{name: t[..., -n_last:] if of_rows else t for name, t in tensors.items()})
