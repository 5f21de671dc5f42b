"""What a companion state-space model means: the matrix is written out and applied step by step. Used by tests only."""

import torch
from jaxtyping import Float
from torch import Tensor


def companion_matrix(a: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
    """Put ones below the diagonal and ``a`` in the last column."""
    n = len(a)
    shift = torch.diag(torch.ones(n - 1, dtype=a.dtype), -1)
    last = torch.eye(n, dtype=a.dtype)[-1]
    return shift + torch.outer(a, last)


def companion_kernel(
    a: Float[Tensor, " n"], b: Float[Tensor, " n"], c: Float[Tensor, " n"], length: int
) -> Float[Tensor, " L"]:
    """Take the powers of the matrix."""
    matrix = companion_matrix(a)
    return torch.stack([c @ torch.linalg.matrix_power(matrix, i) @ b for i in range(length)])


def companion_states(u: Float[Tensor, " L"], a: Float[Tensor, " n"], b: Float[Tensor, " n"]) -> Float[Tensor, "L n"]:
    """Return the state after each input, from zero."""
    matrix, x, states = companion_matrix(a), torch.zeros_like(a), []
    for u_t in u:
        x = matrix @ x + b * u_t
        states.append(x)
    return torch.stack(states)


def companion_rollout(
    x: Float[Tensor, " n"],
    a: Float[Tensor, " n"],
    b: Float[Tensor, " n"],
    c: Float[Tensor, " n"],
    k: Float[Tensor, " n"],
    horizon: int,
    drive: Float[Tensor, " H"] | None = None,
) -> tuple[Float[Tensor, " H"], Float[Tensor, " H"]]:
    """Feed each next input back, with the drive added; return outputs and next inputs."""
    outputs, inputs = [], []
    for h in range(horizon):
        outputs.append(c @ x)
        inputs.append(k @ x)
        fed = inputs[-1] if drive is None else inputs[-1] + drive[h]
        x = companion_matrix(a) @ x + b * fed
    return torch.stack(outputs), torch.stack(inputs)
