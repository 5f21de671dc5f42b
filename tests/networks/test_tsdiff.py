from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from darts_tsformers.diffusion import distance
from darts_tsformers.networks import Forecaster, Noise, TSDiff
from darts_tsformers.networks._paths import drawn_paths
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes, Window
from tests.helpers import draw, exactly, make_window, scatter_
from tests.networks.diffusions import noise_for, with_future

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2)
TINY = {"d_model": 6, "d_state": 4, "n_layers": 2, "n_diffusion_steps": 13, "n_sampling_steps": 3, "n_paths": 7}
FORMS = {
    "guided": {},
    "lags": {"lags": [2, 7], "eta": 0.5},
    "ddpm": {"sampler": "ddpm", "guidance": "squared", "guidance_scale": 0.2},
    "conditional": {"conditional": True, "lags": [3], "spacing": "quadratic"},
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def network(sizes: Sizes = SIZES, **kwargs) -> TSDiff:
    torch.manual_seed(0)
    model = TSDiff(sizes, **TINY | kwargs)
    for block in model.denoiser.blocks:
        if block.features is not None:
            torch.nn.init.normal_(block.features.weight)
    return model.eval()


@pytest.mark.parametrize(("lags", "shift"), [([], 0), ([2, 7], 0), ([2, 7], 3), ([6, 16], 4)])
def test_each_channel_holds_the_value_of_its_lag(lags, shift):
    model = network(replace(SIZES, output_shift=shift), lags=lags)
    times = [*range(17), *range(17 + shift, 22 + shift)]
    context = times[max(lags, default=0) :]
    for row, time in enumerate(context):
        for channel, lag in enumerate([0, *lags]):
            wanted = time - lag
            expected = times.index(wanted) if wanted in times else 16
            assert model.sources[row, channel] == expected


@every_form
@pytest.mark.parametrize("training", [True, False])
def test_it_learns_noise_of_what_really_happened(form, training):
    """Its forecast is what happened plus the error of its guess, of the steps that it says it is of."""
    model = network(ALL_COVARIATES, **form).train(training)
    window = with_future(make_window(ALL_COVARIATES))
    for parameter in model.denoiser.project_out[-1].parameters():
        torch.nn.init.zeros_(parameter)
    training = model.learn(window)
    (lesson,) = training.lessons
    assert training.forecast is None
    whole = torch.cat([window.target, window.future_target], dim=1)
    noise = lesson.of(whole) - lesson.forecast[..., 0]
    noise = noise.detach()
    assert abs(float(noise.mean())) < 0.3
    assert 0.7 < float(noise.std()) < 1.3
    learnt = set(lesson.steps.tolist())
    assert learnt == (set(range(17, 22)) if model.conditional else set(range(22)))


def test_the_first_steps_of_a_look_back_guide_through_lags_alone():
    window = make_window(SIZES)
    model = network(lags=[7])
    moved = window.target.clone()
    moved[:, :7] += 3
    assert (model(Window(moved)) - model(window)).abs().max() > 1e-4
    assert model.sources.shape == (15, 2)


@every_form
def test_paths_are_batched_and_each_is_the_one_drawn_alone(form):
    model, window = network(**form), make_window(SIZES)
    together = drawn_paths(model.sample, window, 7, rows=1000)
    one_by_one = drawn_paths(model.sample, window, 7, rows=1)
    torch.testing.assert_close(together, one_by_one, rtol=1e-4, atol=1e-4)
    expected = torch.from_numpy(np.median(together.numpy(), axis=0))
    torch.testing.assert_close(model(window)[..., 0], expected, rtol=1e-4, atol=1e-4)


def test_paths_of_higher_levels_are_pulled_higher():
    model, window = network(guidance_scale=8.0), Window(torch.zeros(1, 17, 1))
    for part in model.denoiser.project_out[-1].parameters():
        torch.nn.init.zeros_(part)
    low, high = (drawn_context(model, window, number) for number in (0, 98))
    assert low.mean() < high.mean() - 0.1


def drawn_context(model: TSDiff, window: Window, number: int) -> Tensor:
    """Return the look-back that one of 99 paths ends with, all starting from the same noise."""
    found = []
    horizon, model._horizon = model._horizon, lambda x, window: found.append(x[:, :17]) or horizon(x, window)
    model.sample(window, Noise(range(number, number + 1), n_paths=99, seed=0, windows=window.target))
    model._horizon = horizon
    return found[0]


def test_a_conditional_form_is_not_guided():
    window = make_window(SIZES)
    weak, strong = (network(conditional=True, guidance_scale=scale)(window) for scale in (0.0, 50.0))
    assert torch.equal(weak, strong)
    weak, strong = (network(guidance_scale=scale)(window) for scale in (0.0, 5.0))
    assert not torch.isclose(weak, strong).all()


@pytest.mark.parametrize("conditional", [False, True])
def test_nothing_is_left_of_gradients_and_inference_mode_is_no_obstacle(conditional):
    model, window = network(ALL_COVARIATES, conditional=conditional), make_window(ALL_COVARIATES)
    expected = model(window)
    assert not expected.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(model(make_window(ALL_COVARIATES)), expected)


@pytest.mark.parametrize("kind", ["past", "historic_future", "future", "static"])
@every_form
def test_each_covariate_matters(form, kind):
    model, window = network(ALL_COVARIATES, **form), make_window(ALL_COVARIATES)
    moved = replace(window, **{kind: getattr(window, kind) + 1})
    assert (model(moved) - model(window)).abs().max() > 1e-4


@pytest.mark.parametrize("guidance", ["quantile", "squared"])
def test_refinement_is_what_its_equation_says(guidance):
    model = scatter_(network(guidance=guidance, lags=[2], guidance_scale=2.0)).double()
    window = make_window(SIZES, dtype=torch.float64)
    missing = draw(3, 17, 3) > 0.5
    window, base = replace(window, missing=missing), draw(3, 5, 3, seed=5, dtype=torch.float64)
    noise = noise_for(window)
    found = model.refine(window, base, noise, step=4, n_iterations=2, rate=0.05, noise_scale=0.0)
    whole, again = torch.cat([window.target, base], dim=1), noise_for(window)
    for b in range(3):
        for c in range(3):
            start = whole[b, :, c][model.sources]
            seen = torch.cat([~missing[b, :, c], torch.zeros(5, dtype=torch.bool)])[model.sources]
            y, again = start, noise_for(window)
            for _ in range(2):
                put_on, y = again(20, 3, 2)[b, :, c].double(), y.detach().requires_grad_()
                kept = model.schedule.kept[4]
                guess = model.denoiser((kept.sqrt() * y + (1 - kept).sqrt() * put_on)[None], torch.tensor([4]))[0]
                level = torch.tensor(0.5, dtype=torch.float64) if guidance == "quantile" else None
                tied = distance(y, start, level)
                tie = tied.sum() if guidance == "quantile" else tied[seen].sum()
                (gradient,) = torch.autograd.grad((put_on - guess).square().sum() + tie, y)
                y = y - 0.05 * gradient
            torch.testing.assert_close(found[b, :, c], y[-5:, 0].detach())


def test_what_pulled_and_how_far_paths_spread_is_recorded():
    model, window = network(lags=[2]), make_window(SIZES)
    with recording("guidance", "spread") as found:
        model(window)
    (pull,), (spread,) = found["guidance"], found["spread"]
    assert pull.module is model.denoiser
    assert pull.tensors["pull"].shape == (3, 17, 3)
    assert (pull.tensors["pull"] > 0).all()
    paths = drawn_paths(model.sample, window, 7)
    torch.testing.assert_close(spread.tensors["deviation"], paths.std(dim=0, correction=0), rtol=1e-4, atol=1e-4)
    with recording("guidance", "spread") as found:
        network(conditional=True)(window)
    assert not found["guidance"]
    assert found["spread"]


def test_a_network_built_for_three_variates_serves_five():
    three, five = (replace(ALL_COVARIATES, n_targets=n) for n in (3, 5))
    model, other = network(three), network(five)
    other.load_state_dict(scatter_(model).state_dict())
    assert model.width_tie is None
    assert torch.equal(model(make_window(five)), other(make_window(five)))


def test_windows_may_be_divided_by_their_magnitude():
    forecaster = Forecaster(network(), use_instance_norm="magnitude")
    window = make_window(SIZES)
    forecast = forecaster(window)
    torch.testing.assert_close(forecaster(Window(10 * window.target)), 10 * forecast, rtol=1e-3, atol=1e-3)
    _, statistics = forecaster.instance_norm(window.target)
    torch.testing.assert_close(statistics.spread, window.target.abs().mean(dim=1, keepdim=True))
    assert (statistics.level == 0).all()
    nothing, statistics = forecaster.instance_norm(torch.zeros(1, 17, 3))
    assert (statistics.spread == 1).all()
    assert (nothing == 0).all()


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"n_diffusion_steps": 0}, "n_diffusion_steps=0 must be an integer of at least 1"),
        ({"n_sampling_steps": 0}, "n_sampling_steps=0 must be an integer of at least 1"),
        ({"n_paths": 0}, "n_paths=0 must be an integer of at least 1"),
        ({"sampler": "euler"}, "sampler='euler' must be one of ['ddim', 'ddpm']"),
        ({"spacing": "even"}, "spacing='even' must be one of ['quadratic', 'uniform']"),
        ({"guidance": "huber"}, "guidance='huber' must be one of ['quantile', 'squared']"),
        ({"guidance_scale": -1}, "guidance_scale=-1 must be at least 0"),
        ({"eta": 1.5}, "eta=1.5 must be from 0 to 1"),
        ({"lags": [0, 3]}, "lags=[0, 3] must be from 1 to 16, below the look-back"),
        ({"lags": [17]}, "lags=[17] must be from 1 to 16, below the look-back"),
        ({"conditional": 1}, "conditional=1 must be True or False"),
        ({"skips": 0}, "skips=0 must be True or False"),
        ({"dropout": 1.0}, "dropout=1.0 must be in [0, 1)"),
        ({"d_state": 5}, "d_state=5 must be even: its numbers are pairs"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments(argument, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**argument)
