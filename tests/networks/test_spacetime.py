from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from darts_tsformers.networks import SpaceTime
from darts_tsformers.networks._states import tiled
from darts_tsformers.recording import recording
from darts_tsformers.recurrence import companion_kernel
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=3, n_static=2, n_static_rows=3)
TINY = {"d_model": 8, "d_state": 3, "max_window": 7}
F64 = torch.float64
forms = pytest.mark.parametrize(
    "form",
    [
        {},
        {"n_encoder_layers": 2, "n_kernels": 4},
        {"channel_independent": False, "embedding": "linear"},
        {"embedding": "linear", "n_kernels": 8},
    ],
    ids=str,
)


def network(sizes=ALL_COVARIATES, **changes):
    return scatter_(SpaceTime(sizes, **TINY | changes)).double().eval()


def a_window(sizes=ALL_COVARIATES, batch=3):
    return make_window(sizes, batch, dtype=F64)


def cut(window, first, end):
    """Take some rows of the look-back."""
    given = {name: None if x is None else x[:, first:end] for name, x in vars(window).items() if name in ROWS}
    return replace(window, **given, future=None, start=None)


ROWS = ("target", "past", "historic_future")


def followed(model, window, begun, end):
    """Begin on some rows and take in the others one by one."""
    state = model.begin(cut(window, *begun))
    for t in range(begun[1], end):
        state = model.advance(state, cut(window, t, t + 1))
    return model.ahead(state, window.future, window.static)


def by_hand(model, window):
    """Forecast component by component: what is known of a step goes in before it."""
    shift, whole = model.sizes.output_shift, []
    for c in range(window.target.shape[-1]):
        u = model.embedding(window.target[..., c : c + 1]) + model.past(window.past)
        for block in model.blocks:
            u = block(u)
        gap = [window.future[:, :1]] * shift
        future = torch.cat([window.historic_future, *gap, window.future], dim=1)
        known = model.future(future) + model.static(window.static[:, c])[:, None]
        vectors, before = model.decoder.ssm.channels(), torch.zeros_like(u[:, 0])
        x, read = u.new_zeros(*before.shape, vectors["a"].shape[-1]), []
        for t in range(known.shape[1]):
            moved = F.pad(x[..., :-1], (1, 0)) + vectors["a"] * x[..., -1:]
            x = moved + vectors["b"] * (before + known[:, t])[..., None]
            read.append((vectors["c"] * x).sum(-1))
            before = u[:, t] if t < u.shape[1] else (vectors["k"] * x).sum(-1)
        values = model.decoder.project(F.gelu(torch.stack(read, dim=1)))
        whole.append(values)
    return torch.stack(whole, dim=2), u


@pytest.mark.parametrize("shift", [0, 4])
def test_equals_its_definition(shift):
    sizes = replace(ALL_COVARIATES, output_shift=shift)
    model, window = network(sizes, n_encoder_layers=2), a_window(sizes)
    torch.testing.assert_close(model(window), by_hand(model, window)[0][:, -5:])


@pytest.mark.parametrize("shift", [0, 4])
def test_the_lessons_are_every_step_and_the_next_inputs(shift):
    sizes = replace(ALL_COVARIATES, n_targets=1, n_static_rows=1, output_shift=shift)
    model, window = network(sizes, open_loop_weight=0.5, next_input_weight=3), a_window(sizes)
    training, (whole, u) = model.learn(window), by_hand(model, window)
    torch.testing.assert_close(training.forecast, whole[:, -5:])
    (lesson,) = training.lessons
    assert (lesson.name, lesson.weight) == ("open_loop", 0.5)
    assert lesson.steps.tolist() == list(range(3, 17 if shift else 18))
    torch.testing.assert_close(lesson.forecast, whole[:, lesson.steps])
    known = model.future(window.historic_future) + model.static(window.static)
    inputs = model.decoder.ssm.next_inputs(F.pad(u[:, :-1], (0, 0, 1, 0)) + known)[:, 3:]
    share = ((inputs - u[:, 3:]).square().sum((1, 2)) / u[:, 3:].square().sum((1, 2))).mean()
    torch.testing.assert_close(training.penalties, {"next_input": 3 * share})


