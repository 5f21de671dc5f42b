"""Time-MoE against roll-outs that read everything anew, and lessons made one by one."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from darts_tsformers.layers.experts.balance import load_balance
from darts_tsformers.networks import Forecaster, TimeMoE
from darts_tsformers.networks._horizon_heads import reach_of, schedule
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import count_dropouts, draw, exactly, make_window, rows, scatter_

LENGTHS = (2, 5)
SIZES = Sizes(7, 13, n_targets=3)
TINY = {
    "horizon_lengths": LENGTHS, "d_model": 12, "n_heads": 3, "n_kv_heads": 1, "n_decoder_layers": 2, "d_ff": 10,
    "n_experts": 3,
}  # fmt: skip


def network(sizes: Sizes = SIZES, **changes) -> TimeMoE:
    return scatter_(TimeMoE(sizes, **TINY | changes))


def window_of(sizes: Sizes = SIZES, *, padded: bool = False, **options) -> Window:
    window = make_window(sizes, dtype=torch.float64, **options)
    following = draw(3, sizes.output_length, sizes.n_targets, seed=5, dtype=torch.float64)
    return replace(window, future_target=following, start=torch.tensor([0, 3, 6]) if padded else None)


def read_anew(model: TimeMoE, window: Window) -> Tensor:
    """Forecast component by component, and read all of it again for each part."""
    batch, _, n_targets = window.target.shape
    out = torch.empty(batch, model.sizes.output_shift + model.sizes.output_length, n_targets, dtype=torch.float64)
    for i in range(batch):
        first = 0 if window.start is None else int(window.start[i])
        for c in range(n_targets):
            series, n = window.target[i, first:, c].tolist(), 0
            while n < out.shape[1]:
                left = out.shape[1] - n
                length = max((length for length in LENGTHS if length <= left), default=LENGTHS[0])
                states = model.decoder(torch.tensor([series], dtype=torch.float64)).states
                part = model.decoder.ahead(states[:, -1:], LENGTHS.index(length))[0, 0, :left, 0]
                out[i, n : n + length, c] = part
                series, n = series + part.tolist(), n + length
    return out[:, model.sizes.output_shift :, :, None]


def test_the_longest_head_that_fits_comes_first():
    assert schedule([1, 8, 32, 64], 40) == [(2, 32), (1, 8)]
    assert schedule([2, 6, 16], 40) == [(2, 16), (2, 16), (1, 6), (0, 2)]
    assert schedule([2, 6, 16], 1) == [(0, 1)]
    assert [length for _, length in schedule([1, 4], 7)] == [4, 1, 1, 1]


@pytest.mark.parametrize("shift", [0, 2])
@pytest.mark.parametrize("length", [1, 3, 20])
def test_a_head_reaches_what_is_known(length, shift):
    sizes = Sizes(5, 4, output_shift=shift)
    between = set(range(5, 5 + shift))
    expected = []
    for at in range(5 + shift + 4):
        for ahead in range(length):
            of = at + 1 + ahead
            if of < 5 + shift + 4 and not between & {at, of}:
                expected.append((at, ahead, of if of < 5 else of - shift))
    assert [tuple(one) for one in torch.stack(reach_of(length, sizes)).T.tolist()] == expected


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(("horizon", "shift"), [(13, 0), (1, 0), (3, 4)])
def test_a_forecast_is_the_one_that_reads_all_anew(horizon, shift, padded):
    sizes = replace(SIZES, output_length=horizon, output_shift=shift)
    model, window = network(sizes).double().eval(), window_of(sizes, padded=padded)
    torch.testing.assert_close(model(window), read_anew(model, window), rtol=1e-9, atol=1e-9)


def test_in_single_precision_too():
    model, window = network().eval(), window_of(padded=True)
    single = replace(window, target=window.target.float())
    torch.testing.assert_close(model(single).double(), model.double()(window), rtol=1e-5, atol=1e-5)


def test_without_experts():
    model, window = network(dense=True).double().eval(), window_of()
    torch.testing.assert_close(model(window), read_anew(model, window), rtol=1e-9, atol=1e-9)
    assert model.learn(window).penalties == {}


def test_padding_is_as_if_it_were_not_there():
    window = replace(window_of(), start=torch.full((3,), 4))
    model, short = network().double().eval(), network(replace(SIZES, input_length=3)).double().eval()
    short.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(window), short(Window(window.target[:, 4:])))


def test_it_feeds_on_what_it_is_given():
    model, window = network().double().eval(), window_of()
    fed = []

    def feed(part):
        fed.append(part)
        return torch.full_like(part[..., 0], 0.5)

    out = model(window, feed)
    assert [one.shape[1] for one in fed] == [5, 5, 2, 1]
    longer = network(Sizes(12, 8, n_targets=3)).double().eval()
    longer.load_state_dict(model.state_dict())
    seen = torch.cat([window.target, torch.full((3, 5, 3), 0.5, dtype=torch.float64)], dim=1)
    torch.testing.assert_close(out[:, 5:10], longer(Window(seen))[:, :5])


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("shift", [0, 2])
def test_each_lesson_is_a_forecast_of_what_was_seen_so_far(padded, shift):
    sizes = replace(SIZES, output_length=3, output_shift=shift)
    model, window = network(sizes).double().eval(), window_of(sizes, padded=padded)
    between = window.target[:, -1:].expand(-1, shift, -1)
    series = torch.cat([window.target, between, window.future_target], dim=1)
    training = model.learn(window)
    assert training.forecast is None
    for head, (length, lesson) in enumerate(zip(LENGTHS, training.lessons, strict=True)):
        assert (lesson.name, lesson.weight) == (f"head_{length}", 0.5)
        reach = reach_of(length, sizes)
        for i, (at, ahead, step) in enumerate(torch.stack(reach).T.tolist()):
            for b in range(3):
                first = 0 if window.start is None else int(window.start[b])
                if at < first:
                    assert (lesson.steps[b, i] == 0).all()
                    continue
                assert (lesson.steps[b, i] if padded else lesson.steps[i] == step).all()
                states = model.decoder(series[b, first : at + 1].T).states
                expected = model.decoder.ahead(states[:, -1:], head)[:, 0, ahead]
                torch.testing.assert_close(lesson.forecast[b, i], expected)


def test_the_last_of_a_lesson_is_the_forecast():
    sizes = replace(SIZES, output_length=5)
    model, window = network(sizes).double().eval(), window_of(sizes)
    lesson = model.learn(window).lessons[1]
    torch.testing.assert_close(lesson.forecast[:, reach_of(5, sizes).at == 6], model(window))


def test_the_penalty_is_on_all_tokens_but_padding():
    model, window = network(balance=0.3).double().eval(), window_of(padded=True)
    series = torch.cat([window.target, window.future_target], dim=1)[:, :-1]
    logits: list[list[Tensor]] = [[], []]
    for b, first in enumerate(window.start.tolist()):
        for layer, one in enumerate(model.decoder(series[b, first:].T).logits):
            logits[layer].append(one.flatten(0, 1))
    expected = 0.3 * load_balance([torch.cat(one) for one in logits], 2)
    torch.testing.assert_close(model.learn(window).penalties["balance"], expected)


COVARIATES = replace(SIZES, n_past=2, n_future=1, n_static=2)


def test_covariates_say_nothing_at_the_start():
    model, window = TimeMoE(COVARIATES, **TINY).double().eval(), window_of(COVARIATES)
    plain = replace(window, past=window.past + 1, future=window.future + 1, static=window.static + 1)
    torch.testing.assert_close(model(window), model(plain), rtol=0, atol=0)


@pytest.mark.parametrize("shift", [0, 2])
def test_what_covariates_say_is_read_on_and_learnt(shift):
    sizes = replace(COVARIATES, output_length=4, output_shift=shift)
    model, window = network(sizes).double().eval(), window_of(sizes)
    added, plain = model.covariates(window), network(sizes)
    plain.load_state_dict(model.state_dict())
    plain.covariates = None
    plain = plain.double().eval()
    fed = []
    model(window, lambda part: fed.append(part) or part[..., 0])
    (part, *_), (length, *_) = fed, [length for _, length in model.parts]
    bare = plain.decoder.ahead(plain.decoder(window.target.mT.flatten(0, 1)).states[:, -1:], model.parts[0][0])
    bare = bare[:, 0, :length].unflatten(0, (3, 3)).transpose(1, 2)
    n = max(0, length - shift)
    torch.testing.assert_close(part[:, shift:], bare[:, shift:] + added[:, :n])
    torch.testing.assert_close(part[:, :shift], bare[:, :shift])
    for ours, theirs, length in zip(model.learn(window).lessons, plain.learn(window).lessons, LENGTHS, strict=True):
        step = reach_of(length, sizes).step
        in_horizon = step >= sizes.input_length
        torch.testing.assert_close(ours.forecast[:, ~in_horizon], theirs.forecast[:, ~in_horizon])
        more = added[:, step[in_horizon] - sizes.input_length]
        torch.testing.assert_close(ours.forecast[:, in_horizon], theirs.forecast[:, in_horizon] + more)


def test_likelihood_parameters_come_side_by_side():
    sizes = replace(SIZES, n_parameters=2)
    model, window = network(sizes).double().eval(), window_of(sizes)
    out = model(window)
    assert out.shape == (3, 13, 3, 2)
    first = network().double().eval()
    state = {name: w[::2] if "heads" in name else w for name, w in model.state_dict().items()}
    first.load_state_dict(state)
    torch.testing.assert_close(out[..., :1], first(window))


def test_samples_do_not_see_each_other():
    model, window = network().double().eval(), window_of(padded=True)
    whole = model(window)
    for i in range(3):
        torch.testing.assert_close(model(rows(window, slice(i, i + 1))), whole[i : i + 1])


def test_windows_are_seen_at_their_own_unbiased_spread():
    model, window = network().double().eval(), window_of()
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0].target))
    forecast = Forecaster(model).double().eval()(Window(window.target))
    level, spread = window.target.mean(1, keepdim=True), window.target.std(1, keepdim=True)
    torch.testing.assert_close(seen[0], (window.target - level) / spread)
    torch.testing.assert_close(forecast[..., 0], model(Window(seen[0]))[..., 0] * spread + level)
    assert Forecaster(model).double()(Window(torch.full((1, 7, 3), 4.0).double())).isfinite().all()


@pytest.mark.parametrize("shift", [0, 3])
def test_what_is_recorded_has_a_place_in_the_layout(shift):
    sizes = replace(SIZES, output_shift=shift)
    model, window = network(sizes).double().eval(), window_of(sizes)
    with recording("attention", "routing") as record:
        model(window)
    layouts = model.layouts()
    assert set(layouts) == {f"decoder.layers.{i}.{part}" for i in range(2) for part in ("attention", "feed_forward")}
    n_read = sum(entry.tensors["weights"].shape[-2] for entry in record["attention"]) // 2
    n_routed = sum(entry.tensors["weights"].shape[1] for entry in record["routing"]) // 2
    assert {len(axis) for layout in layouts.values() for axis in layout.axes} == {n_read} == {n_routed}
    axis = layouts["decoder.layers.0.attention"].axes[0]
    assert (axis.first[0], axis.last[-1]) == (-6, sum(length for _, length in model.parts[:-1]))


def test_gradients_equal_finite_differences():
    sizes = Sizes(4, 3)
    model = network(sizes, d_model=6, n_decoder_layers=1, n_heads=3).double().eval()
    x = draw(1, 4, 1, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda target: model(Window(target)), x)


def test_every_dropout_acts_once_for_each_part():
    model = network(dropout=0.5)
    calls = count_dropouts(model)
    model(make_window(SIZES))
    assert calls == dict.fromkeys(calls, len(model.parts))
    assert len(calls) == 1 + 2 * 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"horizon_lengths": ()}, "horizon_lengths=() must be lengths that increase"),
        ({"horizon_lengths": (4, 4)}, "horizon_lengths=(4, 4) must be lengths that increase"),
        ({"horizon_lengths": (8, 1)}, "horizon_lengths=(8, 1) must be lengths that increase"),
        ({"horizon_lengths": (0, 1)}, "horizon_lengths=0 must be an integer of at least 1"),
        ({"max_positions": 6}, "max_positions=6 must be at least input_chunk_length=7"),
        ({"balance": -1.0}, "balance=-1.0 must not be negative"),
        ({"n_heads": 5}, "n_heads=5 must divide d_model=12 into heads of even width"),
        ({"n_heads": 0}, "n_heads=0 must be an integer of at least 1"),
        ({"n_decoder_layers": 0}, "n_decoder_layers=0 must be an integer of at least 1"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"n_experts_per_token": 4}, "n_experts_per_token=4 must be at most n_experts=3"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_hyper_parameter_is_refused_by_name(changes, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**changes)
