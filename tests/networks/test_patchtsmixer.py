from dataclasses import replace

import pytest
import torch

from darts_tsformers.networks import PatchTSMixer
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import assert_same_with_gradients, count_dropouts, draw, exactly, make_window, rows, scatter_

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=3, n_static=2)
KINDS = {
    "past": {"n_past": 2},
    "future": {"n_future": 3},
    "static": {"n_static": 2},
    "all": {"n_past": 2, "n_future": 3, "n_static": 2},
}
TINY = {"patch_length": 5, "stride": 3, "d_model": 6, "n_heads": 2, "n_layers": 2}
HEADS = {"cross_channel_context": 1, "hierarchy": 2}
MIX = {"mode": "mix_channel"}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
forms = pytest.mark.parametrize(
    "form",
    [{}, MIX, {"self_attention": True, "positional_encoding": "learned"}, HEADS, {"gated_attention": False}],
    ids=str,
)


def network(sizes=SIZES, **kwargs):
    return PatchTSMixer(sizes, **TINY | kwargs)


def test_an_untrained_network_with_covariates_is_the_one_without():
    plain, wide = scatter_(network()).eval(), network(ALL_COVARIATES).eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = make_window(ALL_COVARIATES)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"covariates", "static", "future"}
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


def test_an_untrained_network_with_more_heads_is_the_one_without():
    plain, more = scatter_(network()).eval(), network(**HEADS).eval()
    missing, _ = more.load_state_dict(plain.state_dict(), strict=False)
    assert {name.split(".")[0] for name in missing} == {"hierarchy", "reconciliation"}
    torch.testing.assert_close(more(make_window(SIZES)), plain(make_window(SIZES)))


def test_equals_its_definition():
    sizes = replace(ALL_COVARIATES, n_parameters=2)
    model = scatter_(network(sizes, positional_encoding="learned", **HEADS)).double().eval()
    window = make_window(sizes, dtype=torch.float64)
    known = torch.cat([window.past, window.historic_future], dim=-1)
    tokens = torch.zeros(3, 3, 5, 6, dtype=torch.float64)
    for c in range(3):
        for n in range(5):
            patch = slice(3 * n, 3 * n + 5)
            beside = torch.cat([known[:, patch, p] for p in range(5)], dim=-1)
            token = model.embedding(window.target[:, patch, c]) + model.position.table[n]
            tokens[:, c, n] = token + model.covariates(beside) + model.static(window.static[:, c])
    mixed = model.mixer(tokens)
    flat = torch.cat(mixed.unbind(2), dim=-1)
    out = (flat @ model.head.weight.T + model.head.bias).view(3, 3, 5, 2)
    out = out + model.future(window.future, mixed.mean(2))
    out = model.hierarchy(out, mixed)[0].transpose(1, 2)
    expected = model.reconciliation(out, window.future)
    assert_same_with_gradients(model(window), expected, list(model.parameters()))


@pytest.mark.parametrize("heads", [{"hierarchy": 2}, {"hierarchy": 3, "cross_channel_context": 1}, {"hierarchy": 7}])
def test_means_of_patches_of_the_horizon_are_lessons_of_their_own(heads):
    model, window = scatter_(network(hierarchy_weight=0.25, **heads)).eval(), make_window(SIZES)
    p, forecast = heads["hierarchy"], model(window)
    training = model.learn(window)
    torch.testing.assert_close(training.forecast, forecast)
    of_head, of_forecast = training.lessons
    flat = model.encode(window).flatten(2)
    for j, first in enumerate(range(0, 5, p)):
        steps = range(first, min(first + p, 5))
        mean = sum(forecast[:, h] for h in steps) / len(steps)
        torch.testing.assert_close(of_forecast.forecast[:, j], mean)
        raw = flat @ model.hierarchy.aggregate.weight[j] + model.hierarchy.aggregate.bias[j]
        torch.testing.assert_close(of_head.forecast[:, j, :, 0], raw)
        assert {int(lesson.steps[j]) for lesson in training.lessons} == {17 + first}
    assert {(lesson.span, lesson.weight) for lesson in training.lessons} == {(p, 0.25)}
    assert not scatter_(network(**heads)).learn(window).lessons


