from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import AutoTCL
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_
from tests.layers.contrastive import _naive as naive

SIZES = Sizes(13, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2, n_static_rows=3)
JOINT = {"channel_independent": False, "causal": False, "hard_mask": False}
both = pytest.mark.parametrize("sizes", [SIZES, ALL_COVARIATES], ids=["plain", "covariates"])
every_form = pytest.mark.parametrize("form", [{}, JOINT], ids=["independent", "joint"])


def network(sizes: Sizes = SIZES, **kwargs) -> AutoTCL:
    own = {"d_hidden": 5, "d_model": 7, "n_blocks": 2, "n_scales": 2, "d_augmenter": 3}
    return scatter_(AutoTCL(sizes, **own | kwargs))


def by_hand(model: AutoTCL, window: Window) -> Tensor:
    """Forecast component by component, of one parameter."""
    known = [x for x in (window.past, window.historic_future) if x is not None]
    joint = not model.channel_independent
    groups = [range(3)] if joint else [[c] for c in range(3)]
    parts = []
    for group in groups:
        x = torch.cat([window.target[..., list(group)], *known], dim=-1)
        state = naive.encoder(model.encoder, x, causal=not joint)[:, -1]
        if window.static is not None:
            state = state + model.static(window.static.flatten(1) if joint else window.static[:, group[0]])
        out = model.head(state).unflatten(-1, (5, len(group)))
        if window.future is not None:
            out = out + model.future(window.future, state[:, None])[:, 0]
        parts.append(out)
    return torch.cat(parts, dim=-1).unsqueeze(-1)


@both
@every_form
def test_equals_its_definition(sizes, form):
    model, window = network(sizes, **form).double().eval(), make_window(sizes, dtype=torch.float64)
    torch.testing.assert_close(model(window), by_hand(model, window))


@every_form
def test_the_forecast_is_read_from_the_last_token(form):
    model, window = network(ALL_COVARIATES, **form).double().eval(), make_window(ALL_COVARIATES, dtype=torch.float64)
    tokens = model.encode(window)
    assert tokens.shape == (3, 1 if form else 3, 13, 7)
    torch.testing.assert_close(model._forecast(tokens[:, :, -1], window), model(window))


@every_form
def test_only_causal_tokens_do_not_see_what_comes_after(form):
    model, window = network(**form).eval(), make_window(SIZES)
    later = window.target.clone()
    later[:, 8:] += 1
    same = torch.isclose(model.encode(window), model.encode(Window(later)))[:, :, :8].all()
    assert bool(same) == (not form)


@both
@every_form
@pytest.mark.parametrize("end_to_end", [True, False])
def test_each_part_learns_by_its_own_loss(sizes, form, end_to_end):
    model = network(sizes, end_to_end=end_to_end, **form)
    training = model.learn(make_window(sizes))
    head = (training.forecast * draw(*training.forecast.shape)).sum() + training.penalties["ridge"]
    encoder = training.penalties["contrast"] + training.penalties["local"]
    views = sum(training.penalties[name] for name in ("relevance", "sparsity", "consistency"))
    for loss, parts in ((head, ("head", "static", "future")), (encoder, ("encoder",)), (views, ("contrast",))):
        learns = parts + (("encoder",) if end_to_end and loss is head else ())
        gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True, materialize_grads=True)
        for (name, _), gradient in zip(model.named_parameters(), gradients, strict=True):
            assert bool(gradient.any()) == (name.split(".")[0] in learns), name


@every_form
def test_training_forecasts_as_evaluation_does(form):
    model, window = network(ALL_COVARIATES, dropout=0.0, **form), make_window(ALL_COVARIATES)
    torch.testing.assert_close(model.learn(window).forecast, model(window))


def test_tokens_are_steps_of_single_components():
    assert network().token_steps.tolist() == [[step] for step in range(13)]
    message = "channel_independent=False must be True: a token is of all components, and hides none alone"
    with pytest.raises(ValueError, match=exactly(message)):
        network(**JOINT).token_steps  # noqa: B018


def test_the_ridge_is_the_mean_over_outputs_of_squared_weights():
    model, window = network(ridge=0.5), make_window(SIZES)
    torch.testing.assert_close(model.learn(window).penalties["ridge"], 0.5 * model.head.weight.square().sum() / 5)
    assert "ridge" not in network(ridge=0).learn(window).penalties


@every_form
def test_a_sample_does_not_depend_on_its_batch_mates(form):
    model, window = network(ALL_COVARIATES, **form).eval(), make_window(ALL_COVARIATES)
    torch.testing.assert_close(model(rows(window, slice(1, 2))), model(window)[1:2])


