"""What the causal forecasters share: tokens, covariates, and a series followed row by row."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from darts_tsformers.networks import Aaren, LMUFormer
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, make_window, rows, scatter_

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=3, n_static=2, n_static_rows=3)
TINY = {
    Aaren: {"d_model": 6, "n_heads": 2, "n_encoder_layers": 2, "d_ff": 7},
    LMUFormer: {"d_model": 6, "n_encoder_layers": 2, "d_ff": 7, "d_memory": 2},
}
both = pytest.mark.parametrize("network_class", TINY)
forms = pytest.mark.parametrize(
    "form",
    [{"patch_length": 1}, {"patch_length": 5}, {"patch_length": 5, "channel_independent": False}, {"norm": "batch"}],
    ids=str,
)


def network(network_class, sizes=ALL_COVARIATES, **changes):
    """Draw parameters and running statistics anew, in double precision and evaluation mode."""
    model = scatter_(network_class(sizes, **TINY[network_class] | {"patch_length": 4} | changes)).double().eval()
    for i, part in enumerate(model.modules()):
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.copy_(draw(part.num_features, seed=i))
            part.running_var.copy_(draw(part.num_features, seed=i).exp())
    return model


def a_window(sizes=ALL_COVARIATES, batch=3):
    return make_window(sizes, batch, dtype=torch.float64)


def cut(window, first, end):
    """Take some rows of the look-back."""
    return replace(
        window,
        target=window.target[:, first:end],
        past=window.past[:, first:end],
        historic_future=window.historic_future[:, first:end],
        future=None,
        start=None,
    )


def followed(model, window, begun, end):
    """Begin on some rows and take in the others one by one."""
    state = model.begin(cut(window, *begun))
    for t in range(begun[1], end):
        state = model.advance(state, cut(window, t, t + 1))
    return model.ahead(state, window.future, window.static)


@both
@forms
@pytest.mark.parametrize("known", [1, 2, 12, 16, 17])
def test_row_by_row_equals_one_pass(network_class, form, known):
    model, window = network(network_class, **form), a_window()
    torch.testing.assert_close(followed(model, window, (0, known), 17), model(window), rtol=0, atol=1e-12)


@both
@forms
def test_rows_before_a_history_begins_are_as_if_not_there(network_class, form):
    model, window, starts = network(network_class, **form), a_window(batch=4), (0, 3, 8, 16)
    padded = replace(window, start=torch.tensor(starts))
    whole = model(padded)
    begun = model.begin(padded)
    torch.testing.assert_close(model.ahead(begun, window.future, window.static), whole, rtol=0, atol=1e-12)
    for i, start in enumerate(starts):
        alone = rows(window, slice(i, i + 1))
        of_rows = followed(model, alone, (start, start + 1), 17)
        torch.testing.assert_close(of_rows, whole[i : i + 1], rtol=0, atol=1e-12)
        shorter = replace(cut(alone, start, 17), future=alone.future)
        torch.testing.assert_close(model(shorter), whole[i : i + 1], rtol=0, atol=1e-12)


@both
def test_a_history_goes_on_beyond_the_look_back(network_class):
    longer = replace(ALL_COVARIATES, input_length=41)
    same = {"memory_length": 17, "memory_order": 4} if network_class is LMUFormer else {}
    model, long = network(network_class, **same), network(network_class, longer, **same)
    long.load_state_dict(model.state_dict())
    window = a_window(longer)
    torch.testing.assert_close(followed(model, window, (0, 17), 41), long(window), rtol=0, atol=1e-12)


@both
def test_a_forecast_leaves_the_state_as_it_is(network_class):
    model, window = network(network_class), a_window()
    state = model.begin(cut(window, 0, 16))
    first = model.ahead(state, window.future, window.static)
    torch.testing.assert_close(model.ahead(state, window.future, window.static), first)
    after = model.ahead(model.advance(state, cut(window, 16, 17)), window.future, window.static)
    torch.testing.assert_close(after, model(window), rtol=0, atol=1e-12)


@both
@forms
def test_a_window_is_zero_before_its_first_row(network_class, form):
    """Zeros at the level of the window fill up the first patch."""
    model, window = network(network_class, SIZES, **form), a_window(SIZES)
    longer = F.pad(window.target, (0, 0, -17 % model.body.patch_length, 0))
    torch.testing.assert_close(model(Window(longer)), model(window))


@both
def test_the_spans_of_patches_end_with_the_look_back(network_class):
    axis = network(network_class, patch_length=5).body.axis()
    assert axis.first == (-16, -14, -9, -4)
    assert axis.last == (-15, -10, -5, 0)


@both
@pytest.mark.parametrize("length", [1, 3, 17, 31])
def test_any_look_back_has_a_default_patch(network_class, length):
    sizes = Sizes(length, 3)
    model = network(network_class, sizes, patch_length=None)
    assert model.body.patch_length == min(length, {Aaren: 24, LMUFormer: 8}[network_class])
    assert model(a_window(sizes)).shape == (3, 3, 1, 1)


@both
def test_channels_do_not_see_each_other(network_class):
    model, window = network(network_class), a_window()
    moved = window.target.clone()
    moved[..., 1] += 1
    before, after = model(window), model(replace(window, target=moved))
    torch.testing.assert_close(before[:, :, [0, 2]], after[:, :, [0, 2]])
    assert not torch.allclose(before[:, :, 1], after[:, :, 1])


@both
def test_joint_tokens_mix_channels(network_class):
    model, window = network(network_class, channel_independent=False), a_window()
    moved = window.target.clone()
    moved[..., 1] += 1
    assert not torch.allclose(model(window)[:, :, 0], model(replace(window, target=moved))[:, :, 0])


@both
def test_a_network_built_for_three_components_serves_five(network_class):
    wide = replace(ALL_COVARIATES, n_targets=5, n_static_rows=5)
    model, window = network(network_class), a_window(wide)
    first = replace(window, target=window.target[..., :3], static=window.static[:, :3])
    assert model.width_tie is None
    torch.testing.assert_close(model(window)[:, :, :3], model(first))
    assert network(network_class, channel_independent=False).width_tie == "channel_independent"


@both
@pytest.mark.parametrize("channel_independent", [True, False])
def test_an_untrained_network_with_covariates_is_the_one_without(network_class, channel_independent):
    plain = network(network_class, SIZES, channel_independent=channel_independent)
    wide = network_class(ALL_COVARIATES, **TINY[network_class], patch_length=4, channel_independent=channel_independent)
    missing, unexpected = wide.double().eval().load_state_dict(plain.state_dict(), strict=False)
    window = a_window()
    assert not unexpected
    assert {name.split(".")[1] for name in missing} == {"known", "static", "future"}
    torch.testing.assert_close(wide(window), plain(Window(window.target)))


@both
@pytest.mark.parametrize("channel_independent", [True, False])
@pytest.mark.parametrize("name", ["past", "historic_future", "future", "static"])
def test_a_network_listens_to_every_covariate(network_class, name, channel_independent):
    model, window = network(network_class, channel_independent=channel_independent), a_window()
    moved = replace(window, **{name: getattr(window, name) + 1})
    assert not torch.allclose(model(window), model(moved))


@both
def test_one_row_of_static_covariates_serves_all_components(network_class):
    model, window = network(network_class), a_window()
    shared, repeated = (
        replace(window, static=one) for one in (window.static[:, :1], window.static[:, :1].expand(-1, 3, -1))
    )
    torch.testing.assert_close(model(shared), model(repeated))


@both
@forms
def test_every_parameter_learns(network_class, form):
    model = network(network_class, **form)
    out = model(a_window())
    (out * draw(*out.shape, seed=9, dtype=torch.float64)).sum().backward()
    assert [name for name, p in model.named_parameters() if not p.grad.any()] == []


@both
@pytest.mark.parametrize("channel_independent", [True, False])
def test_each_parameter_of_a_likelihood_has_its_own_rows_of_the_head(network_class, channel_independent):
    point, wide = (
        network(network_class, replace(SIZES, n_parameters=q), channel_independent=channel_independent) for q in (1, 3)
    )
    window = a_window(SIZES)
    whole, head = wide(window), wide.body.head
    body = {name: weight for name, weight in wide.state_dict().items() if not name.startswith("body.head.")}
    for q in range(3):
        point.load_state_dict(body | {"body.head.weight": head.weight[q::3], "body.head.bias": head.bias[q::3]})
        torch.testing.assert_close(point(window), whole[..., q : q + 1])


@both
def test_a_batch_of_one_is_enough_in_evaluation(network_class):
    model, window = network(network_class), a_window()
    torch.testing.assert_close(model(window)[1:2], model(rows(window, slice(1, 2))))


@both
def test_bfloat16_is_kept_and_accurate(network_class):
    model, window = network(network_class), a_window()
    expected = model(window)
    narrow = Window(**{name: None if t is None else t.to(torch.bfloat16) for name, t in vars(window).items()})
    out = model.to(torch.bfloat16)(narrow)
    assert out.dtype == torch.bfloat16
    assert (out.double() - expected).norm() < 5e-2 * expected.norm()


@both
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_length": 18}, "patch_length=18 must be at most input_chunk_length=17"),
        ({"patch_length": 0}, "patch_length=0 must be an integer of at least 1"),
        ({"channel_independent": 1}, "channel_independent=1 must be True or False"),
        ({"d_model": 0}, "d_model=0 must be an integer of at least 1"),
        ({"n_encoder_layers": 0}, "n_encoder_layers=0 must be an integer of at least 1"),
        ({"d_ff": 0}, "d_ff=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"norm": "rms"}, "norm='rms' must be one of ['batch', 'layer']"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
@pytest.mark.usefixtures("unchecked")
def test_a_bad_hyper_parameter_is_refused_by_name(network_class, changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(network_class, **changes)
