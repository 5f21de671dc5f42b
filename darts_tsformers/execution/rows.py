"""Rows of each sample's own choice."""

from jaxtyping import Int, Shaped
from torch import Tensor


def take_rows(x: Shaped[Tensor, "B *N"], at: Int[Tensor, "B m"], dim: int) -> Shaped[Tensor, "B *M"]:
    """Take entries along an axis, from each sample others; unlike ``take_along_dim`` it can be exported.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.execution.rows import take_rows
    >>> take_rows(torch.tensor([[[1], [2], [3]], [[4], [5], [6]]]), torch.tensor([[0, 1], [2, 2]]), dim=1).squeeze(-1)
    tensor([[1, 2],
            [6, 6]])
    """
    batch, m = at.shape
    index = at.view(batch, *[m if axis == dim else 1 for axis in range(1, x.ndim)])
    return x.gather(dim, index.expand(batch, *[m if axis == dim else x.shape[axis] for axis in range(1, x.ndim)]))
