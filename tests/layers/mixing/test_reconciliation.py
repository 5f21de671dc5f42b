import pytest
import torch

from darts_tsformers.layers.mixing.reconciliation import CrossChannelHead, HierarchyHead
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_
from tests.layers.mixing import _naive as naive


@pytest.mark.parametrize(("b", "h", "c", "q", "f"), [(2, 7, 3, 2, 5), (1, 1, 1, 1, 0), (3, 5, 2, 3, 0)], ids=str)
@pytest.mark.parametrize("context", [0, 1, 3])
@pytest.mark.parametrize("gated", [True, False], ids=["gated", "plain"])
def test_the_cross_channel_head_equals_its_definition(b, h, c, q, f, context, gated):
    head = scatter_(CrossChannelHead(c, context, n_known=f, n_parameters=q, gated=gated)).double()
    y = draw(b, h, c, q, dtype=torch.float64).requires_grad_()
    known = draw(b, h, f, seed=1, dtype=torch.float64).requires_grad_() if f else None
    inputs = [y, *head.parameters()] + ([] if known is None else [known])
    assert_same_with_gradients(head(y, known), naive.cross_channel(head, y, known), inputs)


@pytest.mark.parametrize(
    ("b", "c", "h", "q", "p"), [(2, 3, 7, 2, 3), (1, 1, 1, 1, 1), (3, 2, 6, 1, 2), (2, 1, 5, 3, 5), (1, 2, 3, 2, 7)]
)
def test_the_hierarchy_head_equals_its_definition(b, c, h, q, p):
    head = scatter_(HierarchyHead(5 * 4, h, p, n_parameters=q)).double()
    y = draw(b, c, h, q, dtype=torch.float64).requires_grad_()
    tokens = draw(b, c, 5, 4, seed=1, dtype=torch.float64).requires_grad_()
    both = head(y, tokens), naive.hierarchy(head, y, tokens)
    ours, theirs = (torch.cat([t.flatten() for t in out]) for out in both)
    assert_same_with_gradients(ours, theirs, [y, tokens, *head.parameters()])


def test_gradients_equal_finite_differences():
    y = draw(1, 3, 2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(scatter_(CrossChannelHead(2, 1, n_parameters=2)).double(), y)
    y, tokens = (draw(1, 2, 3, 2, seed=seed, dtype=torch.float64).requires_grad_() for seed in (0, 1))
    assert torch.autograd.gradcheck(scatter_(HierarchyHead(6, 3, 2, n_parameters=2)).double(), (y, tokens))


def test_untrained_heads_leave_a_forecast_as_it_is():
    y = draw(2, 7, 3, 1)
    assert torch.equal(CrossChannelHead(3, 2, n_known=1)(y, draw(2, 7, 1)), y)
    y = draw(2, 3, 7, 2)
    assert torch.equal(HierarchyHead(20, 7, 3, n_parameters=2)(y, draw(2, 3, 5, 4))[0], y)


def test_a_step_is_corrected_by_its_window_alone():
    head, y = scatter_(CrossChannelHead(3, 2)), draw(2, 11, 3, 1)
    moved = y.clone()
    moved[:, 5, 1] += 1
    changed = (head(y) != head(moved)).any(-1).any(-1).any(0)
    assert changed.tolist() == [False] * 3 + [True] * 5 + [False] * 3


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CrossChannelHead(3, -1), "cross_channel_context=-1 must be an integer of at least 0"),
        (lambda: HierarchyHead(20, 7, 0), "hierarchy=0 must be an integer of at least 1"),
    ],
    ids=["context", "no steps"],
)
def test_a_bad_argument_is_refused_by_name(build, message):
    with pytest.raises(ValueError, match=exactly(message)):
        build()
