from dataclasses import replace

import numpy as np
import pytest
import torch

from darts_tsformers.diffusion import ddpm_step
from darts_tsformers.networks import GPD
from darts_tsformers.networks._paths import drawn_paths
from darts_tsformers.recording import recording
from darts_tsformers.window import Sizes
from tests.helpers import exactly, make_window, scatter_
from tests.networks.diffusions import noise_for, with_future

SIZES = Sizes(17, 5, n_targets=3)
ALL_COVARIATES = replace(SIZES, n_past=2, n_future=7, n_static=2)
TINY = {
    "patch_length": 4,
    "d_model": 6,
    "n_layers": 2,
    "n_diffusion_steps": 13,
    "n_sampling_steps": 3,
    "n_passes": 2,
    "n_paths": 7,
}
FORMS = {
    "ddim": {},
    "still": {"eta": 0, "spacing": "quadratic", "n_passes": 3, "guidance_scale": 0.5},
    "ddpm": {"sampler": "ddpm", "n_layers": 1, "guidance_scale": 0},
    "plain": {"patch_length": 22, "n_passes": 1},
}
every_form = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)


def network(sizes: Sizes = SIZES, **kwargs) -> GPD:
    torch.manual_seed(0)
    return scatter_(GPD(sizes, **TINY | kwargs)).eval()


@pytest.mark.parametrize("training", [True, False])
def test_it_learns_the_noise_of_the_whole_segment(training):
    """Its forecast is what happened plus the error of its guess; a velocity of zero guesses as of normal numbers."""
    model = network(ALL_COVARIATES).train(training)
    for parameter in model.denoiser.project_out.parameters():
        torch.nn.init.zeros_(parameter)
    window = with_future(make_window(ALL_COVARIATES))
    found = model.learn(window)
    (lesson,) = found.lessons
    assert found.forecast is None
    assert lesson.steps.tolist() == list(range(22))
    whole = torch.cat([window.target, window.future_target], dim=1)
    error = (lesson.of(whole) - lesson.forecast[..., 0]).transpose(1, 2).flatten(0, 1).detach()
    series = whole.transpose(1, 2).flatten(0, 1)
    shares = [(float(kept) ** 0.5, (1 - float(kept)) ** 0.5) for kept in model.schedule.kept]
    drawn = torch.stack([(error + spread * signal * series) / signal**2 for signal, spread in shares])
    likely = (drawn.square().mean(dim=-1).log().abs() + drawn.mean(dim=-1).square()).min(dim=0).values
    assert likely.max() < 1


@pytest.mark.parametrize("n_steps", [4, 7, 100, 1000])
def test_next_to_nothing_is_left_of_a_series_after_any_number_of_steps(n_steps):
    kept = network(n_diffusion_steps=n_steps, n_sampling_steps=1).schedule.kept
    assert kept[-1] < 0.03
    assert kept[0] > 0.8


@every_form
def test_paths_are_batched_and_each_is_the_one_drawn_alone(form):
    model, window = network(**form).double(), make_window(SIZES, dtype=torch.float64)
    together = drawn_paths(model.sample, window, 7, rows=1000)
    one_by_one = drawn_paths(model.sample, window, 7, rows=1)
    torch.testing.assert_close(together, one_by_one)
    expected = torch.from_numpy(np.median(together.numpy(), axis=0))
    torch.testing.assert_close(model(window)[..., 0], expected)


