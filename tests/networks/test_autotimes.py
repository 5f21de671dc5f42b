"""AutoTimes against its definition, roll-outs that read all anew, and lessons made one by one."""

from dataclasses import replace

import pytest
import torch

from darts_tsformers.networks import AutoTimes, Forecaster
from darts_tsformers.networks._patch_by_patch import Patched
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_
from tests.networks._naive_autotimes import forecast_segments, known_of, rolled_out

P, D = 5, 6
SIZES = Sizes(17, 11, n_targets=3)  # two steps and a segment of the horizon, and one segment lacks three steps
TINY = {
    "patch_length": P, "n_hidden_layers": 1, "d_hidden": 7, "dropout": 0.0,
    "backbone": "random", "backbone_sizes": {"d_model": D, "n_layers": 2, "n_heads": 3, "d_ff": 11},
}  # fmt: skip
STARTS = torch.tensor([0, 4, 12])
KNOWN = replace(SIZES, n_future=2)


def network(sizes: Sizes = SIZES, **changes) -> AutoTimes:
    return scatter_(AutoTimes(sizes, **TINY | changes)).double().eval()


def window_of(sizes: Sizes = SIZES, *, padded: bool = False, **options) -> Window:
    window = make_window(sizes, dtype=torch.float64, **options)
    following = draw(3, sizes.output_length, sizes.n_targets, seed=5, dtype=torch.float64)
    return replace(window, future_target=following, start=STARTS if padded else None)


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("sizes", "changes"),
    [
        (SIZES, {}),
        (replace(SIZES, input_length=15, output_length=2, output_shift=4), {"n_hidden_layers": 0}),
        (replace(SIZES, input_length=13, output_length=5), {"n_hidden_layers": 2, "activation": "relu"}),
        (SIZES, {"backbone": "none"}),
        (SIZES, {"n_backbone_layers": 1}),
        (KNOWN, {}),
        (replace(KNOWN, output_shift=3), {"backbone": "none"}),
        (replace(SIZES, n_future=D), {"marks": "given"}),
        (replace(SIZES, n_future=D, output_shift=7), {"marks": "given"}),
    ],
    ids=["plain", "linear", "deep", "none", "a layer", "known", "known none", "marks", "marks shifted"],
)
def test_a_forecast_is_that_of_the_definition(sizes, changes, padded):
    model, window = network(sizes, **changes), window_of(sizes, padded=padded)
    torch.testing.assert_close(model(window), rolled_out(model, window), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("architecture", ["llama", "opt"])
@pytest.mark.parametrize("padded", [False, True])
def test_around_other_decoders(architecture, padded):
    model, window = network(KNOWN, architecture=architecture), window_of(KNOWN, padded=padded)
    torch.testing.assert_close(model(window), rolled_out(model, window), rtol=1e-5, atol=1e-5)


def test_an_encoder_is_refused():
    with pytest.raises(ValueError, match=exactly("backbone='bert' must be a decoder: it would see what it is to say")):
        network(architecture="bert")


@torch.no_grad()
def test_in_single_and_half_precision():
    model, window = network(KNOWN), window_of(KNOWN, padded=True)
    expected = model(window)
    single, half = (
        Window(
            **{k: None if v is None else v.to(dtype) if v.is_floating_point() else v for k, v in vars(window).items()}
        )
        for dtype in (torch.float32, torch.bfloat16)
    )
    torch.testing.assert_close(model.float()(single).double(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(model.bfloat16()(half).double(), expected, rtol=0.2, atol=0.4)


@torch.no_grad()
def test_a_window_of_less_than_a_segment():
    sizes = Sizes(1, 7, n_targets=3)
    model, window = network(sizes), window_of(sizes)
    torch.testing.assert_close(model(window), rolled_out(model, window), rtol=1e-9, atol=1e-9)


def test_no_segment_sees_those_after_it():
    """Without the statistics of the whole window, which do see them."""
    model = network(replace(SIZES, input_length=15))
    x = draw(2, 15, 3, dtype=torch.float64)
    later = torch.cat([x[:, : 2 * P], draw(2, P, 3, seed=1, dtype=torch.float64)], dim=1)
    one, other = (model._raw_ahead(each, Patched(each, None), 0)[-1] for each in (x, later))
    torch.testing.assert_close(one[:, : 2 * P], other[:, : 2 * P], rtol=0, atol=0)
    assert (one != other)[:, 2 * P :].all()


def test_it_feeds_on_what_it_is_given():
    sizes = replace(SIZES, input_length=15)
    model, window, fed = network(sizes), window_of(sizes), []

    def feed(part):
        fed.append(part)
        return torch.full_like(part[..., 0], 0.5)

    out = model(window, feed)
    assert [one.shape[1] for one in fed] == [5, 5, 1]
    seen = torch.cat([window.target[:, P:], torch.full((3, P, 3), 0.5, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(out[:, P : 2 * P], model(Window(seen))[:, :P])


@torch.no_grad()
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shift", [0, 2])
def test_each_lesson_is_a_forecast_of_the_next_segment(padded, shift):
    sizes = replace(KNOWN, output_length=8, output_shift=shift)
    model, window = network(sizes), window_of(sizes, padded=padded)
    between = window.target[:, -1:].expand(-1, shift, -1)
    series = torch.cat([window.target, between, window.future_target], dim=1)
    training = model.learn(window)
    (lesson,) = training.lessons
    assert training.forecast is None
    assert (lesson.name, lesson.weight) == ("patches", 1)
    places = [*range(P - 3, 17), *range(17 + shift, 25 + shift)]  # of which step each is, in the series
    assert lesson.forecast.shape == (3, len(places), 3, 1)
    for b in range(3):
        first = 0 if window.start is None else int(window.start[b])
        for c in range(3):
            expected: dict[int, float] = {}
            for i in range(model.n_passes):
                end = 17 + i * P
                said = forecast_segments(model, series[b, :, c].tolist(), first, end, known_of(model, window, b))
                for j, part in enumerate(reversed(said if i == 0 else said[-1:])):
                    expected |= {end - j * P + k: part[k, 0] for k in range(P)}
            for i, place in enumerate(places):
                step = place if place < 17 else place - shift
                if place not in expected:
                    assert lesson.steps[b, i, c] == 0  # from padding
                    continue
                assert (lesson.steps[b, i, c] if padded else lesson.steps[i]) == step
                assert abs(lesson.forecast[b, i, c, 0] - expected[place]) < 1e-9


COVARIATES = replace(SIZES, n_past=2, n_future=1, n_static=2)


def test_covariates_say_nothing_at_the_start():
    model, window = AutoTimes(COVARIATES, **TINY).double().eval(), window_of(COVARIATES)
    other = replace(window, past=window.past + 1, future=window.future + 1, static=window.static + 1)
    torch.testing.assert_close(model(window), model(other), rtol=0, atol=0)


def test_all_covariates_say_something_once_trained():
    model, window = network(COVARIATES), window_of(COVARIATES)
    for kind in ("past", "historic_future", "future", "static"):
        assert (model(replace(window, **{kind: getattr(window, kind) + draw(1).double()})) != model(window)).any()


def test_given_marks_have_the_width_of_a_token():
    message = (
        "marks='given' needs future covariates of as many components as a token of the language model has, 6, not 2"
    )
    with pytest.raises(ValueError, match=exactly(message)):
        AutoTimes(KNOWN, **TINY, marks="given")


def test_the_language_model_is_not_trained_and_all_else_is():
    model, window = network(COVARIATES).train(), window_of(COVARIATES, padded=True)
    model.learn(window).lessons[0].forecast.square().mean().backward()
    for name, weight in model.named_parameters():
        if name.startswith("language."):
            assert weight.grad is None, name
        else:
            assert weight.grad is not None, name
            assert weight.grad.any(), name
    assert not any(part.training for part in model.language.modules())


def test_parameters_that_are_no_level_stay_in_the_unit_of_the_first_pass():
    sizes = replace(SIZES, n_parameters=2)
    model, window = network(sizes), window_of(sizes)
    there = model(replace(window, target=5 * window.target + 3))[:, :P]
    here = model(window)[:, :P]
    torch.testing.assert_close(there[..., 0], 5 * here[..., 0] + 3, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(there[..., 1], here[..., 1], rtol=1e-3, atol=1e-3)


def test_samples_do_not_see_each_other():
    model, window = network(KNOWN), window_of(KNOWN, padded=True)
    whole = model(window)
    for i in range(3):
        torch.testing.assert_close(model(rows(window, slice(i, i + 1))), whole[i : i + 1])


def test_it_is_normalised_twice_as_once():
    model, window = network(), window_of()
    scale = 100  # large, so that what the first norm adds to the variance does not count: the second adds 1e-5 of it
    wide = Window(scale * window.target)
    torch.testing.assert_close(Forecaster(model).double().eval()(wide), model(wide), rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shift", [0, 7])
def test_attention_has_a_place_in_the_layout(shift, padded):
    sizes = replace(SIZES, output_shift=shift)
    model, window = network(sizes), window_of(sizes, padded=padded)
    with recording("attention") as record:
        model(window)
    layouts = model.layouts()
    assert list(layouts) == ["language.backbone.h.0", "language.backbone.h.1"] == model.attention_layers()
    maps = [entry.tensors["weights"] for entry in record["attention"]]
    n_rows, n_keys = sum(one.shape[-2] for one in maps) // 2, max(one.shape[-1] for one in maps)
    axes = [axis for layout in layouts.values() for axis in layout.axes]
    assert {len(axis) for axis in axes} == {n_rows} == {n_keys}
    assert axes[0].first[:5] == (-16, -14, -9, -4, 1)
    assert axes[0].last[:5] == (-15, -10, -5, 0, 5)
    for one in maps:
        there = one.sum(-1) if not padded else one[:3].sum(-1)[..., -1:]
        torch.testing.assert_close(there, torch.ones_like(there))
    if padded:
        assert (maps[0].unflatten(0, (3, 3))[2, ..., 3, :2] == 0).all()  # its history begins in the third segment


def test_without_a_language_model_there_is_no_attention():
    model = network(backbone="none")
    assert (model.language, model.attention_layers(), model.layouts()) == (None, [], {})


def test_every_dropout_acts_once_for_each_pass():
    model = network(dropout=0.5, n_hidden_layers=2).train()
    calls = {name: n for name, n in count_dropouts(model).items() if not name.startswith("language.")}
    watched = count_dropouts(model)
    model(window_of())
    assert {name: watched[name] for name in calls} == dict.fromkeys(calls, model.n_passes)
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_length": 0}, "patch_length=0 must be an integer of at least 1"),
        ({"d_hidden": 0}, "d_hidden=0 must be an integer of at least 1"),
        ({"n_hidden_layers": -1}, "n_hidden_layers=-1 must be an integer of at least 0"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"marks": "text"}, "marks='text' must be one of ['given', 'mapped']"),
        (
            {"activation": "sine"},
            "activation='sine' must be one of ['elu', 'gelu', 'relu', 'silu', 'squared_relu', 'tanh']",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
