"""What a Legendre memory means: its equation solved in exact fractions, then applied input by input."""

from fractions import Fraction

import torch
from jaxtyping import Float
from torch import Tensor

N_TERMS = 80


def legendre_matrices(order: int, theta: float | int) -> tuple[Float[Tensor, "q q"], Float[Tensor, " q"]]:
    """Solve dm / dt = A m + B u over one step with ``u`` held: the series of the exponential of [[A, B], [0, 0]]."""
    size, scale = range(order + 1), Fraction(theta)
    generator = [[Fraction(0)] * (order + 1) for _ in size]
    for i in range(order):
        for j in range(order):
            generator[i][j] = (2 * i + 1) * (-1 if i < j else (-1) ** (i - j + 1)) / scale
        generator[i][order] = (2 * i + 1) * (-1) ** i / scale
    term = total = [[Fraction(i == j) for j in size] for i in size]
    for n in range(1, N_TERMS):
        term = [[sum((term[i][k] * generator[k][j] for k in size), Fraction(0)) / n for j in size] for i in size]
        total = [[total[i][j] + term[i][j] for j in size] for i in size]
    solved = torch.tensor([[float(entry) for entry in row] for row in total], dtype=torch.float64)
    return solved[:-1, :-1], solved[:-1, -1]


def legendre_memory(u: Float[Tensor, "B L"], a: Float[Tensor, "q q"], b: Float[Tensor, " q"]) -> Float[Tensor, "B L q"]:
    """Take in the inputs one by one, from nothing."""
    memory, memories = torch.zeros(len(u), len(b), dtype=u.dtype), []
    for u_t in u.unbind(-1):
        memory = memory @ a.T + torch.outer(u_t, b)
        memories.append(memory)
    return torch.stack(memories, dim=1)
