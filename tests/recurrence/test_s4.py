import pytest
import torch
from torch import Tensor

from darts_tsformers.recurrence import s4_kernel, s4_legs, s4_read, two_way, two_way_response
from darts_tsformers.recurrence.naive import s4 as naive
from tests.helpers import assert_same_with_gradients, draw

SIZES = [(2, 3, 5, 29), (1, 5, 2, 12), (2, 1, 1, 7), (3, 2, 3, 2), (1, 1, 1, 1)]
ids = [f"K{k}-D{d}-N{n}-L{length}" for k, d, n, length in SIZES]


def complex_of(*shape: int, seed: int) -> Tensor:
    return torch.view_as_complex(draw(*shape, 2, seed=seed, dtype=torch.float64))


def parts(k: int, d: int, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Poles, low rank, write and read vectors, steps; all of them leaves."""
    poles = torch.complex(-draw(d, n, seed=1, dtype=torch.float64).abs() - 0.1, 3 * draw(d, n, dtype=torch.float64))
    step = 0.05 + 0.2 * draw(d, seed=5, dtype=torch.float64).abs()
    found = (poles, complex_of(d, n, seed=2), complex_of(d, n, seed=3), complex_of(k, d, n, seed=4), step)
    return tuple(one.requires_grad_() for one in found)


def by_recurrence(parts: tuple[Tensor, ...], length: int) -> Tensor:
    poles, low_rank, write, read, step = parts

    def of_feature(d: int, row: Tensor) -> Tensor:
        return naive.s4_kernel(poles[d], low_rank[d], write[d], row[d], step[d], length)

    return torch.stack([torch.stack([of_feature(d, row) for d in range(len(step))]) for row in read])


@pytest.mark.parametrize(("k", "d", "n", "length"), SIZES, ids=ids)
def test_a_kernel_equals_the_dense_recurrence(k, d, n, length):
    found = parts(k, d, n)
    poles, low_rank, write, read, step = found
    cut_off = s4_read(poles, low_rank, read, step, length)
    assert_same_with_gradients(
        s4_kernel(poles, low_rank, write, cut_off, step, length), by_recurrence(found, length), found
    )


def test_in_single_precision_it_is_close():
    poles, low_rank, write = (one.expand(5, -1) for one in s4_legs(16))
    step, read = torch.logspace(-3, -1, 5, dtype=torch.float64), complex_of(2, 5, 16, seed=4)
    cut_off = s4_read(poles, low_rank, read, step, 61)
    exact = s4_kernel(poles, low_rank, write, cut_off, step, 61)
    single = s4_kernel(*(one.to(torch.complex64) for one in (poles, low_rank, write, cut_off)), step.float(), 61)
    torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-4 * float(exact.abs().max()))


@pytest.mark.parametrize("n_pairs", [1, 2, 5])
def test_legs_has_the_eigenvalues_of_its_triangle(n_pairs):
    poles, low_rank, _ = (one[0] for one in s4_legs(n_pairs))
    poles, low_rank = (torch.cat([one, one.conj()]) for one in (poles, low_rank))
    matrix = torch.diag(poles) - torch.outer(low_rank, low_rank.conj())
    found = torch.linalg.eigvals(matrix).real.sort().values
    expected = -torch.arange(2 * n_pairs, 0, -1, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


def test_a_legs_memory_of_ones_is_their_mean():
    """Its first coefficient is the mean of what came, which an input of one has at one."""
    poles, low_rank, write = (one[0] for one in s4_legs(3))
    matrix, vector = naive.s4_matrices(poles, low_rank, write, step=0.05)
    state = torch.linalg.solve(torch.eye(6, dtype=matrix.dtype) - matrix, vector)
    norm = state.abs().square().sum()
    torch.testing.assert_close(norm, torch.tensor(1.0, dtype=torch.float64), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("batch", "length", "d"), [(2, 7, 3), (1, 1, 1), (3, 12, 2)])
def test_a_two_way_response_equals_its_sums(batch, length, d):
    x = draw(batch, length, d, dtype=torch.float64).requires_grad_()
    onward, back = (draw(d, length, seed=seed, dtype=torch.float64).requires_grad_() for seed in (1, 2))
    ours = two_way(x.mT, two_way_response(onward, back)).mT
    assert_same_with_gradients(ours, naive.two_way(x, onward, back), [x, onward, back])


def test_gradients_of_a_two_way_response_are_those_of_differences():
    shapes = [(2, 3, 5), (3, 5), (3, 5)]
    x, onward, back = (draw(*shape, seed=i, dtype=torch.float64).requires_grad_() for i, shape in enumerate(shapes))
    assert torch.autograd.gradcheck(lambda *given: two_way(given[0], two_way_response(*given[1:])), (x, onward, back))


def test_half_precision_comes_back():
    x, response = draw(2, 3, 7), two_way_response(draw(3, 7, seed=1), draw(3, 7, seed=2))
    half = two_way(x.bfloat16(), response)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), two_way(x, response), rtol=0.05, atol=0.1)
