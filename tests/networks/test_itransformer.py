from dataclasses import replace

import pytest
import torch

from darts_tsformers.networks import ITransformer
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, scatter_

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2)
TINY = {"d_model": 6, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 7}


def network(sizes=SIZES, **kwargs):
    return ITransformer(sizes, **TINY | kwargs)


@pytest.mark.parametrize("covariates", [False, True], ids=["plain", "covariates"])
def test_permuting_the_variates_permutes_the_forecast(covariates):
    sizes = ALL_COVARIATES if covariates else SIZES
    model, window, order = scatter_(network(sizes)).eval(), make_window(sizes), torch.tensor([2, 0, 1])
    static = window.static[:, order] if covariates else None
    moved = replace(window, target=window.target[..., order], static=static)
    torch.testing.assert_close(model(window)[:, :, order], model(moved))


@torch.no_grad()
@pytest.mark.parametrize(("parts", "marks"), [(["past"], slice(0, 2)), (["historic_future", "future"], slice(2, 9))])
def test_marks_alone_tell_covariates_apart(parts, marks):
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    moved = replace(window, **{part: getattr(window, part).flip(-1) for part in parts})
    expected = model(window)
    assert not torch.isclose(model(moved), expected).any()
    model.covariate_marks[marks] = model.covariate_marks[marks].flip(0)
    torch.testing.assert_close(model(moved), expected)


def test_a_network_built_for_three_variates_serves_five():
    three, five = (replace(ALL_COVARIATES, n_targets=n) for n in (3, 5))
    model, other = scatter_(network(three)).eval(), network(five).eval()
    other.load_state_dict(model.state_dict())
    window = make_window(five)
    assert model.width_tie is None
    assert model(window).shape == (3, 5, 5, 1)
    assert torch.equal(model(window), other(window))


def test_variates_see_each_other():
    model, window = scatter_(network()).eval(), make_window(SIZES)
    moved = window.target.clone()
    moved[..., 1] += 1
    assert not torch.allclose(model(window)[:, :, 0], model(Window(moved))[:, :, 0])


def test_equals_its_definition():
    model = scatter_(network(ALL_COVARIATES)).double().eval()
    window = make_window(ALL_COVARIATES, dtype=torch.float64)
    tokens = [model.embedding(window.target[..., c]) + model.static(window.static[:, c]) for c in range(3)]
    tokens += [model.embedding(window.past[..., p]) + model.past_type + model.covariate_marks[p] for p in range(2)]
    for f in range(7):
        whole = torch.cat([window.historic_future[..., f], window.future[..., f]], dim=1)
        tokens.append(model.future_embedding(whole) + model.covariate_marks[2 + f])
    encoded = model.encoder(torch.stack(tokens, dim=1))
    expected = torch.stack([model.head(encoded[:, c]) for c in range(3)], dim=-1).unsqueeze(-1)
    torch.testing.assert_close(model(window), expected)


def test_untrained_static_covariates_change_nothing():
    sizes = replace(SIZES, n_static=2)
    plain, wide = scatter_(network()).eval(), network(sizes).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(sizes)
    assert (missing, unexpected) == (["static.weight"], [])
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


def test_an_untrained_past_covariate_is_one_more_variate():
    sizes = replace(SIZES, n_past=2)
    plain, wide = scatter_(network()).eval(), network(sizes).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(sizes)
    assert (missing, unexpected) == (["past_type"], [])
    as_targets = Window(torch.cat([window.target, window.past], dim=-1))
    torch.testing.assert_close(wide(window), plain(as_targets)[:, :, :3])


def test_files_from_before_covariates_were_marked_mark_none():
    state = scatter_(network(ALL_COVARIATES)).state_dict()
    del state["covariate_marks"]
    model = scatter_(network(ALL_COVARIATES))
    model.load_state_dict(state)
    assert (model.covariate_marks == 0).all()


@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_network_listens_to_every_covariate(name):
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


def test_one_row_of_static_covariates_serves_all_components():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    one = window.static[:, :1]
    shared, repeated = (replace(window, static=static) for static in (one, one.expand(-1, 3, -1)))
    torch.testing.assert_close(model(shared), model(repeated))


@pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])
def test_every_parameter_learns(sizes):
    model = scatter_(network(sizes))
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head():
    point, wide = (scatter_(network(replace(SIZES, n_parameters=q))).eval() for q in (1, 3))
    whole = wide(make_window(SIZES))
    body = {name: weight for name, weight in wide.state_dict().items() if not name.startswith("head.")}
    for q in range(3):
        point.load_state_dict(body | {"head.weight": wide.head.weight[q::3], "head.bias": wide.head.bias[q::3]})
        torch.testing.assert_close(point(make_window(SIZES)), whole[..., q : q + 1])


def test_the_maps_span_variates_and_covariates():
    model = scatter_(network(ALL_COVARIATES)).eval()
    with recording("attention") as record:
        model(make_window(ALL_COVARIATES))
    assert [entry.tensors["weights"].shape for entry in record["attention"]] == [(3, 2, 12, 12)] * 2


def test_gradients_equal_finite_differences():
    sizes = Sizes(7, 2, n_targets=2)
    model, x = scatter_(network(sizes)).double().eval(), draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_bfloat16_is_kept_and_accurate():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    expected = model(window)
    narrow = Window(**{name: None if t is None else t.to(torch.bfloat16) for name, t in vars(window).items()})
    out = model.to(torch.bfloat16)(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 3e-2 * expected.norm()


def test_every_dropout_acts_once():
    model = network(ALL_COVARIATES, dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert calls == dict.fromkeys(calls, 1)
    assert len(calls) == 1 + 2 * 3


def test_evaluation_is_deterministic_and_dropout_acts_in_training():
    model, window = network(dropout=0.5), make_window(SIZES)
    assert not torch.equal(model(window), model(window))
    model.eval()
    assert torch.equal(model(window), model(window))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"activation": "tanh"}, "activation='tanh' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