def test_components_are_forecast_one_by_one_unless_joint():
    window = make_window(SIZES)
    other = Window(window.target.index_add(2, torch.tensor([1]), torch.ones(3, 13, 1)))
    for form, alone in (({}, True), (JOINT, False)):
        model = network(**form).eval()
        assert (model.width_tie is None) == alone
        same = torch.isclose(model(window), model(other))
        assert bool(same[:, :, [0, 2]].all()) == alone
        assert not same[:, :, 1].all()


def test_any_number_of_components_and_steps():
    model = network().eval()
    assert model(make_window(replace(SIZES, n_targets=2, input_length=3))).shape == (3, 5, 2, 1)


def test_it_looks_back_on_all_of_the_look_back():
    model = AutoTCL(Sizes(13, 5), d_hidden=5, d_model=7)
    assert (len(model.encoder.blocks), len(model.encoder.scales.scales)) == (4, 4)
    x = draw(1, 13, 1).requires_grad_()
    model.eval()(Window(x)).sum().backward()
    assert (x.grad != 0).all()
    paper = AutoTCL(Sizes(5000, 5), d_hidden=1, d_model=1)
    assert (len(paper.encoder.blocks), len(paper.encoder.scales.scales)) == (11, 8)


@both
@every_form
def test_parameters_of_a_likelihood(sizes, form):
    model = network(replace(sizes, n_parameters=2), **form).double().eval()
    window = make_window(sizes, dtype=torch.float64)
    whole = model(window)
    assert whole.shape == (3, 5, 3, 2)
    model.head.bias.data[1::2] += 1
    torch.testing.assert_close(model(window) - whole, torch.tensor([0.0, 1.0]).to(whole).expand_as(whole))


@every_form
def test_untrained_static_covariates_and_known_future_change_nothing(form):
    window = make_window(ALL_COVARIATES)
    model = AutoTCL(ALL_COVARIATES, d_hidden=5, d_model=7, **form).eval()
    torch.testing.assert_close(
        model(window), model(replace(window, static=window.static + 1, future=window.future + 1))
    )


@every_form
def test_what_is_recorded_is_how_likely_each_value_of_the_target_is_kept(form):
    model, window = network(ALL_COVARIATES, **form).eval(), make_window(ALL_COVARIATES)
    with recording("mask") as record:
        model(window)
    (entry,) = record["mask"]
    kept = entry.tensors["kept"]
    assert kept.shape == (3, 13, 3)
    torch.testing.assert_close(kept, model.contrast.kept(window)[..., :3])


@pytest.mark.parametrize("length", [1, 2])
@every_form
def test_short_windows(length, form):
    sizes = Sizes(length, 1)
    model, window = network(sizes, n_blocks=None, n_scales=None, **form), make_window(sizes, batch=1)
    assert model.eval()(window).shape == (1, 1, 1, 1)
    training = model.train().learn(window)
    assert all(part.isfinite().all() for part in (training.forecast, *training.penalties.values()))


@every_form
def test_bfloat16_is_kept_and_accurate(form):
    model = network(ALL_COVARIATES, **form).eval()
    window = Window(**{k: None if t is None else t.bfloat16() for k, t in vars(make_window(ALL_COVARIATES)).items()})
    expected = model(Window(**{name: None if t is None else t.float() for name, t in vars(window).items()}))
    out = model.to(torch.bfloat16)(window)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 5e-2 * expected.norm()
    assert {part.dtype for part in model.train().learn(window).penalties.values()} == {torch.bfloat16}


def test_gradients_equal_finite_differences():
    model = network(Sizes(7, 2, n_targets=2)).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_dropout_acts_once_in_a_forecast():
    model = network(dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(SIZES))
    assert {name: n for name, n in calls.items() if n} == {"encoder.dropout": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channel_independent": 1}, "channel_independent=1 must be True or False"),
        ({"causal": 1}, "causal=1 must be True or False"),
        ({"hard_mask": 1}, "hard_mask=1 must be True or False"),
        ({"end_to_end": 1}, "end_to_end=1 must be True or False"),
        ({"d_hidden": 0}, "d_hidden=0 must be an integer of at least 1"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"n_blocks": 0}, "n_blocks=0 must be an integer of at least 1"),
        ({"n_scales": 0}, "n_scales=0 must be an integer of at least 1"),
        ({"d_augmenter": 0}, "d_augmenter=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"hide_rate": 1}, "hide_rate=1 must be in [0, 1)"),
        ({"temperature": 0}, "temperature=0 must be above 0"),
        ({"ridge": -1}, "ridge=-1 must be a finite number of at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
