"""The layer around a frequency block: projections and heads, as around an attention mechanism."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.layers.dropout import Dropout
from darts_tsformers.layers.frequency.fourier import head_width


class FrequencyLayer(nn.Module):
    """Project to heads, apply a block, project back.

    Parameters
    ----------
    block
        From queries, or queries, keys and values, each ``(B, h, L, e)``, to outputs.
    d_model
        Width ``D``.
    n_heads
        Heads ``h``; must divide ``d_model``.
    dropout
        On the output.
    cross
        Whether the block also takes keys and values, which come from a memory. A block that works on the queries alone
        gets no others.

    Raises
    ------
    ValueError
        If ``n_heads`` does not divide ``d_model``.
    """

    def __init__(
        self, block: nn.Module, d_model: int, n_heads: int, *, dropout: float = 0.0, cross: bool = False
    ) -> None:
        super().__init__()
        head_width(d_model, n_heads)
        self.block = block
        self.n_heads = n_heads
        self.project_query = nn.Linear(d_model, d_model)
        self.project_memory = nn.Linear(d_model, 2 * d_model) if cross else None
        self.project_out = nn.Linear(d_model, d_model)
        self.dropout = Dropout(dropout)

    def forward(
        self, x: Float[Tensor, "B L D"], memory: Float[Tensor, "B M D"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], None]:
        """Work on ``x``, with a view to ``memory`` if cross. There are no scores to hand on."""
        inputs = [self.project_query(x)]
        if self.project_memory is not None:
            inputs += self.project_memory(memory).chunk(2, dim=-1)
        out = self.block(*(rearrange(t, "B L (h e) -> B h L e", h=self.n_heads) for t in inputs))
        return self.dropout(self.project_out(rearrange(out, "B h L e -> B L (h e)"))), None