@kinds
@forms
def test_every_parameter_of_a_covariate_learns(kind, form):
    sizes = replace(SIZES, **kind)
    model = scatter_(network(sizes, **form))
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())


@kinds
def test_an_untrained_network_can_begin_to_learn_from_a_covariate(kind):
    sizes = replace(SIZES, **kind)
    model = network(sizes)
    out = model(make_window(sizes))
    (out * draw(*out.shape, seed=9)).sum().backward()
    ways_in = {"covariates.weight", "static.weight", "future.response.weight"}
    found = {n: p for n, p in model.named_parameters() if n in ways_in}
    assert found
    assert all(p.grad.abs().sum() > 0 for p in found.values())


@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_trained_network_listens_to_every_covariate(name):
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


def test_one_row_of_static_covariates_serves_all_components():
    model, window = scatter_(network(ALL_COVARIATES)).eval(), make_window(ALL_COVARIATES)
    one = window.static[:, :1]
    shared, repeated = (replace(window, static=static) for static in (one, one.expand(-1, 3, -1)))
    torch.testing.assert_close(model(shared), model(repeated))


@pytest.mark.parametrize("context", [None, 1])
def test_a_future_covariate_acts_on_its_own_step_and_as_far_as_the_cross_channel_head_sees(context):
    sizes = replace(SIZES, n_future=3)
    model, window = scatter_(network(sizes, cross_channel_context=context)).eval(), make_window(sizes)
    future = window.future.clone()
    future[:, 2] += 1
    changed = (model(window) - model(replace(window, future=future))).abs().amax((0, 2, 3)) > 1e-6
    assert changed.tolist() == [False, context == 1, True, context == 1, False]


@pytest.mark.parametrize(
    ("form", "tie"),
    [({}, None), (MIX, "mode"), ({"cross_channel_context": 0}, "cross_channel_context"), ({"hierarchy": 2}, None)],
    ids=str,
)
def test_channels_see_each_other_where_they_are_tied(form, tie):
    model, window = scatter_(network(**form)).eval(), make_window(SIZES)
    moved = window.target.clone()
    moved[..., 1] += draw(3, 17, seed=5)
    before, after = model(window), model(Window(moved))
    assert model.width_tie == tie
    assert torch.allclose(before[:, :, [0, 2]], after[:, :, [0, 2]]) == (tie is None)
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


def test_a_network_built_for_three_components_serves_five():
    model, wide = scatter_(network(ALL_COVARIATES, hierarchy=3)).eval(), replace(ALL_COVARIATES, n_targets=5)
    window = make_window(wide)
    out = model(window)
    assert out.shape == (3, 5, 5, 1)
    first = replace(window, target=window.target[..., :3], static=window.static[:, :3])
    torch.testing.assert_close(out[:, :, :3], model(first))


@pytest.mark.parametrize("form", [{}, {"positional_encoding": "sincos"}], ids=str)
def test_the_start_that_no_patch_reaches_is_not_seen_and_the_end_is(form):
    sizes = Sizes(19, 5)
    model, window = scatter_(network(sizes, **form)).eval(), make_window(sizes)
    assert model.patching.n_patches == 5
    for step in range(19):
        moved = window.target.clone()
        moved[:, step] += 1
        assert torch.allclose(model(window), model(Window(moved))) == (step < 2)


def test_patches_are_known_by_their_steps_the_last_one_ending_with_the_look_back():
    model = network(Sizes(19, 5), self_attention=True)
    layouts = model.layouts()
    assert set(layouts) == {f"mixer.layers.{i}.patches.{part}" for i in range(2) for part in ("gate", "attention")}
    (axis,) = layouts["mixer.layers.1.patches.gate"].axes
    assert axis.first == (-16, -13, -10, -7, -4)
    assert axis.last == (-12, -9, -6, -3, 0)
    assert network(**MIX).layouts()["mixer.layers.0.channels.gate"].axes[0].kinds == ("target",)


@pytest.mark.parametrize("length", [1, 2, 15, 16, 40])
def test_without_a_patch_length_whatever_fits_is_taken(length):
    model = PatchTSMixer(Sizes(length, 3), d_model=6)
    assert model.patching.patch_length == min(16, length)
    assert model(make_window(Sizes(length, 3))).shape == (3, 3, 1, 1)