def test_steps_that_are_not_there_are_no_lesson():
    model, window = network(SIZES), a_window(SIZES, batch=1)
    padded = Window(F.pad(window.target[:, 8:], (0, 0, 8, 0)), start=torch.tensor([8]))
    shorter = Window(window.target[:, 8:])
    ours, theirs = model.learn(padded), model.learn(shorter)
    torch.testing.assert_close(ours.lessons[0].forecast[:, 8:], theirs.lessons[0].forecast)
    whole = network(SIZES, d_state=11)  # no lesson begins before the history does
    padded = Window(F.pad(window.target[:, 8:], (0, 0, 8, 0)), start=torch.tensor([8]))
    u = whole._encoded(shorter, None)
    inputs = whole.decoder.ssm.next_inputs(F.pad(u[:, :-1], (0, 0, 1, 0)))
    share = ((inputs - u).square().sum((1, 2)) / u.square().sum((1, 2))).mean()
    torch.testing.assert_close(whole.learn(padded).penalties["next_input"], share)


@pytest.mark.parametrize(("length", "d_state", "shift", "steps"), [
    (1, 7, 0, [1]), (1, 7, 2, []), (2, 7, 0, [1, 2]), (9, 7, 0, [4, 5, 6, 7, 8, 9]), (17, 7, 0, list(range(7, 18))),
])  # fmt: skip
def test_short_look_backs_begin_in_their_middle(length, d_state, shift, steps):
    sizes = Sizes(length, 3, shift)
    training = network(sizes, d_state=d_state, max_window=None).learn(a_window(sizes))
    assert [step for lesson in training.lessons for step in lesson.steps.tolist()] == steps
    assert ("next_input" in training.penalties) == (length > 1)
    assert training.forecast.isfinite().all()


def test_a_lesson_without_weight_is_left_out():
    training = network(SIZES, open_loop_weight=0, next_input_weight=0).learn(a_window(SIZES))
    assert (list(training.lessons), training.penalties) == ([], {})


@forms
@pytest.mark.parametrize("known", [1, 2, 12, 16, 17])
def test_row_by_row_equals_one_pass(form, known):
    model, window = network(**form), a_window()
    torch.testing.assert_close(followed(model, window, (0, known), 17), model(window), rtol=0, atol=1e-11)


@forms
@pytest.mark.parametrize("shift", [0, 2])
def test_rows_before_a_history_begins_are_as_if_not_there(form, shift):
    sizes, starts = replace(ALL_COVARIATES, output_shift=shift), (0, 3, 8, 16)
    model, window = network(sizes, **form), a_window(sizes, batch=4)
    padded = replace(window, start=torch.tensor(starts))
    whole = model(padded)
    torch.testing.assert_close(model.ahead(model.begin(padded), window.future, window.static), whole)
    for i, start in enumerate(starts):
        alone = rows(window, slice(i, i + 1))
        of_rows = followed(model, alone, (start, start + 1), 17)
        torch.testing.assert_close(of_rows, whole[i : i + 1], rtol=0, atol=1e-11)
        shorter = replace(cut(alone, start, 17), future=alone.future)
        torch.testing.assert_close(model(shorter), whole[i : i + 1], rtol=0, atol=1e-11)


def test_a_stream_equals_the_whole_over_many_rows():
    longer = replace(SIZES, input_length=517)
    model, window = network(d_state=16).float(), make_window(longer)
    model = network(longer, d_state=16).float()
    ours, whole = followed(model, window, (0, 17), 517), model(window)
    assert (ours - whole).abs().max() < 1e-5 * whole.abs().max()


