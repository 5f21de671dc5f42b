import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.experts.centroid_feed_forward import CentroidFeedForward
from darts_tsformers.layers.experts.centroid_layer import CentroidLayer
from darts_tsformers.layers.transformer.variate_attention import Places
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_

SIZES = {"E3-k2": (3, 2), "E5-k1": (5, 1), "E4-k4": (4, 4), "E1": (1, 1)}
sizes = pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES)
both = pytest.mark.parametrize("farthest", [False, True], ids=["nearest", "farthest"])


def layer_of(n_experts: int = 3, n_each: int = 2, **options) -> CentroidFeedForward:
    return scatter_(CentroidFeedForward(7, 5, n_experts=n_experts, n_experts_per_token=n_each, **options)).double()


def naive(layer: CentroidFeedForward, x: Tensor, centroids: Tensor) -> Tensor:
    """Take one token after the other to its experts."""
    rows = []
    for token in x.flatten(0, 1):
        fits = [(token - centroid).norm() * (1 if layer.farthest else -1) for centroid in centroids]
        chosen = sorted(range(len(fits)), key=lambda i: -fits[i].item())[: layer.n_experts_per_token]
        total = sum(fits[i].exp() for i in chosen)
        rows.append(sum(fits[i].exp() / total * layer.experts[i](token) for i in chosen))
    return torch.stack(rows).view_as(x)


@sizes
@both
def test_it_equals_its_definition(shape, farthest):
    layer, x = layer_of(*shape, farthest=farthest), draw(2, 5, 7, dtype=torch.float64).requires_grad_()
    centroids = draw(shape[0], 7, seed=1, dtype=torch.float64)
    assert_same_with_gradients(layer(x, centroids), naive(layer, x, centroids), [x, *layer.parameters()])


@both
def test_the_nearest_and_the_farthest(farthest):
    layer = layer_of(3, 2, farthest=farthest)
    centroids = torch.tensor([[0.0] * 7, [1.0] * 7, [3.0] * 7]).double()
    chosen, weights = layer.route(torch.full((1, 7), 0.9).double(), centroids)
    assert chosen.tolist() == ([[2, 0]] if farthest else [[1, 0]])
    torch.testing.assert_close(weights.sum(-1), torch.ones(1).double())


def test_a_token_on_a_centroid_has_a_gradient():
    layer, centroids = layer_of(), draw(3, 7, dtype=torch.float64)
    x = centroids[None, :1].clone().requires_grad_()
    layer(x, centroids).sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_distances_are_in_the_precision_of_the_centroids(dtype):
    layer, x, centroids = layer_of(), draw(2, 5, 7).to(dtype), draw(3, 7, seed=1, dtype=torch.float64)
    chosen, weights = layer.route(x.flatten(0, 1), centroids)
    exact = layer.route(x.double().flatten(0, 1), centroids)
    assert torch.equal(chosen, exact[0])
    assert torch.equal(weights, exact[1])
    assert layer.to(dtype)(x, centroids).dtype is dtype


def test_the_routing_is_recorded():
    layer, x, centroids = layer_of(), draw(2, 5, 7, dtype=torch.float64), draw(3, 7, seed=1, dtype=torch.float64)
    with recording("routing") as record:
        layer(x, centroids)
    shares = record["routing"][0].tensors["weights"]
    chosen, weights = layer.route(x.flatten(0, 1), centroids)
    assert shares.shape == (2, 5, 3)
    torch.testing.assert_close(shares.flatten(0, 1).gather(1, chosen), weights)
    torch.testing.assert_close(shares.sum(-1), torch.ones(2, 5).double())


def test_a_layer_adds_attention_and_then_experts():
    layer = scatter_(CentroidLayer(8, 2, 5, n_experts=3, n_experts_per_token=2, norm_epsilon=0.1)).double()
    x, centroids = draw(2, 6, 8, dtype=torch.float64), draw(3, 8, seed=1, dtype=torch.float64)
    time = torch.arange(3).repeat(2).expand(2, -1)
    places = Places(time, torch.tensor([0, 0, 0, 1, 1, 1]), torch.ones(2, 6, dtype=torch.bool))

    def normed(y: Tensor, weight: Tensor) -> Tensor:
        return y / (y.square().mean(-1, keepdim=True) + 0.1).sqrt() * weight

    after = x + layer.attention(normed(x, layer.attention_norm.weight), places)
    expected = after + layer.feed_forward(normed(after, layer.feed_forward_norm.weight), centroids)
    torch.testing.assert_close(layer(x, places, centroids), expected)
    calls = count_dropouts(layer)
    layer(x, places, centroids)
    assert calls == {"attention.dropout": 1, "dropout": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_experts_per_token": 4}, "n_experts_per_token=4 must be at most n_experts=3"),
        ({"n_experts": 0}, "n_experts=0 must be an integer of at least 1"),
    ],
    ids=str,
)
def test_a_bad_size_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        CentroidFeedForward(**{"d_model": 7, "d_ff": 5, "n_experts": 3, "n_experts_per_token": 2} | changes)