def test_gates_recorded_are_those_of_each_component():
    model, window = scatter_(network()).eval(), make_window(SIZES)
    with recording("gates") as entries:
        model(window)
    with recording("gates") as alone:
        model(Window(window.target[..., 1:2]))
    for whole, one in zip(entries["gates"], alone["gates"], strict=True):
        torch.testing.assert_close(whole.tensors["weights"].view(3, 3, 5)[:, 1], one.tensors["weights"])


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_training_on_a_single_token_works(norm):
    sizes = Sizes(5, 3)
    model = network(sizes, norm=norm).train()
    assert model.patching.n_patches == 1
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    model(make_window(sizes, 1)).square().sum().backward()
    optimiser.step()
    assert all(p.isfinite().all() for p in model.parameters())


@forms
def test_gradients_equal_finite_differences(form):
    sizes = Sizes(7, 2, n_targets=2)
    model = scatter_(network(sizes, patch_length=3, **form)).double().eval()
    x = draw(1, 7, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


@forms
def test_bfloat16_is_kept_and_accurate(form):
    model, window = scatter_(network(ALL_COVARIATES, **form)).eval(), make_window(ALL_COVARIATES)
    expected = model(window)
    narrow = Window(**{name: None if t is None else t.to(torch.bfloat16) for name, t in vars(window).items()})
    out = model.to(torch.bfloat16)(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).norm() < 3e-2 * expected.norm()


def test_the_same_seed_builds_the_same_network():
    first, second = (torch.random.manual_seed(3) and network(ALL_COVARIATES).state_dict() for _ in range(2))
    assert all(torch.equal(weight, second[name]) for name, weight in first.items())


def test_maps_start_small():
    model = PatchTSMixer(Sizes(96, 24), d_model=64, self_attention=True)
    maps = [part for part in model.modules() if isinstance(part, torch.nn.Linear)]
    assert all(0.015 < part.weight.std() < 0.025 for part in maps)
    assert all((part.bias == 0).all() for part in maps)


def test_every_dropout_acts_once():
    model = network(ALL_COVARIATES, dropout=0.5, head_dropout=0.25, self_attention=True, **MIX)
    calls = count_dropouts(model)
    model(make_window(ALL_COVARIATES))
    assert calls == dict.fromkeys(calls, 1)
    rates = [module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)]
    assert sorted(rates) == [0.25] + [0.5] * (2 * 7)


def test_evaluation_is_deterministic_and_dropout_acts_in_training():
    model, window = scatter_(network(dropout=0.5, head_dropout=0.5)), make_window(SIZES)
    assert not torch.equal(model(window), model(window))
    model.eval()
    assert torch.equal(model(window), model(window))


def test_a_batch_of_one_is_enough_in_evaluation():
    model, window = scatter_(network(norm="batch", **HEADS)).eval(), make_window(SIZES)
    torch.testing.assert_close(model(window)[:1], model(rows(window, slice(0, 1))))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_length": 19}, "patch_length=19 must be at most input_chunk_length=17"),
        ({"stride": 0}, "stride=0 must be an integer of at least 1"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"expansion_factor": 0}, "expansion_factor=0 must be an integer of at least 1"),
        ({"n_layers": 0}, "n_layers=0 must be an integer of at least 1"),
        ({"mode": "mix"}, "mode='mix' must be one of ['common_channel', 'mix_channel']"),
        ({"self_attention": True, "n_heads": 4}, "n_heads=4 must divide d_model=6"),
        ({"n_heads": 0}, "n_heads=0 must be an integer of at least 1"),
        ({"norm": "rms"}, "norm='rms' must be one of ['batch', 'layer']"),
        ({"positional_encoding": "rotary"}, "positional_encoding='rotary' must be one of ['learned', 'sincos']"),
        (
            {"positional_encoding": "sincos", "d_model": 5},
            "d_model=5 must be even: sincos positions take half sines, half cosines",
        ),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"head_dropout": -0.1}, "head_dropout=-0.1 must be in [0, 1)"),
        ({"cross_channel_context": -1}, "cross_channel_context=-1 must be an integer of at least 0"),
        ({"hierarchy": 0}, "hierarchy=0 must be an integer of at least 1"),
        ({"hierarchy_weight": 0.1}, "hierarchy_weight=0.1 needs hierarchy, the steps of the patches"),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