def test_what_is_kept_does_not_grow_and_can_be_copied():
    model, window = network(), a_window(batch=1)
    state = model.begin(cut(window, 0, 3))
    sizes = [len(tensors(state)), sum(x.numel() for x in tensors(state))]
    for t in range(3, 17):
        state = model.advance(state, cut(window, t, t + 1))
    assert [len(tensors(state)), sum(x.numel() for x in tensors(state))] == sizes
    many = model.ahead(tiled(state, 2), window.future.repeat(2, 1, 1), window.static.repeat(2, 1, 1))
    torch.testing.assert_close(many, model(window).repeat(2, 1, 1, 1))


def tensors(state):
    if isinstance(state, torch.Tensor):
        return [state]
    return [x for part in state for x in tensors(part)] if isinstance(state, tuple) else []


def test_a_forecast_leaves_the_state_as_it_is():
    model, window = network(), a_window()
    state = model.begin(cut(window, 0, 16))
    first = model.ahead(state, window.future, window.static)
    torch.testing.assert_close(model.ahead(state, window.future, window.static), first)
    after = model.ahead(model.advance(state, cut(window, 16, 17)), window.future, window.static)
    torch.testing.assert_close(after, model(window), rtol=0, atol=1e-11)


@forms
def test_an_untrained_network_with_covariates_is_the_one_without(form):
    plain, wide = network(SIZES, **form), SpaceTime(ALL_COVARIATES, **TINY | form).double().eval()
    missing, unexpected = wide.load_state_dict(plain.state_dict(), strict=False)
    window = a_window()
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"past", "future", "static"}
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


@forms
@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_network_listens_to_every_covariate(form, name):
    model, window = network(**form), a_window()
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


def test_a_step_of_the_horizon_moves_itself_and_those_after_it():
    model, window = network(), a_window()
    moved = replace(window, future=torch.cat([window.future[:, :2], window.future[:, 2:] + 1], dim=1))
    before, after = model(window), model(moved)
    torch.testing.assert_close(before[:, :2], after[:, :2], rtol=0, atol=1e-12)
    assert ((before - after)[:, 2:].abs() > 1e-6).all()


def test_channels_do_not_see_each_other_unless_they_are_joined():
    for joint in (False, True):
        model, window = network(channel_independent=not joint, embedding="linear"), a_window()
        moved = window.target.clone()
        moved[..., 1] += draw(17, dtype=F64)
        before, after = model(window), model(replace(window, target=moved))
        assert torch.allclose(before[:, :, 0], after[:, :, 0]) != joint
        assert not torch.allclose(before[:, :, 1], after[:, :, 1])
        assert model.width_tie == ("channel_independent" if joint else None)


def test_joined_values_are_repeated_where_they_fit():
    sizes = replace(SIZES, n_targets=2)
    assert network(sizes, channel_independent=False)(a_window(sizes)).shape == (3, 5, 2, 1)
    with pytest.raises(ValueError, match=exactly("d_model=8 must be a multiple of the 3 values that are repeated")):
        network(SIZES, channel_independent=False)


def test_a_network_built_for_three_components_serves_five():
    wide = replace(ALL_COVARIATES, n_targets=5, n_static_rows=5)
    model, window = network(), a_window(wide)
    first = replace(window, target=window.target[..., :3], static=window.static[:, :3])
    torch.testing.assert_close(model(window)[:, :, :3], model(first))


def test_one_row_of_static_covariates_serves_all_components():
    model, window = network(), a_window()
    shared = replace(window, static=window.static[:, :1])
    repeated = replace(window, static=window.static[:, :1].expand(-1, 3, -1))
    torch.testing.assert_close(model(shared), model(repeated))


@forms
def test_every_parameter_learns(form):
    model = network(**form)
    out = model(a_window())
    (out * draw(*out.shape, seed=9, dtype=F64)).sum().backward()
    assert [name for name, p in model.named_parameters() if not p.grad.any()] == []


