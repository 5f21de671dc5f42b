import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from darts_tsformers.layers import dropout
from darts_tsformers.layers.dropout import draw_dropped
from darts_tsformers.layers.transformer import feed_forward
from darts_tsformers.layers.transformer.feed_forward import ACTIVATIONS, FeedForward, build_activation
from tests.helpers import assert_same_with_gradients, draw, exactly, scatter_


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(feed_forward, "CHUNK", 40)
    monkeypatch.setattr(dropout, "FEW", 0)


def built(rate=0.0, activation="gelu", d_ff=11, bias=True):
    return scatter_(FeedForward(6, d_ff, dropout=rate, activation=activation, bias=bias)).double()


def naive(model, x, rate):
    """Map by map, dropping what the chunks drop, in their order."""
    inner = model[1](F.linear(x.flatten(0, -2), model[0].weight, model[0].bias))
    step = max(1, feed_forward.CHUNK // inner.shape[1])
    parts = [_dropped(inner[i : i + step], rate) for i in range(0, inner.shape[0], step)]
    out = F.linear(torch.cat(parts), model[3].weight, model[3].bias)
    return _dropped(out, rate).view(x.shape)


def _dropped(x, rate):
    if rate == 0:
        return x
    keep = torch.ones(x.numel(), dtype=x.dtype)
    keep[draw_dropped(x.numel(), rate)] = 0
    return x * keep.view(x.shape) / (1 - rate)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("rate", [0.0, 0.4])
@pytest.mark.parametrize(("shape", "d_ff"), [((3, 7, 6), 11), ((1, 4, 6), 11), ((13, 6), 9), ((2, 2, 5, 6), 53)])
def test_equals_its_definition(shape, d_ff, rate, activation):
    model, x = built(rate, activation, d_ff), draw(*shape, dtype=torch.float64).requires_grad_()
    assert model._pays_in_chunks(x)
    torch.manual_seed(0)
    ours = model(x)
    torch.manual_seed(0)
    assert_same_with_gradients(ours, naive(model, x, rate), [x, *model.parameters()])


class Largest(TorchDispatchMode):
    """Note how many elements the largest tensor has that an operation gives."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.elements = max(self.elements, out.numel())
        return out


@pytest.mark.parametrize("rate", [0.0, 0.4])
@pytest.mark.parametrize(("shape", "d_ff"), [((3, 7, 6), 11), ((13, 6), 9), ((2, 2, 5, 6), 53)])
def test_where_no_gradient_is_asked_for_no_tensor_holds_the_inner_features_of_all_tokens(shape, d_ff, rate):
    model, x = built(rate, d_ff=d_ff), draw(*shape, dtype=torch.float64)
    torch.manual_seed(0)
    with_gradients = model(x)
    torch.manual_seed(0)
    with torch.no_grad(), Largest() as largest:
        without = model(x)
    assert torch.equal(without, with_gradients)
    assert largest.elements < x.shape[:-1].numel() * d_ff


def test_few_tokens_are_not_taken_in_chunks(monkeypatch):
    model, x = built(), draw(3, 7, 6, dtype=torch.float64)
    in_chunks = model(x)
    monkeypatch.setattr(feed_forward, "CHUNK", 3 * 7 * 11)
    assert not model._pays_in_chunks(x)
    torch.testing.assert_close(model(x), in_chunks)


def test_without_biases():
    model, x = built(0.4, bias=False), draw(3, 7, 6, dtype=torch.float64).requires_grad_()
    assert len(list(model.parameters())) == 2
    torch.manual_seed(0)
    ours = model(x)
    torch.manual_seed(0)
    assert_same_with_gradients(ours, naive(model, x, 0.4), [x, *model.parameters()])


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_gradients_equal_finite_differences(rate):
    model, x = built(rate), draw(2, 5, 6, dtype=torch.float64).requires_grad_()
    assert model._pays_in_chunks(x)

    def seeded(x, *_):
        torch.manual_seed(0)
        return model(x)

    assert torch.autograd.gradcheck(seeded, (x, *model.parameters()))


def test_a_graph_can_be_run_through_twice():
    model, x = built(0.4, "relu"), draw(3, 7, 6, dtype=torch.float64).requires_grad_()
    out = model(x).sum()
    first, second = (torch.autograd.grad(out, [x, *model.parameters()], retain_graph=True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_tokens_in_another_layout():
    model, x = built(), draw(3, 6, 7, dtype=torch.float64)
    torch.testing.assert_close(model(x.mT), model(x.mT.contiguous()))


def test_one_tensor_of_inner_features_is_kept():
    model, x = built(0.05, d_ff=110), draw(3, 70, 6, dtype=torch.float64).requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        model(x)
    assert sum(kept) < 1.3 * 3 * 70 * 110


def test_evaluation_drops_nothing():
    model, x = built(0.4).eval(), draw(3, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(model(x), naive(model, x, 0.0))


def test_half_precision_is_not_taken_in_chunks_whose_sums_would_be_rounded():
    model, x = built().float(), draw(3, 7, 6)
    expected = model(x)
    narrow = x.to(torch.bfloat16)
    out = model.to(torch.bfloat16)(narrow)
    assert not model._pays_in_chunks(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 1e-2 * expected.norm()


def test_autocast_and_other_modules_see_every_map():
    model, x = built().float(), draw(3, 7, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(x).dtype == torch.bfloat16
    calls = []
    model[3] = nn.Sequential(model[3])
    assert not model._pays_in_chunks(x)
    model[3].register_forward_hook(lambda *_: calls.append(1))
    model(x)
    assert calls == [1]


def test_everything_dropped():
    model = built(1.0)
    assert torch.equal(model(draw(3, 7, 6, dtype=torch.float64)), torch.zeros(3, 7, 6, dtype=torch.float64))


def test_an_exported_program_gives_the_same():
    model, x = built().eval(), draw(3, 7, 6, dtype=torch.float64)
    torch.testing.assert_close(torch.export.export(model, (x,)).module()(x), model(x))


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "squared_relu"])
def test_the_activation_is_the_one_asked_for(activation):
    x = draw(11)
    torch.testing.assert_close(build_activation(activation)(x), getattr(F, activation)(x))


def test_an_unknown_activation_is_refused():
    with pytest.raises(
        ValueError, match=exactly("activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']")
    ):
        FeedForward(6, 5, dropout=0.0, activation="tanh")


def test_hooks_on_the_maps_are_obeyed():
    """A hook may exchange a weight, as pruning does, or look at what passes."""
    model, x = built(), draw(2, 31, 6, dtype=torch.float64)
    seen = []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    out = model(x)
    assert seen == [1]
    torch.testing.assert_close(out, nn.Sequential.forward(model, x))


def test_an_activation_with_parameters_learns():
    model = built()
    model[1] = nn.PReLU(dtype=torch.float64)
    model(draw(2, 31, 6, dtype=torch.float64)).sum().backward()
    assert model[1].weight.grad is not None