def test_the_same_seed_draws_the_same_paths():
    model, window = network(), make_window(SIZES)
    first, again, other = (model.sample(window, noise_for(window, seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.isclose(first, other).any()


def test_a_path_is_drawn_down_the_steps_of_ddpm_with_the_look_back_in_place():
    """One component at a time, with the steps of DDPM, in double precision."""
    model = network(sampler="ddpm", n_passes=1, n_diffusion_steps=4, guidance_scale=0).double()
    window = make_window(SIZES, dtype=torch.float64)
    found = model.sample(window, noise_for(window))
    for b in range(3):
        for c in range(3):
            again = noise_for(window)
            x, known = again(22, 3)[b, :, c], window.target[b, :, c]
            for t in (3, 2, 1, 0):
                kept = model.schedule.kept[t]
                put_on = again(22, 3)[b, :17, c]
                x = torch.cat([kept.sqrt() * known + (1 - kept).sqrt() * put_on, x[17:]])
                velocity = model.denoiser(x[None], torch.tensor([t]))[0]
                guess = (1 - kept).sqrt() * x + kept.sqrt() * velocity
                x = ddpm_step(model.schedule, x, guess, t, again(22, 3)[b, :, c] if t else torch.zeros_like(x))
            torch.testing.assert_close(found[b, :, c], x[17:].detach())


@pytest.mark.parametrize("kind", ["past", "historic_future", "future", "static"])
def test_each_covariate_matters(kind):
    model, window = network(ALL_COVARIATES), make_window(ALL_COVARIATES)
    moved = replace(window, **{kind: getattr(window, kind) + 1})
    assert (model(moved) - model(window)).abs().max() > 1e-4


def test_covariates_add_nothing_at_the_start():
    model, window = GPD(ALL_COVARIATES, **TINY).eval(), make_window(ALL_COVARIATES)
    assert torch.equal(model(window), model(replace(window, past=window.past + 1, static=window.static + 1)))


def test_what_pulled_and_how_far_paths_spread_is_recorded():
    model, window = network(), make_window(SIZES)
    missing = torch.zeros_like(window.target, dtype=torch.bool)
    missing[:, 4:9, 1] = True
    window = replace(window, missing=missing)
    with recording("guidance", "spread") as found:
        model(window)
    (pull,), (spread,) = found["guidance"], found["spread"]
    assert torch.equal(pull.tensors["pull"] > 0, ~missing)
    paths = drawn_paths(model.sample, window, 7)
    torch.testing.assert_close(spread.tensors["deviation"], paths.std(dim=0, correction=0), rtol=1e-4, atol=1e-4)
    with recording("guidance", "spread") as found:
        network(guidance_scale=0)(window)
    assert not found["guidance"]
    assert found["spread"]


@pytest.mark.parametrize("guidance_scale", [0, 3.0])
def test_nothing_is_left_of_gradients_and_inference_mode_is_no_obstacle(guidance_scale):
    model, window = network(ALL_COVARIATES, guidance_scale=guidance_scale), make_window(ALL_COVARIATES)
    expected = model(window)
    assert not expected.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(model(make_window(ALL_COVARIATES)), expected)


def test_a_network_built_for_three_variates_serves_five():
    three, five = (replace(ALL_COVARIATES, n_targets=n) for n in (3, 5))
    model, other = network(three), network(five)
    other.load_state_dict(model.state_dict())
    assert model.width_tie is None
    assert torch.equal(model(make_window(five)), other(make_window(five)))


def test_a_patch_has_16_steps_or_all_if_they_are_fewer():
    assert network(patch_length=None).denoiser.patch_length == 16
    assert network(Sizes(4, 5), patch_length=None).denoiser.patch_length == 9


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"n_diffusion_steps": 0}, "n_diffusion_steps=0 must be an integer of at least 1"),
        ({"n_sampling_steps": 0}, "n_sampling_steps=0 must be an integer of at least 1"),
        ({"n_passes": 0}, "n_passes=0 must be an integer of at least 1"),
        ({"guidance_scale": -1}, "guidance_scale=-1 must be at least 0"),
        ({"n_paths": 0}, "n_paths=0 must be an integer of at least 1"),
        ({"sampler": "euler"}, "sampler='euler' must be one of ['ddim', 'ddpm']"),
        ({"spacing": "even"}, "spacing='even' must be one of ['quadratic', 'uniform']"),
        ({"eta": 1.5}, "eta=1.5 must be from 0 to 1"),
        ({"patch_length": 23}, "patch_length=23 must be at most 22, the steps of a series"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("unchecked")
def test_bad_arguments(argument, message):
    with pytest.raises(ValueError, match=exactly(message)):
        network(**argument)
