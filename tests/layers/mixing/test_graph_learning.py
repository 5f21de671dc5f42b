import pytest
import torch

from darts_tsformers.layers.mixing.graph_learning import GRAPHS, co_occurrence, correlation, learn_graph
from tests.helpers import draw
from tests.layers.mixing import _naive_graph as naive

NAIVE = {"correlation": naive.correlation, "co_occurrence": naive.co_occurrence}
every_graph = pytest.mark.parametrize("graph", sorted(GRAPHS))


def series(v: int, *lengths: int, gaps: float = 0.3) -> list[torch.Tensor]:
    drawn = []
    for seed, length in enumerate(lengths):
        x = draw(length, v, seed=seed) + 3 * draw(v, seed=9)
        drawn.append(x.masked_fill(draw(length, v, seed=17 + seed).abs() < gaps, torch.nan))
    return drawn


@every_graph
@pytest.mark.parametrize("gaps", [0.0, 0.3])
@pytest.mark.parametrize(("v", "lengths"), [(5, (11, 7, 13)), (1, (3,)), (2, (1,))], ids=str)
def test_equals_its_definition(graph, v, lengths, gaps):
    given = series(v, *lengths, gaps=gaps)
    torch.testing.assert_close(GRAPHS[graph](given), NAIVE[graph](given))


def test_correlation_is_that_of_torch_without_gaps():
    (x,) = series(5, 31, gaps=0)
    torch.testing.assert_close(correlation([x]), torch.corrcoef(x.double().mT))


def test_level_and_spread_do_not_matter_to_a_correlation():
    given = series(3, 11, 7)
    moved = [x * torch.tensor([2.0, 30.0, 0.5]) + 100 * (i + 1) for i, x in enumerate(given)]
    torch.testing.assert_close(correlation(given), correlation(moved), rtol=1e-4, atol=1e-4)


def test_a_constant_variable_goes_with_none():
    x = torch.stack([torch.full((11,), 0.1, dtype=torch.float64), draw(11, dtype=torch.float64)], dim=1)
    assert x[:, 0].mean() != 0.1  # rounded
    assert correlation([x]).tolist() == [[1, 0], [0, 1]]


def test_what_never_occurs_with_another_is_not_linked_to_it():
    x = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 2.0], [5.0, 0.0, 0.0]])
    assert co_occurrence([x]).tolist() == [[5, 0, 1], [0, 0, 3], [2, 2, 0]]


@every_graph
def test_a_learnt_graph_has_rows_with_a_direction_and_entries_of_at_most_one(graph):
    given = [x.nan_to_num().relu() * torch.tensor([1.0, 0.0, 70.0]) for x in series(3, 11, 7)]
    given[1][:, 2] = torch.nan
    learnt = learn_graph(graph, given)
    torch.testing.assert_close(learnt.abs().max(), torch.tensor(1.0, dtype=torch.float64))
    assert learnt[1].tolist() == [0, 1, 0]
    assert (learnt != 0).any(dim=1).all()


@every_graph
def test_series_are_read_one_at_a_time(graph):
    given = series(3, 11, 7)
    assert torch.equal(learn_graph(graph, (x for x in given)), learn_graph(graph, given))


@every_graph
def test_a_variable_that_was_never_observed_leaves_the_others_alone(graph):
    given = series(3, 11, 7)
    alone = [torch.cat([x, torch.full_like(x[:, :1], torch.nan)], dim=1) for x in given]
    learnt = learn_graph(graph, alone)
    torch.testing.assert_close(learnt[:3, :3], learn_graph(graph, given))
    assert learnt[3].tolist() == [0, 0, 0, 1]