@pytest.mark.parametrize("channel_independent", [True, False])
def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head(channel_independent):
    form = {"channel_independent": channel_independent, "embedding": "linear"}
    point, wide, window = network(SIZES, **form), network(replace(SIZES, n_parameters=3), **form), a_window(SIZES)
    whole, head = wide(window), wide.decoder.project
    body = {name: w for name, w in wide.state_dict().items() if not name.startswith("decoder.project.")}
    for q in range(3):
        own = {"decoder.project.weight": head.weight[q::3], "decoder.project.bias": head.bias[q::3]}
        point.load_state_dict(body | own)
        torch.testing.assert_close(point(window), whole[..., q : q + 1])


def test_gradients_equal_finite_differences():
    sizes = Sizes(7, 2, n_targets=2)
    model, x = network(sizes), draw(1, 7, 2, dtype=F64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_a_sample_does_not_depend_on_its_batch_mates():
    model, window = network(), a_window()
    torch.testing.assert_close(model(window)[1:2], model(rows(window, slice(1, 2))))


def test_bfloat16_is_kept_and_accurate():
    model, window = network(), a_window()
    expected = model(window)
    narrow = Window(**{name: None if t is None else t.to(torch.bfloat16) for name, t in vars(window).items()})
    out = model.to(torch.bfloat16)(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.double() - expected).norm() < 5e-2 * expected.norm()


def test_later_blocks_keep_the_size_of_what_they_are_given():
    torch.manual_seed(0)
    sizes = Sizes(128, 3)
    model = SpaceTime(sizes, d_model=32, n_encoder_layers=4).eval()
    x = draw(5, 128, 1).cumsum(dim=1)
    u, sizes_of = model._embedded(Window(x - x.mean(dim=1, keepdim=True))), []
    for block in model.blocks:
        u = block(u)
        sizes_of.append(u.std().item())
    assert max(sizes_of) < 8 * sizes_of[0]


def test_impulse_responses_and_waves_are_recorded():
    model, window = network(n_encoder_layers=2), a_window()
    with recording("responses", "modes") as record:
        model(window)
    ssms = [model.blocks[0].ssm, model.blocks[1].ssm, model.decoder.ssm]
    assert [entry.module for entry in record["responses"]] == ssms
    for ssm, entry in zip(ssms, record["responses"], strict=True):
        vectors = ssm.vectors()
        kernel = companion_kernel(vectors["a"], vectors["b"], vectors["c"], 17)
        torch.testing.assert_close(entry.tensors["response"], kernel.expand(3, -1, -1))
    (modes,) = record["modes"]
    assert modes.module is model.decoder
    assert modes.tensors["period"].shape == modes.tensors["weight"].shape == (9, 17)


def test_dropouts_act_in_each_block_and_before_the_forecast():
    model = network(dropout=0.5, n_encoder_layers=2)
    calls = count_dropouts(model)
    model(a_window())
    assert calls == {"blocks.0.dropout": 1, "blocks.1.dropout": 1, "decoder.dropout": 1}


@pytest.mark.parametrize(("length", "longest"), [(1, 4), (29, 29), (336, 63)])
def test_moving_averages_are_no_longer_than_the_look_back(length, longest):
    model = network(Sizes(length, 3), max_window=None)
    assert model.blocks[0].preprocessing.n_lags == longest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 12}, "d_model=12 must be a multiple of 8"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"d_state": 0}, "d_state=0 must be an integer of at least 1"),
        ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"n_kernels": 3}, "n_kernels=3 must divide d_model=8"),
        ({"max_window": 3}, "max_window=3 must be an integer of at least 4"),
        ({"embedding": "table"}, "embedding='table' must be one of ['linear', 'repeat']"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"norm_order": -1}, "norm_order=-1 must be an integer of at least 0"),
        ({"channel_independent": 1}, "channel_independent=1 must be True or False"),
        ({"open_loop_weight": -1.0}, "open_loop_weight=-1.0 must be a finite number of at least 0"),
        ({"next_input_weight": float("inf")}, "next_input_weight=inf must be a finite number of at least 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
