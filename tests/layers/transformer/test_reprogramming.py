"""Prototypes and the attention to them, against definitions head by head and word by word."""

import math

import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.transformer.reprogramming import (
    FreePrototypes,
    Reprogramming,
    TextPrototypes,
    nearest_words,
)
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_

V, S, D, N, WIDTH = 19, 7, 11, 5, 3


def reprogramming(n_heads: int = 2, d_head: int = 5) -> Reprogramming:
    return scatter_(Reprogramming(WIDTH, D, n_heads=n_heads, d_head=d_head)).double().eval()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return draw(*shape, seed=seed, dtype=torch.float64).requires_grad_()


def by_definition(layer: Reprogramming, patches: Tensor, prototypes: Tensor) -> tuple[Tensor, Tensor]:
    """Go patch by patch and head by head; return the output and the weights."""
    h = layer.n_heads
    e = layer.query.out_features // h
    keys, values = layer.key_and_value(prototypes).chunk(2, dim=-1)
    out, weights = [], torch.zeros(len(patches), h, patches.shape[1], len(prototypes), dtype=torch.float64)
    for b, sample in enumerate(patches):
        for n, patch in enumerate(sample):
            heads = []
            for k in range(h):
                own = slice(k * e, (k + 1) * e)
                query = layer.query(patch)[own]
                scores = torch.stack([query @ key[own] / math.sqrt(e) for key in keys])
                weights[b, k, n] = scores.softmax(0)
                heads.append(sum(w * value[own] for w, value in zip(scores.softmax(0), values, strict=True)))
            out.append(layer.project_out(torch.cat(heads)))
    return torch.stack(out).view(len(patches), patches.shape[1], -1), weights.detach()


@pytest.mark.parametrize(("n_heads", "d_head"), [(2, 5), (1, 3), (3, 1)])
@pytest.mark.parametrize("batch", [1, 3])
def test_attention_is_that_of_the_definition(n_heads, d_head, batch):
    layer, patches, prototypes = reprogramming(n_heads, d_head), drawn(batch, N, WIDTH), drawn(S, D, seed=1)
    expected, weights = by_definition(layer, patches, prototypes)
    assert_same_with_gradients(layer(patches, prototypes), expected, [patches, prototypes, *layer.parameters()])
    with recording("prototypes") as record:
        layer(patches, prototypes)
    (entry,) = record["prototypes"]
    assert entry.module is layer
    torch.testing.assert_close(entry.tensors["weights"], weights)


@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_attention_in_single_and_half_precision(dtype, close):
    layer, patches, prototypes = reprogramming(), drawn(3, N, WIDTH), drawn(S, D, seed=1)
    expected = layer(patches, prototypes)
    out = layer.to(dtype)(patches.to(dtype), prototypes.to(dtype))
    assert out.dtype == dtype
    torch.testing.assert_close(out.double(), expected, atol=close, rtol=close)


def test_dropout_acts_once_on_the_output():
    layer = Reprogramming(WIDTH, D, n_heads=2, d_head=5, dropout=0.5)
    calls = count_dropouts(layer)
    layer(draw(3, N, WIDTH), draw(S, D))
    assert calls == {"dropout": 1}


def test_a_text_prototype_is_a_mixture_of_words():
    layer, table = scatter_(TextPrototypes(V, S)).double(), drawn(V, D)
    weight, bias = layer.linear.weight, layer.linear.bias
    expected = torch.stack([sum(weight[s, v] * table[v] for v in range(V)) + bias[s] for s in range(S)])
    assert_same_with_gradients(layer(table), expected, [table, weight, bias])


def test_free_prototypes_are_learnt_as_they_are():
    layer = FreePrototypes(S, D)
    assert layer() is layer.vectors
    assert layer.vectors.shape == (S, D)
    assert 0.1 < layer.vectors.abs().max() <= D**-0.5


def test_the_nearest_words_point_the_same_way():
    table = draw(V, D)
    prototypes = torch.stack([5 * table[4], 0.1 * table[2] + 0.02 * table[9] / table[9].norm() * table[2].norm()])
    found = nearest_words(prototypes, table, 2)
    assert found[:, 0].tolist() == [4, 2]
    cosine = torch.nn.functional.cosine_similarity(prototypes[1], table, dim=-1)
    assert found[1].tolist() == cosine.argsort(descending=True)[:2].tolist()
    assert nearest_words(prototypes, table[:1], 3).tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: TextPrototypes(V, 0), "n_prototypes=0 must be an integer of at least 1"),
        (lambda: FreePrototypes(0, D), "n_prototypes=0 must be an integer of at least 1"),
        (lambda: Reprogramming(3, D, n_heads=0, d_head=2), "n_heads=0 must be an integer of at least 1"),
        (lambda: Reprogramming(3, D, n_heads=2, d_head=0), "d_head=0 must be an integer of at least 1"),
    ],
)
def test_bad_arguments(build, message):
    with pytest.raises(ValueError, match=exactly(message)):
        build()
