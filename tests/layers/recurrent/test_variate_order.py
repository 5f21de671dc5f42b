import pytest
import torch

from darts_tsformers.layers.recurrent.variate_order import by_correlation, scan_order
from tests.helpers import draw


def test_targets_stand_between_the_future_and_the_past():
    target = draw(2, 11, 3)
    assert scan_order(target, 0, 0, "given") is None
    assert scan_order(target, 2, 0, "given") is None
    assert scan_order(target, 2, 1, "given").tolist() == [[5, 0, 1, 2, 3, 4]] * 2
    order = scan_order(target, 2, 1, "correlation")
    assert torch.equal(order[:, 1:4], by_correlation(target))
    assert order[:, [0, 4, 5]].tolist() == [[5, 3, 4]] * 2


def test_variates_are_ordered_by_their_correlation_with_the_mean_of_all():
    target = draw(5, 23, 7, dtype=torch.float64) * torch.tensor([1.0, 9, 2, 5, 3, 1, 4]) + 50
    order = by_correlation(target)
    for window, places in zip(target, order.tolist(), strict=True):
        shapes = (window - window.mean(0)) / window.std(0)
        with_mean = torch.corrcoef(torch.cat([shapes, shapes.mean(1, keepdim=True)], dim=1).T)[-1, :-1].tolist()
        assert places == sorted(range(7), key=lambda c: -with_mean[c])


def test_level_and_spread_do_not_move_a_variate():
    target = draw(5, 23, 7)
    scaled = target * torch.tensor([1.0, 9, 2, 5, 3, 1, 4]) + torch.arange(7)
    assert torch.equal(by_correlation(target), by_correlation(scaled))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_equals_keep_their_order(length):
    constant = torch.arange(7.0).expand(2, length, 7)
    steps = torch.arange(length)[None, :, None]
    rising = steps * torch.rand(211, 1, 7, generator=torch.Generator().manual_seed(0)) + 3.3
    for target in (constant, rising, -rising):
        assert torch.equal(by_correlation(target), torch.arange(7).expand(len(target), -1))


def test_two_targets_are_equals():
    assert torch.equal(by_correlation(draw(997, 7, 2)), torch.arange(2).expand(997, -1))
