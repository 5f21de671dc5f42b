"""Schedules, samplers, guidance and refinement, against a Gaussian whose noise is known and against plain formulas."""

import math

import pytest
import torch
from torch import Tensor

from darts_tsformers.diffusion import (
    Guidance,
    Schedule,
    ddim,
    ddim_step,
    ddpm,
    ddpm_step,
    distance,
    quantile_levels,
    refined,
    spaced,
)
from tests.helpers import draw, exactly

SCHEDULE = Schedule(23)


class Draws:
    """Normal numbers, counted."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.n = shape, 0

    def __call__(self) -> Tensor:
        self.n += 1
        return draw(*self.shape, seed=100 + self.n, dtype=torch.float64)


def of_gaussian(x: Tensor, t: int, deviation: float = 2.0, schedule: Schedule = SCHEDULE) -> Tensor:
    """Return what noise is expected in series that are normal with mean 0."""
    kept = float(schedule.kept[t])
    return (1 - kept) ** 0.5 / (kept * deviation**2 + 1 - kept) * x


def test_noise_comes_in_step_by_step():
    x, kept = draw(2, 3, 5, dtype=torch.float64), 1.0
    for t in range(23):
        kept *= 1 - (1e-4 + t / 22 * (0.1 - 1e-4))
        expected = math.sqrt(kept) * x + math.sqrt(1 - kept) * 7
        torch.testing.assert_close(SCHEDULE.noised(x, torch.full_like(x, 7), torch.tensor([t, t])), expected)
        torch.testing.assert_close(SCHEDULE.clean(expected, torch.full_like(x, 7), t), x)


def test_each_series_is_at_a_step_of_its_own():
    x, noise = draw(2, 5), draw(2, 5, seed=1)
    both = SCHEDULE.noised(x, noise, torch.tensor([3, 19]))
    for i, t in enumerate((3, 19)):
        assert torch.equal(both[i], SCHEDULE.noised(x[i : i + 1], noise[i : i + 1], torch.tensor([t]))[0])
    assert both.dtype == torch.float32


@pytest.mark.parametrize("t", [1, 2, 22])
def test_a_step_of_ddpm_is_the_posterior_given_the_guessed_series(t):
    x, guess, noise = (draw(2, 5, seed=seed, dtype=torch.float64) for seed in range(3))
    beta, kept, before = (float(one) for one in (SCHEDULE.betas[t], SCHEDULE.kept[t], SCHEDULE.kept[t - 1]))
    clean = SCHEDULE.clean(x, guess, t)
    mean = math.sqrt(before) * beta / (1 - kept) * clean + math.sqrt(1 - beta) * (1 - before) / (1 - kept) * x
    expected = mean + math.sqrt(beta * (1 - before) / (1 - kept)) * noise
    torch.testing.assert_close(ddpm_step(SCHEDULE, x, guess, t, noise), expected)
    torch.testing.assert_close(ddim_step(SCHEDULE, x, guess, t, t - 1, noise, eta=1.0), expected)


def test_the_last_step_gives_the_series():
    x, guess = draw(2, 5, dtype=torch.float64), draw(2, 5, seed=1, dtype=torch.float64)
    expected = SCHEDULE.clean(x, guess, 0)
    torch.testing.assert_close(ddpm_step(SCHEDULE, x, guess, 0, torch.full_like(x, 1e9)), expected)
    torch.testing.assert_close(ddim_step(SCHEDULE, x, guess, 0, None), expected)


@pytest.mark.parametrize("steps", [spaced(100, 1), spaced(100, 5), spaced(100, 5, "quadratic")], ids=len)
@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_ddim_draws_from_the_gaussian_that_was_learnt(steps, eta):
    schedule, more = Schedule(100), Draws(4000, 3)
    drawn = ddim(lambda x, t: of_gaussian(x, t, 2.0, schedule), more(), schedule, steps, more, eta=eta)
    assert abs(float(drawn.std()) - 2) < (0.1 if len(steps) == 100 else 0.4)
    assert more.n == (1 if eta == 0 else len(steps))


def test_ddpm_draws_from_the_gaussian_that_was_learnt():
    schedule, more = Schedule(100), Draws(4000, 3)
    drawn = ddpm(lambda x, t: of_gaussian(x, t, 2.0, schedule), more(), schedule, more)
    assert abs(float(drawn.std()) - 2) < 0.1
    assert more.n == 100


@pytest.mark.parametrize("levels", [None, torch.tensor([[0.25], [0.5], [0.9]], dtype=torch.float64)])
def test_the_gradient_is_that_of_the_energy(levels):
    observed = draw(3, 5, seed=1) > 0
    guidance = Guidance(draw(3, 5, seed=2, dtype=torch.float64), observed, 3.0, levels)
    x = draw(3, 5, dtype=torch.float64)
    guess, gradient = guidance.gradient(lambda x, t: (x + t).tanh(), x, 7, SCHEDULE)
    assert torch.equal(guess, (x + 7).tanh())
    assert not guess.requires_grad
    assert not gradient.requires_grad
    kept, total = float(SCHEDULE.kept[7]), 0.0
    for i, j in torch.cartesian_prod(torch.arange(3), torch.arange(5)).tolist():
        if observed[i, j]:
            clean = (x[i, j] - math.sqrt(1 - kept) * torch.tanh(x[i, j] + 7)) / math.sqrt(kept)
            above = float(guidance.values[i, j] - clean)
            slope = (1 - math.sqrt(1 - kept) * (1 - math.tanh(float(x[i, j]) + 7) ** 2)) / math.sqrt(kept)
            if levels is None:
                total, expected = total + above**2, -2 * above * slope
            else:
                level = float(levels[i])
                total += level * above if above > 0 else (level - 1) * above
                expected = -(level if above > 0 else level - 1) * slope
            assert abs(float(gradient[i, j]) - expected) < 1e-9
        else:
            assert gradient[i, j] == 0
    assert abs(float(guidance.energy(SCHEDULE.clean(x, guess, 7))) - total) < 1e-9


@pytest.mark.parametrize("sample", [
    lambda denoise, x, schedule, more, guide: ddpm(denoise, x, schedule, more, guide),
    lambda denoise, x, schedule, more, guide: ddim(denoise, x, schedule, spaced(100, 5), more, guide),
], ids=["ddpm", "ddim"])  # fmt: skip
def test_what_is_observed_pulls_and_what_is_not_does_not(sample):
    schedule, observed = Schedule(100), torch.tensor([True, False, True])
    for value in (3.0, -1.0):
        values = torch.full((500, 3), value, dtype=torch.float64)
        values[:, 1] = 1e6
        guide = Guidance(values, observed.expand(500, 3), 1.0)
        more, plain = Draws(500, 3), Draws(500, 3)
        drawn = sample(lambda x, t: of_gaussian(x, t, 2.0, schedule), more(), schedule, more, guide)
        alone = sample(lambda x, t: of_gaussian(x, t, 2.0, schedule), plain(), schedule, plain, None)
        assert torch.equal(drawn[:, 1], alone[:, 1])
        assert (drawn[:, observed].mean(dim=0) - value).abs().max() < 0.3 * abs(value)


def test_levels_put_series_in_order():
    schedule, levels = Schedule(100), quantile_levels(torch.arange(9), 9)[:, None]
    guide = Guidance(torch.ones(9, 4), torch.ones(9, 4, dtype=torch.bool), 1.0, levels)
    drawn = ddim(
        lambda x, t: of_gaussian(x, t, 2.0, schedule), torch.zeros(9, 4), schedule, spaced(100, 10), Draws(), guide
    )
    assert (drawn[::4].diff(dim=0) > 0.5).all()


@pytest.mark.parametrize(
    ("n", "skip", "spacing", "expected"),
    [
        (10, 1, "uniform", list(range(10))),
        (10, 4, "uniform", [0, 4, 8]),
        (1, 1, "quadratic", [0]),
        (100, 20, "quadratic", [0, 5, 20, 45, 80]),
        (5, 1, "quadratic", [0, 1, 2, 4]),
    ],
)
def test_steps_that_are_taken(n, skip, spacing, expected):
    assert spaced(n, skip, spacing) == expected


@pytest.mark.parametrize("noise_scale", [0.0, 0.3])
def test_refinement_goes_down_its_energy(noise_scale):
    """Of a denoiser that is a multiple of its input, whose gradient can be written down."""
    start, more, factor, rate, t = draw(3, 5, dtype=torch.float64), Draws(3, 5), 0.4, 0.05, 9
    kept = float(SCHEDULE.kept[t])
    y, again = start, Draws(3, 5)
    for _ in range(4):
        noise = again()
        missed = noise - factor * (math.sqrt(kept) * y + math.sqrt(1 - kept) * noise)
        y = y - rate * (-2 * factor * math.sqrt(kept) * missed + 2 * 1.5 * (y - start))
        if noise_scale:
            y = y + math.sqrt(2 * rate) * noise_scale * again()
    found = refined(
        lambda x, _: factor * x,
        start,
        SCHEDULE,
        more,
        lambda x: 1.5 * distance(x, start, None).sum(),
        t=t,
        n_iterations=4,
        rate=rate,
        noise_scale=noise_scale,
    )
    torch.testing.assert_close(found, y)
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Schedule(0), "n_steps=0 must be an integer of at least 1"),
        (lambda: Schedule(5, first=0.2), "first=0.2 and last=0.1 must be in (0, 1) and in this order"),
        (lambda: spaced(10, 0), "skip=0 must be an integer of at least 1"),
        (lambda: spaced(10, 11), "skip=11 must be at most n_steps=10"),
        (lambda: spaced(10, 1, "even"), "spacing='even' must be one of ['quadratic', 'uniform']"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=exactly(message)):
        call()
