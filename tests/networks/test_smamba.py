from dataclasses import replace

import pytest
import torch

from darts_tsformers.layers.recurrent.variate_order import by_correlation
from darts_tsformers.networks import SMamba
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_
from tests.networks.variates import moved_about

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2)
TINY = {"d_model": 6, "n_encoder_layers": 2, "d_ff": 7, "d_state": 3}
every_order = pytest.mark.parametrize("variate_order", ["given", "correlation"])


def network(sizes: Sizes = SIZES, **kwargs) -> SMamba:
    return SMamba(sizes, **TINY | kwargs)


@every_order
def test_equals_its_definition(variate_order):
    model = scatter_(network(ALL_COVARIATES, variate_order=variate_order)).double().eval()
    window = make_window(ALL_COVARIATES, dtype=torch.float64)
    tokens = [model.embedding(window.target[..., c]) + model.static(window.static[:, c]) for c in range(3)]
    tokens += [model.embedding(window.past[..., p]) + model.past_type for p in range(2)]
    for f in range(7):
        whole = torch.cat([window.historic_future[..., f], window.future[..., f]], dim=1)
        tokens.append(model.future_embedding(whole))
    targets = by_correlation(window.target) if variate_order == "correlation" else torch.arange(3).expand(3, -1)
    future, past = (torch.arange(start, end).expand(3, -1) for start, end in ((5, 12), (3, 5)))
    encoded = model.encoder(torch.stack(tokens, dim=1), torch.cat([future, targets, past], dim=1))
    expected = torch.stack([model.head(encoded[:, c]) for c in range(3)], dim=-1).unsqueeze(-1)
    torch.testing.assert_close(model(window), expected)


def test_the_given_order_matters():
    window, order = make_window(SIZES), torch.tensor([2, 0, 1])
    model = scatter_(network()).eval()
    assert not torch.isclose(model(window)[:, :, order], model(moved_about(window, order))).any()


def test_untrained_static_covariates_change_nothing():
    sizes = replace(SIZES, n_static=2)
    plain, wide = scatter_(network()).eval(), network(sizes).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(sizes)
    assert (missing, unexpected) == (["static.weight"], [])
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


def test_an_untrained_past_covariate_is_one_more_variate_behind_the_others():
    sizes = replace(SIZES, n_past=2)
    plain, wide = scatter_(network()).eval(), network(sizes).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(sizes)
    assert (missing, unexpected) == (["past_type"], [])
    as_targets = Window(torch.cat([window.target, window.past], dim=-1))
    torch.testing.assert_close(wide(window), plain(as_targets)[:, :, :3])


@every_order
@pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])
def test_every_parameter_learns(sizes, variate_order):
    model = scatter_(network(sizes, variate_order=variate_order))
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@every_order
def test_gradients_equal_finite_differences(variate_order):
    model = scatter_(network(Sizes(7, 2, n_targets=2), variate_order=variate_order)).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head():
    point, wide = (scatter_(network(replace(SIZES, n_parameters=q))).eval() for q in (1, 3))
    whole = wide(make_window(SIZES))
    body = {name: weight for name, weight in wide.state_dict().items() if not name.startswith("head.")}
    for q in range(3):
        point.load_state_dict(body | {"head.weight": wide.head.weight[q::3], "head.bias": wide.head.bias[q::3]})
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


@every_order
def test_what_is_recorded_spans_variates_and_covariates(variate_order):
    model = scatter_(network(ALL_COVARIATES, variate_order=variate_order)).eval()
    with recording("attention", "steps") as record:
        model(make_window(ALL_COVARIATES))
    assert [entry.tensors["weights"].shape for entry in record["attention"]] == [(3, 1, 12, 12)] * 2
    assert [entry.tensors["length"].shape for entry in record["steps"]] == [(3, 12)] * 2
    assert model.attention_layers() == ["encoder.layers.0.mixer", "encoder.layers.1.mixer"]


@every_order
def test_bfloat16_is_kept_and_accurate(variate_order):
    model = scatter_(network(ALL_COVARIATES, variate_order=variate_order)).eval()
    window = Window(**{k: None if t is None else t.bfloat16() for k, t in vars(make_window(ALL_COVARIATES)).items()})
    expected = model(Window(**{name: None if t is None else t.float() for name, t in vars(window).items()}))
    out = model.to(torch.bfloat16)(window)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 3e-2 * expected.norm()


def test_every_dropout_acts_once():
    model = network(ALL_COVARIATES, dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert calls == dict.fromkeys(calls, 1)
    assert len(calls) == 1 + 2 * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"d_conv": 0}, "d_conv=0 must be an integer of at least 1"),
        ({"expand": 0}, "expand=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"activation": "tanh"}, "activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
        ({"variate_order": "random"}, "variate_order='random' must be one of ['correlation', 'given']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
