"""Rotary positions: queries and keys are turned by angles that grow with their position."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotation(
    n: int, width: int, *, first: int = 0, theta: float = 10000.0, like: Tensor
) -> tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]]:
    r"""Return cosine and sine of the angles at positions ``first .. first + n - 1``.

    Feature ``i`` of the first half of a head, and its like in the second half, turn by :math:`p\, \theta^{-2i/e}` at
    position ``p``.

    Parameters
    ----------
    n
        Positions.
    width
        Width of a head (``e``), even.
    first
        The first position.
    theta
        Base of the angles.
    like
        A tensor whose device and type of number to take; angles are computed in at least float32.
    """
    wide = torch.promote_types(like.dtype, torch.float32)
    exponents = torch.arange(0, width, 2, dtype=wide, device=like.device) / width
    positions = torch.arange(first, first + n, dtype=wide, device=like.device)
    angles = positions[:, None] * theta**-exponents
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate(
    x: Float[Tensor, "B h n e"], turn: tuple[Float[Tensor, "n e"], Float[Tensor, "n e"]]
) -> Float[Tensor, "B h n e"]:
    """Turn each pair of features, one of the first half of a head with its like in the second, by its angle.

    The product of a query with a key then depends on how far apart they are, and not on where.

    Notes
    -----
    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021 (arXiv 2104.09864), section 3.4.2,
    with halves in place of neighbours, as in LLaMA's code on the Hugging Face hub.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.rotary import rotate, rotation
    >>> x = torch.tensor([1.0, 0.0]).expand(1, 1, 3, 2)  # (B, h, n, e)
    >>> rotate(x, rotation(3, 2, like=x))[0, 0]
    tensor([[ 1.0000,  0.0000],
            [ 0.5403,  0.8415],
            [-0.4161,  0.9093]])
    """
    cosine, sine = turn
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-second, first], dim=-1) * sine


def rotation_at(
    positions: Int[Tensor, "B n"], width: int, *, theta: float = 10000.0, like: Tensor
) -> tuple[Float[Tensor, "B 1 n e2"], Float[Tensor, "B 1 n e2"]]:
    """Return cosine and sine of the angles of each pair of features, ``width / 2`` of them, at any positions.

    ``theta`` and ``like`` are those of :func:`rotation`.
    """
    wide = torch.promote_types(like.dtype, torch.float32)
    exponents = torch.arange(0, width, 2, dtype=wide, device=like.device) / width
    angles = positions[:, None, :, None].to(wide) * theta**-exponents
    return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


def rotate_neighbours(
    x: Float[Tensor, "B h n e"], turn: tuple[Float[Tensor, "B 1 n e2"], Float[Tensor, "B 1 n e2"]]
) -> Float[Tensor, "B h n e"]:
    """Turn each pair of neighbouring features by its angle, as the paper has it.

    Examples
    --------
    >>> import torch
    >>> from darts_tsformers.layers.transformer.rotary import rotate_neighbours, rotation_at
    >>> x = torch.tensor([1.0, 0.0]).expand(1, 1, 3, 2)  # (B, h, n, e)
    >>> rotate_neighbours(x, rotation_at(torch.tensor([[0, 1, 5]]), 2, like=x))[0, 0]
    tensor([[ 1.0000,  0.0000],
            [ 0.5403,  0.8415],
            [ 0.2837, -0.9589]])
    """
    cosine, sine = turn
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], dim=-1).flatten(-2)
