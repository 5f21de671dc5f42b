import math

import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.layers import dropout
from darts_tsformers.layers.dropout import Dropout, draw_dropped, drop
from tests.helpers import assert_same_with_gradients, draw


@pytest.fixture(autouse=True)
def _not_few(monkeypatch):
    monkeypatch.setattr(dropout, "FEW", 0)


def naive_drop(x, positions, scale):
    keep = torch.ones(x.numel(), dtype=x.dtype)
    for position in positions.tolist():
        keep[position] = 0
    return x * keep.view(x.shape) * scale


def naive_positions(n, rate):
    """Walk from one dropped element to the next, with uniform numbers in the order in which torch gives them."""
    uniform = iter(torch.rand(10 * n + 100).tolist())
    positions, at = [], -1
    while (at := at + 1 + math.floor(math.log1p(-next(uniform)) / math.log1p(-rate))) < n:
        positions.append(at)
    return positions


@pytest.mark.parametrize("rate", [0.05, 0.3, 0.9])
@pytest.mark.parametrize("n", [0, 1, 2, 37, 1001])
def test_positions_equal_their_definition(n, rate):
    torch.manual_seed(n)
    positions = draw_dropped(n, rate)
    torch.manual_seed(n)
    assert positions.tolist() == naive_positions(n, rate)


@pytest.mark.parametrize("rate", [1e-7, 0.05, 0.5, 0.95])
def test_the_share_of_dropped_elements_is_the_rate(rate):
    torch.manual_seed(0)
    n = 2**22
    share = draw_dropped(n, rate).numel() / n
    assert abs(share - rate) < 4 * math.sqrt(rate * (1 - rate) / n)


def test_neighbours_are_dropped_independently():
    torch.manual_seed(0)
    n, rate = 2**18, 0.3
    dropped = torch.zeros(3 * n, dtype=torch.long)
    dropped[draw_dropped(3 * n, rate)] = 1
    counts = torch.bincount((dropped.view(n, 3) * torch.tensor([1, 2, 4])).sum(-1), minlength=8)
    for pattern, count in enumerate(counts.tolist()):
        bits = pattern.bit_count()
        chance = rate**bits * (1 - rate) ** (3 - bits)
        assert abs(count / n - chance) < 4 * math.sqrt(chance * (1 - chance) / n)


def test_a_walk_that_stops_short_is_continued(monkeypatch):
    walk = dropout._walk
    monkeypatch.setattr(dropout, "_walk", lambda draws, rate: walk(3, rate))
    torch.manual_seed(0)
    n, rate = 10_000, 0.05
    positions = draw_dropped(n, rate)
    assert (positions.diff() > 0).all()
    assert positions[-1] < n
    assert abs(positions.numel() / n - rate) < 4 * math.sqrt(rate * (1 - rate) / n)


@pytest.mark.parametrize("shape", [(7,), (3, 5), (2, 3, 1, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropping_equals_its_definition(shape, dtype):
    x = draw(*shape, dtype=dtype).requires_grad_()
    positions = torch.tensor([0, 2, x.numel() - 1])
    assert_same_with_gradients(drop(x, positions, 1.25), naive_drop(x, positions, 1.25), [x])


def test_a_transposed_tensor_is_counted_by_its_own_axes():
    x = draw(3, 5).T.requires_grad_()
    positions = torch.tensor([1, 2, 7])
    assert_same_with_gradients(drop(x, positions, 2.0), naive_drop(x, positions, 2.0), [x])


def test_gradients_equal_finite_differences():
    x, positions = draw(3, 5, dtype=torch.float64).requires_grad_(), torch.tensor([0, 4, 9])
    assert torch.autograd.gradcheck(lambda x: drop(x, positions, 1.25), x)
    assert torch.autograd.gradgradcheck(lambda x: drop(x, positions, 1.25), x)


@pytest.mark.parametrize("rate", [0.05, 0.5])
def test_the_mean_is_kept(rate):
    torch.manual_seed(0)
    out = Dropout(rate)(torch.ones(2**20))
    assert set(out.unique().tolist()) == {0.0, torch.tensor(1 / (1 - rate)).item()}
    assert abs(out.mean() - 1) < 4 * math.sqrt(rate / (1 - rate) / 2**20)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_gradient_is_dropped_where_the_output_is(dtype):
    x = torch.ones(13, 17, dtype=dtype, requires_grad=True)
    out = Dropout(0.3)(x)
    out.sum().backward()
    assert out.dtype == dtype
    assert torch.equal(out, x.grad)


def test_it_draws_anew_and_can_be_seeded():
    layer, x = Dropout(0.5), torch.ones(101)
    torch.manual_seed(3)
    first, second = layer(x), layer(x)
    torch.manual_seed(3)
    assert torch.equal(layer(x), first)
    assert not torch.equal(first, second)


def test_evaluation_drops_nothing_and_draws_nothing():
    layer, x = Dropout(0.5).eval(), torch.ones(101)
    state = torch.get_rng_state()
    assert layer(x) is x
    assert layer.rate == 0
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 1.0), (1.0, 0.0)])
def test_all_or_nothing(rate, kept):
    assert torch.equal(Dropout(rate)(torch.ones(101)), torch.full((101,), kept))


def test_it_drops_in_place_when_asked():
    x = torch.ones(101)
    assert Dropout(0.5, inplace=True)(x) is x
    assert (x == 0).any()


def test_few_elements_are_left_to_torch(monkeypatch):
    monkeypatch.setattr(dropout, "FEW", 100)
    x = draw(100)
    torch.manual_seed(0)
    out = Dropout(0.5)(x)
    torch.manual_seed(0)
    assert torch.equal(out, F.dropout(x, 0.5))


def test_only_dropped_positions_are_kept():
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        Dropout(0.05)(torch.ones(10_000, requires_grad=True))
    assert sum(t.numel() for t in kept) < 700


def test_an_exported_dropout_is_that_of_torch():
    program = torch.export.export(Dropout(0.5), (torch.ones(101),))
    assert [node.target for node in program.graph.nodes if node.op == "call_function"] == [
        torch.ops.aten.dropout.default
    ]


def test_a_rate_of_next_to_nothing_drops_nothing():
    assert draw_dropped(2**14 + 1, 1e-30).numel() == 0
