import math

import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.transformer.grouped_attention import GroupedAttention
from darts_tsformers.layers.transformer.rotary import rotate, rotation
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_

HEADS = {"MHA": (3, 3), "GQA": (6, 2), "MQA": (3, 1), "one head": (1, 1)}
heads = pytest.mark.parametrize(("n_heads", "n_kv_heads"), HEADS.values(), ids=HEADS.keys())


def turned(x: Tensor, position: int, theta: float) -> Tensor:
    """Turn one head's vector, pair by pair."""
    half, out = len(x) // 2, [None] * len(x)
    for i in range(half):
        angle = position * theta ** (-2 * i / len(x))
        a, b = x[i], x[i + half]
        out[i] = a * math.cos(angle) - b * math.sin(angle)
        out[i + half] = b * math.cos(angle) + a * math.sin(angle)
    return torch.stack(out)


def definition(layer: GroupedAttention, x: Tensor, theta: float, start: list[int]) -> Tensor:
    e = x.shape[-1] // layer.n_heads
    out = []
    for sample, first in zip(x, start, strict=True):
        q, k, v = (to(sample).unflatten(-1, (-1, e)) for to in (layer.query, layer.key, layer.value))
        rows = []
        for t in range(len(sample)):
            parts = []
            for head in range(layer.n_heads):
                group = head // (layer.n_heads // layer.n_kv_heads)
                seen = [j for j in range(t + 1) if j >= first or j == t]
                query = turned(q[t, head], t, theta)
                scores = torch.stack([query @ turned(k[j, group], j, theta) for j in seen]) / math.sqrt(e)
                weights = scores.softmax(0)
                parts.append(sum(w * v[j, group] for w, j in zip(weights, seen, strict=True)))
            rows.append(layer.out.weight @ torch.cat(parts))
        out.append(torch.stack(rows))
    return torch.stack(out)


def built(n_heads: int, n_kv_heads: int, width: int = 4) -> GroupedAttention:
    return scatter_(GroupedAttention(width * n_heads, n_heads, n_kv_heads)).double()


@heads
@pytest.mark.parametrize("start", [None, [0, 3]], ids=["whole", "padded"])
def test_it_equals_its_definition(n_heads, n_kv_heads, start):
    layer = built(n_heads, n_kv_heads)
    x = draw(2, 5, 4 * n_heads, dtype=torch.float64).requires_grad_()
    there = None if start is None else torch.arange(5) >= torch.tensor(start)[:, None]
    ours, _ = layer(x, rotation(5, 4, theta=50.0, like=x), there=there)
    theirs = definition(layer, x, 50.0, start or [0, 0])
    assert_same_with_gradients(ours, theirs, [x, *layer.parameters()])


@heads
@pytest.mark.parametrize("padded", [False, True])
def test_read_in_parts_it_is_the_whole(n_heads, n_kv_heads, padded):
    layer = built(n_heads, n_kv_heads)
    x = draw(2, 11, 4 * n_heads, dtype=torch.float64)
    there = torch.arange(11) >= torch.tensor([[0], [4]]) if padded else None
    whole, _ = layer(x, rotation(11, 4, like=x), there=there)
    read, parts = None, []
    for first, end in [(0, 5), (5, 6), (6, 9), (9, 11)]:
        part = x[:, first:end]
        seen = None if there is None else there[:, :end]
        out, read = layer(part, rotation(end - first, 4, first=first, like=x), read, seen)
        parts.append(out)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole)
    assert read.keys.shape == (2, n_kv_heads, 11, 4)


def test_padding_is_as_if_it_were_not_there():
    layer = built(3, 1)
    x = draw(2, 11, 12, dtype=torch.float64)
    there = torch.arange(11) >= torch.tensor([[4], [4]])
    padded, _ = layer(x, rotation(11, 4, like=x), there=there)
    alone, _ = layer(x[:, 4:], rotation(7, 4, like=x))
    torch.testing.assert_close(padded[:, 4:], alone)


def test_maps_are_recorded():
    layer, x = built(6, 2), draw(2, 5, 24, dtype=torch.float64)
    with recording("attention") as record:
        _, read = layer(x, rotation(5, 4, like=x))
        layer(x[:, :2], rotation(2, 4, first=5, like=x), read)
    first, more = (entry.tensors["weights"] for entry in record["attention"])
    assert first.shape == (2, 6, 5, 5)
    assert more.shape == (2, 6, 2, 7)
    for one in (first, more):
        torch.testing.assert_close(one.sum(-1), torch.ones_like(one[..., 0]))
    assert (first.triu(1) == 0).all()
    assert (more[..., 0, 6] == 0).all()


def test_in_bfloat16_it_is_close():
    layer = built(3, 1).bfloat16()
    x = draw(2, 11, 12, dtype=torch.bfloat16)
    half, _ = layer(x, rotation(11, 4, like=x))
    exact, _ = layer.double()(x.double(), rotation(11, 4, like=x.double()))
    torch.testing.assert_close(half.double(), exact, atol=0.1, rtol=0.05)


def test_a_product_depends_on_the_distance_alone():
    q, k = draw(1, 1, 1, 6, dtype=torch.float64), draw(1, 1, 1, 6, seed=1, dtype=torch.float64)

    def product(at: int, other: int) -> Tensor:
        return (rotate(q, rotation(1, 6, first=at, like=q)) * rotate(k, rotation(1, 6, first=other, like=k))).sum()

    torch.testing.assert_close(product(3, 1), product(1003, 1001))
    assert (product(3, 1) - product(3, 2)).abs() > 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((8, 3), "n_heads=3 must divide d_model=8 into heads of even width"),
        ((6, 2), "n_heads=2 must divide d_model=6 into heads of even width"),
        ((8, 4, 3), "n_kv_heads=3 must divide n_heads=4"),
        ((8, 4, 0), "n_kv_heads=0 must be an integer of at least 1"),
    ],
    ids=str,
)
def test_bad_heads_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        GroupedAttention(*arguments)
