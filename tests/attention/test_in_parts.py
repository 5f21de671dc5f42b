"""Working on heads in parts gives what working on all of them gives."""

import pytest
import torch

from darts_tsformers.execution import cache
from darts_tsformers.execution.rebuilding import in_parts
from tests.helpers import assert_same_with_gradients, draw


def products(q, k):
    return (q @ k.mT).tanh()


@pytest.mark.parametrize("chunk", [1, 40, 10**6], ids=["one by one", "some at a time", "at once"])
def test_parts_give_what_the_whole_gives(chunk, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", chunk)
    calls = []

    def counted(q, k):
        calls.append(len(q))
        return products(q, k)

    q, k = (draw(7, n, 3, seed=n, dtype=torch.float64).requires_grad_() for n in (2, 5))
    assert_same_with_gradients(in_parts(counted, q, k, size=10), products(q, k), (q, k))
    assert sum(calls) == 2 * 7  # once forward, once backward
    assert max(calls) == min(7, max(1, chunk // 10))


def test_what_needs_no_gradient_gets_none():
    q, k = draw(3, 2, 3), draw(3, 5, 3, seed=1).requires_grad_()
    in_parts(products, q, k, size=10).sum().backward()
    expected = k.grad.clone()
    k.grad = None
    products(q, k).sum().backward()
    torch.testing.assert_close(k.grad, expected)
    assert q.grad is None


def test_nothing_of_a_part_is_kept():
    q, k = (draw(3, 50, 2, seed=seed).requires_grad_() for seed in (0, 1))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        in_parts(products, q, k, size=2500)
    assert max(kept) == q.numel()
