import pytest
import torch

from darts_tsformers.recurrence import hidden_attention, selective_scan
from tests.helpers import draw


def make(batch: int, length: int, width: int, n: int) -> list[torch.Tensor]:
    shapes = [(batch, length, width), (width, n), (batch, length, n), (batch, length, n)]
    delta, A, B, C = (draw(*shape, seed=seed, dtype=torch.float64) for seed, shape in enumerate(shapes))
    return [delta.exp(), -A.exp(), B, C]


@pytest.mark.parametrize("sizes", [(3, 17, 5, 7), (1, 1, 1, 1), (2, 13, 1, 3), (2, 11, 3, 1)])
def test_the_map_makes_the_output(sizes):
    delta, A, B, C = make(*sizes)
    x, D = draw(*delta.shape, seed=5, dtype=torch.float64), draw(sizes[2], seed=6, dtype=torch.float64)
    out = torch.einsum("bdij,bjd->bid", hidden_attention(delta, A, B, C), x) + D * x
    torch.testing.assert_close(out, selective_scan(x, delta, A, B, C, D)[0])


def test_its_entries_are_those_of_the_equation():
    delta, A, B, C = make(2, 7, 3, 5)
    weights = hidden_attention(delta, A, B, C)
    for i in range(7):
        for j in range(7):
            passed = delta[:, j + 1 : i + 1].sum(1)
            entered = delta[:, j, :, None] * B[:, j, None]
            expected = (C[:, i, None] * torch.exp(passed[..., None] * A) * entered).sum(-1) * (j <= i)
            torch.testing.assert_close(weights[..., i, j], expected)


def test_long_steps_do_not_overflow():
    delta, A, B, C = make(2, 17, 3, 5)
    weights = hidden_attention(*(t.float() for t in (50 * delta, A, B, C)))
    assert weights.isfinite().all()
