"""Positions of patches."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from darts_tsformers.checks import require_one_of

KINDS = ("sincos", "learned")


class PatchPosition(nn.Module):
    r"""Add to each patch what says where it is.

    ``"sincos"`` is the table of sines and cosines of Vaswani et al., less its mean and divided by ten times its
    standard deviation, both over the whole table. ``"learned"`` starts with a standard deviation of 0.1.

    Parameters
    ----------
    n_patches, d_model
        Tokens of a channel (``N``) and their width (``D``).
    kind
        ``"sincos"`` or ``"learned"``.

    Raises
    ------
    ValueError
        If the kind is not known, or it is ``"sincos"`` and ``d_model`` is odd.
    """

    table: Tensor

    def __init__(self, n_patches: int, d_model: int, kind: str) -> None:
        super().__init__()
        require_one_of(KINDS, positional_encoding=kind)
        if kind == "learned":
            self.table = nn.Parameter(torch.empty(n_patches, d_model).normal_(std=0.1))
            return
        if d_model % 2:
            raise ValueError(f"d_model={d_model} must be even: sincos positions take half sines, half cosines")
        frequency = 10000.0 ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
        angle = torch.arange(n_patches, dtype=torch.float64)[:, None] * frequency
        table = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
        table = (table - table.mean()) / (10 * table.std())
        self.register_buffer("table", table.to(torch.get_default_dtype()), persistent=False)

    def forward(self, tokens: Float[Tensor, "B C N D"]) -> Float[Tensor, "B C N D"]:
        """Add the positions."""
        return tokens + self.table
