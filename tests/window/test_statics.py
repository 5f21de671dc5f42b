import pytest
import torch

from darts_tsformers.window.statics import Category, StaticFeatures


def test_numbers_stay_and_categories_become_their_embedding():
    layer = StaticFeatures(3, [Category(column=1, cardinality=5, width=2)])
    static = torch.tensor([[[0.5, 3.0, -1.0], [0.25, 0.0, torch.nan]]])
    out = layer(static)
    weight = layer.embeddings[0].weight
    assert layer.n_features == 4
    torch.testing.assert_close(out[0, 0], torch.cat([torch.tensor([0.5, -1.0]), weight[3]]))
    torch.testing.assert_close(out[0, 1], torch.cat([torch.tensor([0.25, 0.0]), weight[0]]))


def test_all_numbers_are_passed_through():
    static = torch.randn(7, 3, 2)
    layer = StaticFeatures(2)
    assert torch.equal(layer(static), static)
    assert layer.n_features == 2
    assert list(layer.parameters()) == []


def test_only_categories():
    layer = StaticFeatures(2, [Category(0, 3, 5), Category(1, 2, 1)])
    assert layer(torch.tensor([[[2.0, 1.0]]])).shape == (1, 1, 6)


def test_codes_survive_bfloat16():
    layer = StaticFeatures(1, [Category(0, 200, 3)]).bfloat16()
    out = layer(torch.tensor([[[199.0]]], dtype=torch.bfloat16))
    assert torch.equal(out[0, 0], layer.embeddings[0].weight[199])


@pytest.mark.parametrize(("cardinality", "width", "name"), [(0, 2, "cardinality"), (3, 0, "width")])
def test_bad_sizes(cardinality, width, name):
    with pytest.raises(ValueError, match=f"{name}=0 must be an integer of at least 1"):
        StaticFeatures(1, [Category(0, cardinality, width)])
