"""What a structured state space means: the whole matrix, made discrete and applied step by step. Used by tests only."""

import torch
from jaxtyping import Complex, Float
from torch import Tensor


def s4_matrices(
    poles: Complex[Tensor, " N"],
    low_rank: Complex[Tensor, " N"],
    write: Complex[Tensor, " N"],
    step: float | Float[Tensor, ""],
) -> tuple[Complex[Tensor, "M M"], Complex[Tensor, " M"]]:
    """Return the discrete matrix and vector of one feature, over both halves of all pairs."""
    poles, low_rank, write = (torch.cat([x, x.conj()]) for x in (poles, low_rank, write))
    matrix = torch.diag(poles) - torch.outer(low_rank, low_rank.conj())
    one = torch.eye(len(poles), dtype=poles.dtype)
    inverse = torch.linalg.inv(one - step / 2 * matrix)
    return inverse @ (one + step / 2 * matrix), step * (inverse @ write)


def s4_kernel(
    poles: Complex[Tensor, " N"],
    low_rank: Complex[Tensor, " N"],
    write: Complex[Tensor, " N"],
    read: Complex[Tensor, " N"],
    step: float | Float[Tensor, ""],
    length: int,
) -> Float[Tensor, " L"]:
    """Read the state after each step since an impulse; ``read`` is that of the recurrence, for any length."""
    matrix, state = s4_matrices(poles, low_rank, write, step)
    read, response = torch.cat([read, read.conj()]), []
    for _ in range(length):
        response.append((read @ state).real)
        state = matrix @ state
    return torch.stack(response)


def two_way(
    x: Float[Tensor, "B L D"], onward: Float[Tensor, "D L"], back: Float[Tensor, "D L"]
) -> Float[Tensor, "B L D"]:
    """Weigh each input and those before it, and each after it from the next on."""
    length = x.shape[1]
    out = torch.zeros_like(x)
    for t in range(length):
        for s in range(length):
            out[:, t] += x[:, s] * (onward[:, t - s] if s <= t else back[:, s - t - 1])
    return out
