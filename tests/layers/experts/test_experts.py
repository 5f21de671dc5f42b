import pytest
import torch
from torch import nn

from darts_tsformers.layers.experts import dispatch as dispatching
from darts_tsformers.layers.experts.balance import load_balance
from darts_tsformers.layers.experts.decoder_layer import DecoderLayer
from darts_tsformers.layers.experts.dispatch import dispatch
from darts_tsformers.layers.experts.sparse_feed_forward import SparseFeedForward
from darts_tsformers.layers.transformer.gated_feed_forward import GatedFeedForward
from darts_tsformers.layers.transformer.rotary import rotation
from darts_tsformers.recording import recording
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, scatter_
from tests.layers.experts import _naive as naive

SIZES = {"T11-D5-E3-k2": (11, 5, 3, 2), "T1-D3-E7-k1": (1, 3, 7, 1), "T13-D2-E5-k5": (13, 2, 5, 5), "E1": (7, 3, 1, 1)}
sizes = pytest.mark.parametrize("shape", SIZES.values(), ids=SIZES.keys())


def some_experts(n: int, d: int, dtype=torch.float64):
    return [scatter_(GatedFeedForward(d, 4, activation="silu"), seed=i).to(dtype) for i in range(n)]


def routes(n_tokens: int, n_experts: int, n_each: int, dtype=torch.float64):
    weights, chosen = draw(n_tokens, n_experts, seed=3, dtype=dtype).softmax(-1).topk(n_each, dim=-1)
    return chosen, weights


@sizes
@pytest.mark.parametrize("traced", [False, True], ids=["sorted", "traced"])
def test_dispatch_equals_its_definition(shape, traced, monkeypatch):
    n_tokens, d, n_experts, n_each = shape
    monkeypatch.setattr(dispatching, "is_traced", lambda: traced)
    experts, x = some_experts(n_experts, d), draw(n_tokens, d, dtype=torch.float64).requires_grad_()
    chosen, weights = routes(n_tokens, n_experts, n_each)
    weights.requires_grad_()
    parameters = [p for expert in experts for p in expert.parameters()]
    ours = dispatch(x, experts, chosen, weights)
    assert_same_with_gradients(ours, naive.dispatch(x, experts, chosen, weights), [x, weights, *parameters])


def test_an_expert_maps_its_own_tokens_at_once_and_no_others():
    seen = []

    class Noted(nn.Identity):
        def forward(self, x):
            seen.append(x.flatten().tolist())
            return x

    chosen = torch.tensor([[2, 0], [0, 2], [2, 3]])
    dispatch(torch.tensor([[1.0], [2.0], [3.0]]), [Noted() for _ in range(4)], chosen, torch.ones(3, 2))
    assert seen == [[1, 2], [], [1, 2, 3], [3]]


def test_an_expert_without_tokens_gets_a_gradient_of_zeros():
    experts = some_experts(2, 3)
    dispatch(draw(5, 3, dtype=torch.float64), experts, torch.zeros(5, 1, dtype=torch.long), torch.ones(5, 1).double()
             ).sum().backward()  # fmt: skip
    assert all((p.grad == 0).all() for p in experts[1].parameters())
    assert all((p.grad != 0).any() for p in experts[0].parameters())


def test_a_token_does_not_depend_on_the_others():
    experts, x = some_experts(3, 5), draw(11, 5, dtype=torch.float64)
    chosen, weights = routes(11, 3, 2)
    whole, turned = dispatch(x, experts, chosen, weights), torch.arange(10, -1, -1)
    torch.testing.assert_close(dispatch(x[turned], experts, chosen[turned], weights[turned]), whole[turned])
    torch.testing.assert_close(dispatch(x[4:5], experts, chosen[4:5], weights[4:5]), whole[4:5])


