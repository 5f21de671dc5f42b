import pytest
import torch
from einops import rearrange

from darts_tsformers.networks import Aaren
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_

SIZES = Sizes(17, 5, n_targets=3, n_past=2, n_future=3, n_static=2, n_static_rows=3)
TINY = {"patch_length": 4, "d_model": 6, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 7}


def network(sizes=SIZES, **changes):
    return scatter_(Aaren(sizes, **TINY | changes))


def test_equals_its_definition():
    model, window = network().double().eval(), make_window(SIZES, dtype=torch.float64)
    body, expected = model.body, []
    filled = torch.zeros(3, 3, 8, dtype=torch.float64)  # two patches of nothing, for the convolution
    known = torch.cat([window.past, window.historic_future], dim=-1)
    known = torch.cat([known.new_zeros(3, 3, 5), known], dim=1)
    for c in range(3):
        series = torch.cat([filled[:, c], filled[:, c, :3], window.target[..., c]], dim=1)
        tokens = []
        for i in range(5):
            values = body.embedding.linear(series[:, 4 * i : 4 * i + 12])
            of_rows = body.known(rearrange(known[:, 4 * i : 4 * i + 4], "B p K -> B (p K)"))
            tokens.append(values + of_rows + body.static(window.static[:, c]))
        x = torch.stack(tokens, dim=1)
        for layer in body.layers:
            x = layer(x)
        out = body.head(x[:, -1]) + body.future(window.future, x[:, -1:])[:, 0, :, 0]
        expected.append(out)
    torch.testing.assert_close(model(window), torch.stack(expected, dim=-1)[..., None])


@pytest.mark.parametrize("channel_independent", [True, False])
def test_the_maps_span_patches(channel_independent):
    model = network(channel_independent=channel_independent).eval()
    with recording("attention") as record:
        model(make_window(SIZES))
    maps = [entry.tensors["weights"] for entry in record["attention"]]
    assert [one.shape for one in maps] == [(9 if channel_independent else 3, 2, 5, 5)] * 2
    for one in maps:
        torch.testing.assert_close(one.sum(-1), torch.ones_like(one[..., 0]))
        assert (one.triu(1) == 0).all()
    (layout, _) = model.layouts().values()
    assert layout.per_component == channel_independent
    assert [len(axis) for axis in layout.axes] == [5, 5]


def test_gradients_equal_finite_differences():
    sizes = Sizes(7, 2, n_targets=2)
    model, x = network(sizes).double().eval(), draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_every_dropout_acts_once():
    model = network(dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(SIZES))
    assert calls == dict.fromkeys(calls, 1)
    assert len(calls) == 1 + 2 * 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"activation": "tanh"}, "activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
