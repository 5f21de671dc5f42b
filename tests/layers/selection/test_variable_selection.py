import pytest
import torch

from darts_tsformers.layers import blocks
from darts_tsformers.layers.recomputing import let_recompute
from darts_tsformers.layers.selection.grouped import NumberEmbedding
from darts_tsformers.layers.selection.variable_selection import VariableSelection
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, scatter_, watch_sizes
from tests.layers import _tft_naive as naive

SIZES = [(2, 7, 5, 6, 6, 0), (3, 11, 3, 2, 7, 0), (1, 1, 2, 1, 5, 3), (5, 13, 7, 3, 3, 2), (2, 5, 1, 3, 7, 0)]
sizes = pytest.mark.parametrize(
    ("b", "t", "m", "k", "d", "c"), SIZES, ids=["B{}-T{}-m{}-k{}-D{}-c{}".format(*s) for s in SIZES]
)


def layers(m, k, d, c=0, *, recompute=False):
    selection = VariableSelection(m, k, d, d_context=c)
    let_recompute(selection, recompute)
    return scatter_(selection).double(), scatter_(NumberEmbedding(m, k), 1).double()


@sizes
@pytest.mark.parametrize("rows", [1, 4, 10**6], ids=["step by step", "blocks", "one block"])
@pytest.mark.parametrize("recompute", [False, True])
def test_it_equals_a_loop_over_variables(b, t, m, k, d, c, rows, recompute, monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", rows)
    selection, embedding = layers(m, k, d, c, recompute=recompute)
    x = draw(b, t, m, dtype=torch.float64).requires_grad_()
    context = draw(b, c, seed=1, dtype=torch.float64).requires_grad_() if c else None
    inputs = [x, *embedding.parameters(), *selection.parameters()] + ([] if context is None else [context])
    mixture, weights = selection(x, embedding.lines(), context)
    expected, expected_weights = naive.variable_selection(selection, x, embedding.lines(), context)
    assert_same_with_gradients(mixture, expected, inputs)
    torch.testing.assert_close(weights, expected_weights)


def test_weights_sum_to_one_over_the_variables():
    selection, embedding = layers(5, 3, 7)
    _, weights = selection(draw(2, 11, 5, dtype=torch.float64), embedding.lines())
    assert weights.shape == (2, 11, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 11, dtype=torch.float64))


def test_a_single_variable_is_not_weighed():
    assert VariableSelection(1, 3, 7, d_context=2).weighing is None


def test_each_step_and_sample_is_treated_alike():
    selection, embedding = layers(5, 3, 7)
    x = draw(2, 11, 5, dtype=torch.float64)
    whole, _ = selection(x, embedding.lines())
    torch.testing.assert_close(selection(x[1:, 4:5], embedding.lines())[0], whole[1:, 4:5])


def test_a_recomputed_block_drops_out_what_it_did(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 4)
    grads = []
    for recompute in (False, True):
        selection = VariableSelection(5, 3, 7, dropout=0.5)
        let_recompute(selection, recompute)
        scatter_(selection).train()
        embedding = scatter_(NumberEmbedding(5, 3), 1)
        torch.manual_seed(0)
        selection(draw(2, 11, 5), embedding.lines())[0].square().sum().backward()
        grads.append([p.grad for p in [*selection.parameters(), *embedding.parameters()]])
    for kept, recomputed in zip(*grads, strict=True):
        torch.testing.assert_close(kept, recomputed)


def test_dropout_acts_in_the_networks_and_in_the_weighing():
    selection = VariableSelection(5, 3, 7, dropout=0.5)
    calls = count_dropouts(selection)
    selection(draw(2, 11, 5), NumberEmbedding(5, 3).lines())
    assert calls == {"weighing.gate.dropout": 1, "networks.dropout": 1}


def test_embedded_numbers_are_never_laid_side_by_side():
    m, k, n = 31, 17, 101
    selection, embedding = VariableSelection(m, k, 1), NumberEmbedding(m, k)
    with torch.no_grad(), watch_sizes() as seen:
        selection.weighing.completed(*(torch.nn.functional.linear(draw(1, n, m), *one) for one in
                                       selection._first_maps(embedding.lines())))  # fmt: skip
    assert 0 < max(seen) < n * m * k


@pytest.mark.parametrize("recompute", [False, True])
def test_a_forecast_holds_the_networks_of_a_block_at_a_time(recompute, monkeypatch):
    n, m, d = 23, 5, 7
    selection, embedding = layers(m, 3, d, recompute=recompute)
    x = draw(2, n, m, dtype=torch.float64)
    sizes = {}
    for rows in (4, 10**6):
        monkeypatch.setattr(blocks, "ROWS", rows)
        with torch.inference_mode(), watch_sizes() as seen:
            selection(x, embedding.lines())
        sizes[rows] = max(seen)
    assert sizes[10**6] == 2 * n * m * 2 * d
    assert sizes[4] < sizes[10**6] / 5


def test_an_exported_forecast_is_one_block_for_any_batch(monkeypatch):
    monkeypatch.setattr(blocks, "ROWS", 4)
    selection, embedding = layers(5, 3, 7)

    class Mixture(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.selection, self.embedding = selection, embedding

        def forward(self, x):
            return self.selection(x, self.embedding.lines())[0]

    with torch.no_grad():
        sizes = {"x": {0: torch.export.Dim("batch")}}
        exported = torch.export.export(Mixture().eval(), (draw(2, 23, 5, dtype=torch.float64),), dynamic_shapes=sizes)
        x = draw(11, 23, 5, dtype=torch.float64, seed=1)
        torch.testing.assert_close(exported.module()(x), Mixture()(x))
    assert not [node for node in exported.graph.nodes if "split" in str(node.target)]