@pytest.mark.parametrize(("n_experts", "n_each"), [(3, 2), (5, 1), (2, 2), (1, 1)])
@pytest.mark.parametrize("activation", ["silu", "gelu"])
def test_a_mixture_equals_its_definition(n_experts, n_each, activation):
    layer = SparseFeedForward(5, 7, n_experts=n_experts, n_experts_per_token=n_each, activation=activation)
    layer = scatter_(layer).double()
    x = draw(2, 11, 5, dtype=torch.float64).requires_grad_()
    out, logits = layer(x)
    assert_same_with_gradients(out, naive.sparse_feed_forward(layer, x), [x, *layer.parameters()])
    torch.testing.assert_close(logits, x @ layer.router.weight.T)
    assert [expert.up.out_features for expert in layer.experts] == [7 // n_each] * n_experts
    assert layer.shared.up.out_features == 7


def test_in_bfloat16_the_router_chooses_in_single_precision():
    layer = scatter_(SparseFeedForward(5, 7, n_experts=3, n_experts_per_token=2)).bfloat16()
    out, logits = layer(draw(2, 11, 5, dtype=torch.bfloat16))
    assert out.dtype == torch.bfloat16
    assert logits.dtype == torch.float32
    expected, _ = layer.float()(draw(2, 11, 5, dtype=torch.bfloat16).float())
    torch.testing.assert_close(out.float(), expected, atol=0.05, rtol=0.05)


def test_routes_are_recorded():
    layer = scatter_(SparseFeedForward(5, 7, n_experts=3, n_experts_per_token=2))
    x = draw(2, 11, 5)
    with recording("routing") as record:
        _, logits = layer(x)
    (entry,) = record["routing"]
    probabilities = logits.softmax(-1)
    least = probabilities.argmin(dim=-1, keepdim=True)
    torch.testing.assert_close(entry.tensors["weights"], probabilities.scatter(-1, least, 0))


@pytest.mark.parametrize(("n_experts", "n_chosen"), [(3, 2), (5, 1), (4, 4)])
def test_the_penalty_equals_its_definition(n_experts, n_chosen):
    logits = [draw(7, n_experts, seed=i, dtype=torch.float64).requires_grad_() for i in range(2)]
    ours, theirs = load_balance(logits, n_chosen), naive.load_balance(logits, n_chosen)
    assert_same_with_gradients(ours, theirs, logits)


def test_padding_has_no_part_in_the_penalty():
    logits = [draw(7, 3, seed=i, dtype=torch.float64) for i in range(2)]
    there = torch.tensor([False, True, True, False, True, True, True])
    torch.testing.assert_close(load_balance(logits, 2, there), load_balance([one[there] for one in logits], 2))
    assert load_balance(logits, 2, torch.zeros(7, dtype=torch.bool)) == 0


def test_an_even_load_is_the_least():
    even = 9 * torch.eye(3)
    assert load_balance([even], 1).item() == pytest.approx(1)
    assert load_balance([even[:1].expand(3, 3)], 1).item() > 2.9


@pytest.mark.parametrize("n_experts", [3, None])
def test_a_decoder_layer_is_two_residual_parts(n_experts):
    layer = DecoderLayer(6, 3, 5, n_kv_heads=1, n_experts=n_experts, n_experts_per_token=2, norm_epsilon=1e-2)
    layer = scatter_(layer).double().eval()
    x = draw(2, 7, 6, dtype=torch.float64)
    turn = rotation(7, 2, like=x)

    def normalised(part, x):
        return part.weight * x / (x.square().mean(-1, keepdim=True) + 1e-2).sqrt()

    between = x + layer.attention(normalised(layer.attention_norm, x), turn)[0]
    mapped = layer.feed_forward(normalised(layer.feed_forward_norm, between))
    out, _, logits = layer(x, turn)
    torch.testing.assert_close(out, between + (mapped if n_experts is None else mapped[0]))
    assert (logits is None) == (n_experts is None)


def test_every_dropout_acts_once():
    layer = DecoderLayer(6, 3, 5, n_experts=3, n_experts_per_token=2, dropout=0.5)
    calls = count_dropouts(layer)
    x = draw(2, 7, 6)
    layer(x, rotation(7, 2, like=x))
    assert calls == {"attention.dropout": 1, "dropout": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_experts": 0}, "n_experts=0 must be an integer of at least 1"),
        ({"n_experts_per_token": 4}, "n_experts_per_token=4 must be at most n_experts=3"),
        ({"d_ff": 1}, "d_ff=1 must be an integer of at least 2"),
        ({"activation": "tanh"}, "activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_size_is_refused_by_name(changes, message):
    arguments = {"d_ff": 7, "n_experts": 3, "n_experts_per_token": 2} | changes
    with pytest.raises(ValueError, match=exactly(message)):
        SparseFeedForward(5, arguments.pop("d_ff"), **arguments)
