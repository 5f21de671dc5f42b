"""GPHT against its definition, roll-outs that read all anew, and lessons made one by one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.networks import GPHT, Forecaster
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_
from tests.networks._naive_gpht import forecast_patches, tensor

P = 6
SIZES = Sizes(17, 13, n_targets=3)  # two steps and a half of patches, and one patch lacks a step
TINY = {
    "patch_length": P, "pool_sizes": (3, 2, 1), "d_model": 4, "n_heads": 2, "n_encoder_layers": 1, "d_ff": 5,
    "dropout": 0.0,
}  # fmt: skip
STARTS = torch.tensor([0, 4, 12])


def network(sizes: Sizes = SIZES, **changes) -> GPHT:
    return scatter_(GPHT(sizes, **TINY | changes)).double().eval()


def window_of(sizes: Sizes = SIZES, *, padded: bool = False, **options) -> Window:
    window = make_window(sizes, dtype=torch.float64, **options)
    following = draw(3, sizes.output_length, sizes.n_targets, seed=5, dtype=torch.float64)
    return replace(window, future_target=following, start=STARTS if padded else None)


def seen_in(series: list[float], first: int, pushed: int, sizes: Sizes = SIZES) -> list[float]:
    """Return what the pass after ``pushed`` patches sees of a series whose history begins at ``first``."""
    width = -(-sizes.input_length // P) * P
    end = sizes.input_length + pushed * P
    return series[max(first, end - width) : end]


def rolled_out(model: GPHT, window: Window) -> Tensor:
    """Forecast component by component, and read all of it again for each patch."""
    sizes = model.sizes
    out = torch.empty(3, sizes.output_shift + sizes.output_length, 3, dtype=torch.float64)
    for b in range(3):
        first = 0 if window.start is None else int(window.start[b])
        for c in range(3):
            series = window.target[b, :, c].tolist()
            for i in range(model.n_passes):
                series += forecast_patches(model, seen_in(series, first, i, sizes))[-1]
            out[b, :, c] = tensor(series[sizes.input_length :][: out.shape[1]])
    return out[:, sizes.output_shift :, :, None]


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("length", "horizon", "shift", "changes"),
    [
        (17, 13, 0, {}),
        (18, 2, 5, {"n_heads": 1, "activation": "relu"}),
        (13, 6, 0, {"pool_sizes": (1,), "n_encoder_layers": 2}),
    ],
    ids=["three passes", "a shift", "one stage"],
)
def test_a_forecast_is_that_of_the_definition(length, horizon, shift, changes, padded):
    sizes = Sizes(length, horizon, output_shift=shift, n_targets=3)
    model, window = network(sizes, **changes), window_of(sizes, padded=padded)
    torch.testing.assert_close(model(window), rolled_out(model, window), rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_in_single_and_half_precision():
    model, window = network(), window_of(padded=True)
    expected = model(window)
    single = replace(window, target=window.target.float())
    torch.testing.assert_close(model.float()(single).double(), expected, rtol=1e-4, atol=1e-4)
    half = replace(window, target=window.target.bfloat16())
    torch.testing.assert_close(model.bfloat16()(half).double(), expected, rtol=0.2, atol=0.2)


def test_a_window_of_less_than_a_patch():
    sizes = Sizes(1, 7, n_targets=3)
    model, window = network(sizes), window_of(sizes)
    with torch.no_grad():
        torch.testing.assert_close(model(window), rolled_out(model, window), rtol=1e-9, atol=1e-9)


def test_no_patch_sees_those_after_it():
    """Stage by stage, without the statistics of the whole window, which do see them."""
    hierarchy = network().hierarchy
    x = draw(2, 4 * P, dtype=torch.float64)
    later = x.clone()
    later[:, 2 * P :] += draw(2, 2 * P, seed=1, dtype=torch.float64)
    one, other = hierarchy(x), hierarchy(later)
    torch.testing.assert_close(one[:, :, : 2 * P], other[:, :, : 2 * P], rtol=0, atol=0)
    assert ((one - other)[1:, :, 2 * P :] != 0).all()


def test_each_stage_reads_what_those_before_it_leave():
    hierarchy, seen, said = network().hierarchy, [], []
    for stage in hierarchy.stages:
        stage.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        stage.register_forward_hook(lambda _, given, out: said.append(out[..., 0]))
    x = draw(2, 3 * P, dtype=torch.float64)
    sums = hierarchy(x)
    torch.testing.assert_close(seen[0], x)
    for k in range(1, 3):
        torch.testing.assert_close(seen[k][:, :P], seen[k - 1][:, :P])
        torch.testing.assert_close(seen[k][:, P:], seen[k - 1][:, P:] - said[k - 1][:, :-P])
    torch.testing.assert_close(sums[..., 0], torch.stack([torch.zeros_like(x), *said]).cumsum(0))


def test_it_feeds_on_what_it_is_given():
    model, window = network(Sizes(18, 13, n_targets=3)), window_of(Sizes(18, 13, n_targets=3))
    fed = []

    def feed(part):
        fed.append(part)
        return torch.full_like(part[..., 0], 0.5)

    out = model(window, feed)
    assert [one.shape[1] for one in fed] == [6, 6, 1]
    seen = torch.cat([window.target[:, P:], torch.full((3, P, 3), 0.5, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(out[:, P : 2 * P], model(Window(seen))[:, :P])


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shift", [0, 2, 9])
def test_each_lesson_is_a_forecast_of_the_next_patch(padded, shift):
    sizes = replace(SIZES, output_length=8, output_shift=shift)
    model, window = network(sizes), window_of(sizes, padded=padded)
    between = window.target[:, -1:].expand(-1, shift, -1)
    series = torch.cat([window.target, between, window.future_target], dim=1)
    training = model.learn(window)
    (lesson,) = training.lessons
    assert training.forecast is None
    assert (lesson.name, lesson.weight) == ("patches", 1)
    places = [*range(P - 1, 17), *range(17 + shift, 25 + shift)]  # of which step each is, in the series
    assert lesson.forecast.shape == (3, len(places), 3, 1)
    for b in range(3):
        first = 0 if window.start is None else int(window.start[b])
        for c in range(3):
            passes = [
                forecast_patches(model, seen_in(series[b, :, c].tolist(), first, i, sizes))
                for i in range(model.n_passes)
            ]
            ahead = [step for patch in passes[0] for step in patch] + [v for one in passes[1:] for v in one[-1]]
            n_padding = (first + 1) // P * P if padded else 0
            for i, place in enumerate(places):
                step = place if place < 17 else place - shift
                if place - P + 1 < n_padding:
                    assert lesson.steps[b, i, c] == 0
                    continue
                assert (lesson.steps[b, i, c] if padded else lesson.steps[i]) == step
                assert abs(lesson.forecast[b, i, c, 0] - ahead[place - P + 1 - n_padding]) < 1e-9


def test_the_last_of_a_lesson_is_the_forecast():
    sizes = replace(SIZES, output_length=P)
    model, window = network(sizes), window_of(sizes)
    torch.testing.assert_close(model.learn(window).lessons[0].forecast[:, -P:], model(window))


COVARIATES = replace(SIZES, n_past=2, n_future=1, n_static=2)


def test_covariates_say_nothing_at_the_start():
    model, window = GPHT(COVARIATES, **TINY).double().eval(), window_of(COVARIATES)
    plain = replace(window, past=window.past + 1, future=window.future + 1, static=window.static + 1)
    torch.testing.assert_close(model(window), model(plain), rtol=0, atol=0)


@pytest.mark.parametrize("shift", [0, 2])
def test_what_covariates_say_is_read_on_and_learnt(shift):
    sizes = replace(COVARIATES, output_length=8, output_shift=shift)
    model, window, fed = network(sizes), window_of(sizes), []
    added, covariates = model.covariates(window), model.covariates
    model(window, lambda part: fed.append(part) or part[..., 0])
    ours = model.learn(window).lessons[0]
    model.covariates = None
    theirs = model.learn(window).lessons[0]
    bare = model(window)
    torch.testing.assert_close(fed[0][:, shift:], bare[:, : P - shift] + added[:, : P - shift])
    assert covariates is not None
    in_horizon = theirs.steps >= 17
    torch.testing.assert_close(ours.forecast[:, ~in_horizon], theirs.forecast[:, ~in_horizon])
    more = added[:, theirs.steps[in_horizon] - 17]
    torch.testing.assert_close(ours.forecast[:, in_horizon], theirs.forecast[:, in_horizon] + more)


def test_the_middle_of_quantiles_is_read_on():
    sizes = replace(SIZES, n_parameters=3, n_levels=3)
    model, window = network(sizes), window_of(sizes)
    assert model(window).shape == (3, 13, 3, 3)
    middle = network()
    state = model.state_dict()
    middle.load_state_dict({name: w[1::3] if "head" in name else w for name, w in state.items()})
    torch.testing.assert_close(model(window, lambda part: part[..., 1])[..., 1:2], middle(window))


def test_a_scale_stays_in_the_unit_of_the_first_pass():
    sizes = replace(SIZES, n_parameters=2)
    model, window = network(sizes), window_of(sizes)
    there = model(replace(window, target=5 * window.target + 3))[:, :P]
    here = model(window)[:, :P]
    torch.testing.assert_close(there[..., 0], 5 * here[..., 0] + 3, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(there[..., 1], here[..., 1], rtol=1e-3, atol=1e-3)


def test_samples_do_not_see_each_other():
    model, window = network(), window_of(padded=True)
    whole = model(window)
    for i in range(3):
        torch.testing.assert_close(model(rows(window, slice(i, i + 1))), whole[i : i + 1])


def test_it_is_normalised_twice_as_once():
    model, window = network(), window_of()
    scale = 100  # large, so that what the first norm adds to the variance does not count: the second adds 1e-5 of it
    wide = Window(scale * window.target)
    torch.testing.assert_close(Forecaster(model).double().eval()(wide), model(wide), rtol=0, atol=1e-4 * scale)
    assert Forecaster(model).double()(Window(torch.full((1, 17, 3), 4.0).double())).isfinite().all()


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shift", [0, 8])
def test_attention_has_a_place_in_the_layout(shift, padded):
    sizes = replace(SIZES, output_shift=shift)
    model, window = network(sizes), window_of(sizes, padded=padded)
    with recording("attention") as record:
        model(window)
    layouts = model.layouts()
    assert (
        set(layouts) == {f"hierarchy.stages.{i}.layers.0.attention" for i in range(3)} == set(model.attention_layers())
    )
    maps = [entry.tensors["weights"] for entry in record["attention"]]
    n_rows, n_keys = sum(one.shape[-2] for one in maps) // 3, max(one.shape[-1] for one in maps)
    assert {len(axis) for layout in layouts.values() for axis in layout.axes} == {n_rows} == {n_keys}
    axis = layouts["hierarchy.stages.0.layers.0.attention"].axes[0]
    assert axis.first[:4] == (-16, -11, -5, 1)
    assert axis.last[:4] == (-12, -6, 0, 6)
    assert axis.last[-1] == P * (model.n_passes - 1)
    for one in maps:
        torch.testing.assert_close(one.sum(-1), torch.ones_like(one[..., 0]))
    if padded:
        assert (maps[0].unflatten(0, (3, 3))[2, ..., 2, :2] == 0).all()  # its history is the last patch
    assert (maps[3][..., 0, 0] == 0).all()  # the second pass has forgotten the first patch


def test_stages_add_up_to_the_forecast():
    model = network()
    forecaster, window = Forecaster(model).double().eval(), window_of()
    with recording("stages") as record:
        out = forecaster(Window(window.target))
    (entry,) = record["stages"]
    assert list(entry.tensors) == ["level", "up_to_1", "up_to_2", "up_to_3"]
    torch.testing.assert_close(entry.tensors["up_to_3"], out)
    level = window.target.mean(1)[:, None, :, None].expand(-1, P, -1, -1)
    torch.testing.assert_close(entry.tensors["level"][:, :P], level)
    for stage in list(model.hierarchy.stages)[1:]:
        torch.nn.init.zeros_(stage.head.weight)
        torch.nn.init.zeros_(stage.head.bias)
    torch.testing.assert_close(forecaster(Window(window.target))[:, :P], entry.tensors["up_to_1"][:, :P])


def test_gradients_reach_every_weight():
    model, window = network().train(), window_of(padded=True)
    model.learn(window).lessons[0].forecast.square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and (p.grad != 0).any() for p in model.parameters())


def test_every_dropout_acts_once_for_each_pass():
    model = network(dropout=0.5).train()
    calls = count_dropouts(model)
    model(window_of())
    assert calls == dict.fromkeys(calls, model.n_passes)
    assert len(calls) == 3 * (1 + 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pool_sizes": ()}, "pool_sizes=() must name one stage or more"),
        ({"pool_sizes": (4, 1)}, "pool_sizes=(4, 1) must each divide patch_length=6"),
        ({"pool_sizes": (0,)}, "pool_sizes=0 must be an integer of at least 1"),
        ({"patch_length": 0}, "patch_length=0 must be an integer of at least 1"),
        ({"n_heads": 3}, "n_heads=3 must divide d_model=4"),
        ({"d_model": 3, "n_heads": 1}, "d_model=3 must be even: positions take half sines, half cosines"),
        ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
