"""The two-dimensional state space model cell by cell."""

import torch
from jaxtyping import Float
from torch import Tensor

Grid = Float[Tensor, "B V T D n"]
Two = tuple[Float[Tensor, "D n"], Float[Tensor, "D n"]]


def two_dimensional_scan(a: tuple[Tensor, Tensor, Tensor, Tensor], b: tuple[Grid, Grid]) -> tuple[Grid, Grid]:
    """Return both states of every cell; transitions are diagonals of cells, fixed diagonals, or fixed matrices."""
    _, n_variates, length = b[0].shape[:3]
    zero = torch.zeros_like(b[0][:, 0, 0])
    h1: dict[tuple[int, int], Tensor] = {}
    h2: dict[tuple[int, int], Tensor] = {}
    for v in range(n_variates):
        for t in range(length):
            before, above = (v, t - 1), (v - 1, t)
            h1[v, t] = b[0][:, v, t] + moved(a[0], h1.get(before, zero), v, t) + moved(a[1], h2.get(before, zero), v, t)
            h2[v, t] = b[1][:, v, t] + moved(a[2], h1.get(above, zero), v, t) + moved(a[3], h2.get(above, zero), v, t)
    first, second = (
        torch.stack([torch.stack([h[v, t] for t in range(length)], dim=1) for v in range(n_variates)], dim=1)
        for h in (h1, h2)
    )
    return first, second


def moved(a: Tensor, h: Float[Tensor, "B D n"], v: int, t: int) -> Float[Tensor, "B D n"]:
    """Multiply a state by the transition of a cell."""
    if a.ndim == 3:
        return torch.einsum("dmn,bdn->bdm", a, h)
    return (a if a.ndim == 2 else a[:, v, t]) * h


def two_dimensional_closed_loop(
    x: Float[Tensor, "B V T D"], horizon: int, *, a: tuple[Tensor, Tensor, Tensor, Tensor], b: Two, c: Two, k: Two
) -> tuple[Float[Tensor, "B V TH D"], Float[Tensor, "B V H D"]]:
    """Scan anew after each input; return the readings and the inputs of the loop itself."""
    known = x.shape[2]
    for _ in range(horizon):
        x = torch.cat([x, read(x, a, b, k)[:, :, -1:]], dim=2)
    return read(x, a, b, c), x[:, :, known:]


def read(
    x: Float[Tensor, "B V T D"], a: tuple[Tensor, Tensor, Tensor, Tensor], b: Two, by: Two
) -> Float[Tensor, "B V T D"]:
    """Scan an input and read the states of every cell."""
    h1, h2 = two_dimensional_scan(a, (x[..., None] * b[0], x[..., None] * b[1]))
    return (by[0] * h1 + by[1] * h2).sum(-1)
