import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.layers import blocks
from darts_tsformers.layers.transformer.encoder import Encoder
from darts_tsformers.recording import recording
from tests.helpers import draw, exactly, scatter_, watch_sizes

norms = pytest.mark.parametrize("norm", ["layer", "batch"])


def encoder(n_layers=3, **kwargs):
    return scatter_(Encoder(6, 2, 5, n_layers=n_layers, **kwargs)).double()


def tokens(batch=3, n=7):
    return draw(batch, n, 6, dtype=torch.float64)


@norms
@pytest.mark.parametrize("residual_attention", [False, True], ids=["plain", "residual"])
@pytest.mark.parametrize("final_norm", [False, True], ids=["open", "final norm"])
def test_equals_its_definition(norm, residual_attention, final_norm):
    model = encoder(norm=norm, residual_attention=residual_attention, final_norm=final_norm).eval()
    x = tokens()
    out = model(x)
    earlier = None
    for layer in model.layers:
        attended, scores = layer.attention(x, earlier=earlier)
        earlier = scores if residual_attention else None
        x = layer.attention_norm(x + attended)
        first, second = layer.feed_forward[0], layer.feed_forward[3]
        inner = F.gelu(x @ first.weight.T + first.bias)
        x = layer.feed_forward_norm(x + inner @ second.weight.T + second.bias)
    if final_norm:
        x = F.layer_norm(x, (6,), model.norm.weight, model.norm.bias)
    torch.testing.assert_close(out, x)


@norms
@pytest.mark.parametrize(("n_tokens", "samples"), [(1, 1), (14, 2), (20, 2), (35, 5)])
def test_a_forecast_takes_a_few_samples_at_a_time(norm, n_tokens, samples, monkeypatch):
    monkeypatch.setattr(blocks, "FEW", 0)
    monkeypatch.setattr(blocks, "TOKENS", n_tokens)
    model = encoder(norm=norm, residual_attention=True, final_norm=True).eval()
    x = tokens(batch=5)
    with torch.no_grad(), watch_sizes() as sizes:
        out = model(x)
    torch.testing.assert_close(out, model(x))
    projected = 7 * 3 * 6
    assert max(sizes[:-1]) == samples * projected


@pytest.mark.parametrize("attention", ["full", "prob_sparse", "log_sparse", "auto_correlation"])
def test_no_mechanism_mixes_samples_in_a_forecast(attention, monkeypatch):
    x, model = tokens(batch=5, n=23), encoder(attention=attention).eval()
    with torch.no_grad():
        whole = model(x)
        monkeypatch.setattr(blocks, "FEW", 0)
        monkeypatch.setattr(blocks, "TOKENS", 46)
        torch.testing.assert_close(model(x), whole)


def test_few_samples_are_taken_at_once():
    model = encoder().eval()
    with torch.no_grad(), watch_sizes() as sizes:
        model(tokens(batch=blocks.FEW // 7))
    assert max(sizes) == blocks.FEW // 7 * 7 * 3 * 6


def test_no_tokens_are_no_error():
    with torch.no_grad():
        assert encoder().eval()(tokens(batch=5, n=0)).shape == (5, 0, 6)


def test_what_is_recorded_is_of_the_whole_batch(monkeypatch):
    monkeypatch.setattr(blocks, "FEW", 0)
    monkeypatch.setattr(blocks, "TOKENS", 1)
    model = encoder().eval()
    with torch.no_grad(), recording("attention") as recorded:
        model(tokens(batch=5))
    assert [entry.tensors["weights"].shape for entry in recorded["attention"]] == 3 * [(5, 2, 7, 7)]


@pytest.mark.parametrize("part", ["", "layers.1.attention_norm"], ids=["whole", "one norm"])
def test_training_takes_all_samples_at_once(part, monkeypatch):
    def normalised(n_tokens):
        monkeypatch.setattr(blocks, "FEW", 0)
        monkeypatch.setattr(blocks, "TOKENS", n_tokens)
        model = encoder(norm="batch").eval()
        model.get_submodule(part).train()
        with torch.no_grad():
            return model(tokens(batch=5))

    assert torch.equal(normalised(1), normalised(35))


def test_residual_attention_matters_from_the_second_layer_on():
    for n_layers, same in [(1, True), (2, False)]:
        plain, residual = (encoder(n_layers, residual_attention=r).eval() for r in (False, True))
        assert torch.allclose(plain(tokens()), residual(tokens())) == same


@norms
@pytest.mark.parametrize("residual_attention", [False, True], ids=["plain", "residual"])
def test_every_parameter_learns(norm, residual_attention):
    model = encoder(norm=norm, residual_attention=residual_attention, final_norm=True)
    (model(tokens()) * draw(3, 7, 6, seed=1)).sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("residual_attention", [False, True], ids=["plain", "residual"])
def test_gradients_equal_finite_differences(residual_attention):
    model = encoder(2, residual_attention=residual_attention, activation="silu")
    assert torch.autograd.gradcheck(model, tokens(1, 3).requires_grad_())


def test_layers_share_nothing():
    model = Encoder(6, 2, 5, n_layers=3)
    assert len({id(layer.attention.mechanism) for layer in model.layers}) == 3
    assert len({p.data_ptr() for p in model.parameters()}) == len(list(model.parameters()))


def test_permuting_the_tokens_permutes_the_output():
    model, x, order = encoder().eval(), tokens(), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    torch.testing.assert_close(model(x)[:, order], model(x[:, order]))


def test_an_unknown_activation_is_refused():
    with pytest.raises(
        ValueError, match=exactly("activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']")
    ):
        Encoder(6, 2, 5, n_layers=1, activation="tanh")


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match=exactly("norm='rms' must be one of ['batch', 'layer']")):
        Encoder(6, 2, 5, n_layers=1, norm="rms")


@pytest.mark.parametrize("name", ["d_model", "n_heads", "d_ff", "n_encoder_layers"])
def test_a_size_below_one_is_refused(name):
    sizes = {"d_model": 6, "n_heads": 2, "d_ff": 5, "n_encoder_layers": 1, name: 0}
    n_layers = sizes.pop("n_encoder_layers")
    with pytest.raises(ValueError, match=exactly(f"{name}=0 must be an integer of at least 1")):
        Encoder(**sizes, n_layers=n_layers)


def test_a_dropout_of_one_is_refused():
    with pytest.raises(ValueError, match=exactly("dropout=1.0 must be in [0, 1)")):
        Encoder(6, 2, 5, n_layers=1, dropout=1.0)
