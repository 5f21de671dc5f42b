import pytest
import torch

from darts_tsformers.layers.mixing.graph_evolution import GraphEvolution
from tests.helpers import assert_same_with_gradients, draw, scatter_
from tests.layers.mixing import _naive_graph as naive


@pytest.mark.parametrize(("b", "t", "v", "k"), [(2, 7, 5, 1), (1, 1, 1, 1), (3, 11, 2, 3)], ids=str)
def test_equals_its_definition(b, t, v, k):
    evolution = scatter_(GraphEvolution(v, k)).double()
    graph = draw(v, v, dtype=torch.float64).requires_grad_()
    x = draw(b, t, v, seed=1, dtype=torch.float64).requires_grad_()
    ours = evolution(x, evolution.embedded(graph))
    assert_same_with_gradients(ours, naive.evolution(evolution, x, graph), [x, graph, *evolution.parameters()])


def test_the_evolved_graph_says_what_comes_out_of_a_single_variable():
    evolution, graph = scatter_(GraphEvolution(5)), draw(5, 5)
    embedded = evolution.embedded(graph)
    torch.testing.assert_close(evolution(torch.eye(5), embedded), evolution.evolved(embedded).mT)


def test_the_scale_of_a_graph_does_not_matter_without_a_bias():
    evolution, graph = scatter_(GraphEvolution(3)), draw(3, 3)
    evolution.bias.data.zero_()
    ours, scaled = (evolution.evolved(evolution.embedded(by * graph)) for by in (1, 1000))
    torch.testing.assert_close(ours, scaled)


def test_gradients_equal_finite_differences():
    evolution = scatter_(GraphEvolution(3)).double()
    x, graph = (draw(*shape, dtype=torch.float64).requires_grad_() for shape in ((2, 5, 3), (3, 3)))
    assert torch.autograd.gradcheck(lambda x, graph: evolution(x, evolution.embedded(graph)), (x, graph))


def test_bfloat16_is_kept_and_accurate():
    evolution, graph, x = scatter_(GraphEvolution(7)), draw(7, 7), draw(2, 5, 7, seed=1)
    expected = evolution(x, evolution.embedded(graph))
    evolution = evolution.bfloat16()
    out = evolution(x.bfloat16(), evolution.embedded(graph.bfloat16()))
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 3e-2 * expected.norm()
