import pytest
import torch

from darts_tsformers.layers.decomposition import SeriesDecomposition
from tests.helpers import draw, exactly

SERIES = [1.0, 2.0, 4.0, 7.0, 11.0, 16.0]
TRENDS = {
    3: [1.333333, 2.333333, 4.333333, 7.333333, 11.333333, 14.333333],
    4: [1.25, 2.0, 3.5, 6.0, 9.5, 12.5],
    5: [1.8, 3.0, 5.0, 8.0, 10.8, 13.2],
}


@pytest.mark.parametrize("kernel_size", TRENDS)
def test_trend_is_the_authors(kernel_size):
    _, trend = SeriesDecomposition(kernel_size)(torch.tensor(SERIES).view(1, 1, -1))
    torch.testing.assert_close(trend.flatten(), torch.tensor(TRENDS[kernel_size]), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 7, 25])
@pytest.mark.parametrize("length", [1, 11, 13])
def test_trend_is_the_mean_of_the_neighbourhood(kernel_size, length):
    x = draw(2, 3, length, dtype=torch.float64)
    remainder, trend = SeriesDecomposition(kernel_size)(x)
    ahead = kernel_size // 2
    for t in range(length):
        near = [min(max(t - ahead + j, 0), length - 1) for j in range(kernel_size)]
        torch.testing.assert_close(trend[..., t], x[..., near].mean(-1))
    torch.testing.assert_close(remainder + trend, x)


def test_a_constant_is_all_trend():
    remainder, trend = SeriesDecomposition(5)(torch.full((2, 3, 11), 7.0))
    torch.testing.assert_close(trend, torch.full((2, 3, 11), 7.0))
    torch.testing.assert_close(remainder, torch.zeros(2, 3, 11))


@pytest.mark.parametrize("kernel_size", [0, -3])
def test_a_kernel_below_one_is_refused(kernel_size):
    with pytest.raises(ValueError, match=exactly(f"kernel_size={kernel_size} must be an integer of at least 1")):
        SeriesDecomposition(kernel_size)
