"""Inpainting, against a loop over single numbers and a Gaussian whose parts given each other are known."""

import math

import pytest
import torch
from torch import Tensor

from darts_tsformers.diffusion import Guidance, Schedule, inpainted, spaced
from tests.helpers import draw, exactly

SCHEDULE = Schedule(23)


class Draws:
    """Normal numbers, counted."""

    def __init__(self, *shape: int) -> None:
        self.shape, self.n = shape, 0

    def __call__(self) -> Tensor:
        self.n += 1
        return draw(*self.shape, seed=100 + self.n, dtype=torch.float64)


def guess(x: Tensor, t: int) -> Tensor:
    return torch.tanh(x.cumsum(dim=1) + t / 7)


def by_definition(x, steps, draws, guidance, eta, n_passes):
    """Go down by single numbers: put in place, guess, go to the step before, and be noised back between passes."""
    kept, values, known = SCHEDULE.kept.tolist(), guidance.values, guidance.observed
    x = x.clone()
    for i in range(len(steps) - 1, -1, -1):
        now, before = kept[steps[i]], kept[steps[i - 1]] if i else 1.0
        sigma = eta * math.sqrt((1 - before) / (1 - now) * (1 - now / before))
        for n in range(n_passes):
            noise = draws()
            for where in known.nonzero().tolist():
                r, s = where
                x[r, s] = math.sqrt(now) * values[r, s] + math.sqrt(1 - now) * noise[r, s]
            y = x.clone().requires_grad_()
            found = guess(y, steps[i])
            clean = (y - math.sqrt(1 - now) * found) / math.sqrt(now)
            (slope,) = torch.autograd.grad((clean - values)[known].square().sum(), y)
            found = found.detach() + guidance.scale * math.sqrt(now * (1 - now)) * slope
            clean = (x - math.sqrt(1 - now) * found) / math.sqrt(now)
            fresh = draws() if eta and i else torch.zeros_like(x)
            onward = math.sqrt(before) * clean + math.sqrt(1 - before - sigma**2) * found + sigma * fresh
            x = onward
            if n < n_passes - 1:
                x = math.sqrt(now / before) * onward + math.sqrt(1 - now / before) * draws()
    for r, s in known.nonzero().tolist():
        x[r, s] = values[r, s]
    return x


@pytest.mark.parametrize("n_passes", [1, 3])
@pytest.mark.parametrize(("eta", "scale"), [(0.0, 0.3), (0.7, 0.3), (0.7, 0.0)])
@pytest.mark.parametrize("steps", [list(range(23)), [2, 7, 19], [5]], ids=len)
def test_it_is_what_its_definition_says(steps, eta, scale, n_passes):
    x, values, known = draw(2, 5, dtype=torch.float64), draw(2, 5, seed=1, dtype=torch.float64), draw(2, 5, seed=2) > 0
    ours, theirs, guidance = Draws(2, 5), Draws(2, 5), Guidance(values, known, scale)
    found = inpainted(guess, x, SCHEDULE, steps, ours, guidance, eta=eta, n_passes=n_passes)
    torch.testing.assert_close(found, by_definition(x, steps, theirs, guidance, eta, n_passes))
    assert torch.equal(found[known], values[known])
    assert ours.n == theirs.n


def test_values_that_are_not_known_do_not_matter():
    x, known = draw(2, 5, dtype=torch.float64), draw(2, 5, seed=2) > 0
    values = draw(2, 5, seed=1, dtype=torch.float64)
    one, two = (
        inpainted(guess, x, SCHEDULE, [2, 9], Draws(2, 5), Guidance(each, known, 1.0), n_passes=2)
        for each in (values, torch.where(known, values, 1e6))
    )
    assert torch.equal(one, two)


def test_the_rest_is_drawn_given_what_is_known():
    """A Gaussian of four steps, the first two known: the mean of the others, closer with more passes or with a pull."""
    n, lags = 1500, (torch.arange(4)[:, None] - torch.arange(4)).abs()
    covariance = 0.8 ** lags.double()
    schedule, own = Schedule(50, last=0.3), torch.eye(4, dtype=torch.float64)

    def denoise(x: Tensor, t: int) -> Tensor:
        kept = float(schedule.kept[t])
        return (1 - kept) ** 0.5 * torch.linalg.solve(kept * covariance + (1 - kept) * own, x.mT).mT

    known = torch.tensor([True, True, False, False]).expand(n, 4)
    values = torch.tensor([1.0, 1.5, 9.0, 9.0], dtype=torch.float64).expand(n, 4)
    drift, draws = [], Draws(n, 4)
    for n_passes, scale in ((1, 0.0), (8, 0.0), (1, 2.0)):
        guidance = Guidance(values, known, scale)
        steps = spaced(50, 2)
        drawn = inpainted(denoise, draws(), schedule, steps, draws, guidance, eta=1.0, n_passes=n_passes)[:, 2:]
        drift.append(float((drawn.mean(dim=0) - 1.5 * torch.tensor([0.8, 0.64])).abs().max()))
        expected = (1 - 0.8 ** torch.tensor([2.0, 4.0])).sqrt()
        assert (drawn.std(dim=0) / expected - 1).abs().max() < 0.25
    assert max(drift[1:]) < 0.2 < 0.5 < drift[0]


def test_noise_comes_in_from_any_step_to_a_later_one():
    x = draw(2, 5, dtype=torch.float64)
    signal, spread = (SCHEDULE.noised_from(4, x, value, 17) for value in (torch.zeros_like(x), torch.ones_like(x)))
    share = math.prod(1 - (1e-4 + t / 22 * (0.1 - 1e-4)) for t in range(5, 18))
    torch.testing.assert_close(signal, math.sqrt(share) * x)
    torch.testing.assert_close(spread - signal, torch.full_like(x, math.sqrt(1 - share)))
    noise = draw(2, 5, seed=1, dtype=torch.float64)
    at_17 = SCHEDULE.noised(x, noise, torch.tensor([17, 17]))
    torch.testing.assert_close(SCHEDULE.noised_from(None, x, noise, 17), at_17)


def test_noise_is_found_by_velocity():
    x, noise, t = draw(2, 5, dtype=torch.float64), draw(2, 5, seed=1, dtype=torch.float64), torch.tensor([3, 19])
    kept = SCHEDULE.kept[t][:, None]
    velocity = kept.sqrt() * noise - (1 - kept).sqrt() * x
    torch.testing.assert_close(SCHEDULE.noise_in(SCHEDULE.noised(x, noise, t), velocity, t), noise)


def test_bad_arguments():
    x = torch.zeros(1, 2)
    with pytest.raises(ValueError, match=exactly("n_passes=0 must be an integer of at least 1")):
        inpainted(guess, x, SCHEDULE, [3], Draws(1, 2), Guidance(x, x > 0, 1.0), n_passes=0)
