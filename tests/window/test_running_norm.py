import pytest
import torch

from darts_tsformers.window.instance_norm import InstanceNorm
from darts_tsformers.window.running_norm import RunningNorm
from tests.helpers import draw, scatter_


def by_definition(x: torch.Tensor, missing: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise value by value; return the level and the spread of the last row as well."""
    z, level, spread = torch.zeros_like(x), torch.zeros_like(x[:, :1]), torch.zeros_like(x[:, :1])
    for b in range(x.shape[0]):
        for c in range(x.shape[2]):
            for t in range(x.shape[1]):
                seen = x[b, : t + 1, c][~missing[b, : t + 1, c]]
                mean = seen.mean() if len(seen) else torch.tensor(0.0)
                variance = (seen - mean).square().mean() if len(seen) else torch.tensor(0.0)
                level[b, 0, c], spread[b, 0, c] = mean, variance.sqrt()
                if not missing[b, t, c]:
                    z[b, t, c] = (x[b, t, c] - mean) / variance.sqrt() if variance > 0 else 0.0
    return z, level, spread


def series(batch: int = 3, length: int = 17, n: int = 5, share: float = 0.3) -> tuple[torch.Tensor, torch.Tensor]:
    x = 3 + draw(batch, length, n, dtype=torch.float64).cumsum(1)
    missing = draw(batch, length, n, seed=1) > torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(1 - share))
    return x, missing


@pytest.mark.parametrize(("batch", "length", "n"), [(3, 17, 5), (1, 1, 1), (2, 2, 3), (1, 29, 1)], ids=str)
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_it_equals_the_definition(batch, length, n, share):
    x, missing = series(batch, length, n, min(share, 1 - 1e-6))
    z, statistics = RunningNorm()(x.masked_fill(missing, 7.0), missing)
    their_z, level, spread = by_definition(x, missing)
    torch.testing.assert_close(z, their_z, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(statistics.level, level)
    torch.testing.assert_close(statistics.spread, spread)
    observed = (~missing).sum(1, keepdim=True).clamp_min(1)
    magnitude = x.abs().masked_fill(missing, 0).sum(1, keepdim=True) / observed
    torch.testing.assert_close(statistics.magnitude, magnitude)


def test_rows_that_follow_on_are_what_they_are_in_the_whole():
    x, missing = series()
    norm = scatter_(RunningNorm(5, affine=True)).double()
    whole, statistics = norm(x, missing)
    for cut in (1, 4, 16):
        first, seen = norm.read(x[:, :cut], missing[:, :cut])
        second, seen = norm.read(x[:, cut:], missing[:, cut:], seen)
        torch.testing.assert_close(torch.cat([first, second], dim=1), whole)
        for one, other in zip(vars(norm.statistics(seen)).values(), vars(statistics).values(), strict=True):
            torch.testing.assert_close(one, other)


def test_no_row_knows_of_a_later_one():
    x, missing = series()
    before, _ = RunningNorm()(x, missing)
    for t in range(1, 17):
        x_, missing_ = x.clone(), missing.clone()
        x_[:, t:] += 5
        missing_[:, t:] = ~missing_[:, t:]
        assert torch.equal(RunningNorm()(x_, missing_)[0][:, :t], before[:, :t])


def test_the_last_row_is_normalised_as_by_the_whole_window():
    x, _ = series()
    running, statistics = RunningNorm()(x)
    whole, of_window = InstanceNorm()(x)
    torch.testing.assert_close(running[:, -1], whole[:, -1])
    torch.testing.assert_close(statistics.level, of_window.level)
    torch.testing.assert_close(statistics.spread, of_window.spread)


@pytest.mark.parametrize(("scale", "level"), [(100.0, 0.0), (1.0, -30.0), (1e4, 1e5)])
def test_it_is_equivariant(scale, level):
    x, missing = series()
    z, s = RunningNorm()(x, missing)
    moved_z, moved = RunningNorm()(scale * x + level, missing)
    torch.testing.assert_close(moved_z, z, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(moved.level, scale * s.level + level)
    torch.testing.assert_close(moved.spread, scale * s.spread, rtol=1e-6, atol=0)
    future = draw(3, 7, 5, seed=3, dtype=torch.float64)
    torch.testing.assert_close(moved.normalised(scale * future + level), s.normalised(future), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-30, 1e-6, 1e6, 1e30])
def test_in_the_unit_of_the_data_nothing_leaves_the_range_of_single_precision(unit):
    x, missing = series()
    z, s = RunningNorm()(x.float(), missing)
    z_, s_ = RunningNorm()(x.float() * unit, missing, unit=torch.full((5,), 3 * unit))
    torch.testing.assert_close(z_, z, rtol=1e-4, atol=1e-4)
    for name in ("level", "spread", "mean", "magnitude", "size"):
        torch.testing.assert_close(getattr(s_, name) / unit, getattr(s, name), rtol=1e-4, atol=1e-5)


def test_a_high_level_costs_single_precision_nothing_but_its_own_digits():
    x = 1e6 + draw(3, 997, 5, dtype=torch.float64).mul(16).round().div(16)  # which single precision holds at this level
    z, s = RunningNorm()(x.float())
    their_z, _ = RunningNorm()(x.double())
    torch.testing.assert_close(z.double(), their_z, rtol=1e-4, atol=1e-4)
    _, seen = RunningNorm().read(x[:, :1].float(), None)
    for t in range(1, 997):
        row, seen = RunningNorm().read(x[:, t : t + 1].float(), None, seen)
        torch.testing.assert_close(row.double(), their_z[:, t : t + 1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(RunningNorm().statistics(seen).spread, s.spread, rtol=1e-4, atol=0)


def test_first_rows_and_constant_ones_are_zero_and_a_first_step_is_one():
    z, s = RunningNorm()(torch.tensor([[[4.0], [4.0], [4.0]]]))
    assert z.flatten().tolist() == [0.0, 0.0, 0.0]
    assert s.level.item() == 4.0
    z, _ = RunningNorm()(torch.tensor([[[4.0], [104.0]]]))
    torch.testing.assert_close(z.flatten(), torch.tensor([0.0, 1.0]))
    z, _ = RunningNorm()(torch.tensor([[[1e6], [1e6], [1e6], [2e6]]]))
    torch.testing.assert_close(z.flatten()[-1], torch.tensor(3.0).sqrt())


def test_what_fades_weighs_as_much_as_the_last_rows():
    x = 3 + draw(1, 400, 1, dtype=torch.float64)
    _, seen = RunningNorm().read(x[:, :1], None)
    mean, variance = x[0, 0, 0], torch.tensor(0.0, dtype=torch.float64)
    for t in range(1, 400):
        _, seen = RunningNorm().read(x[:, t : t + 1], None, seen.fading(10))
        n = min(t + 1, 11)
        deviation = x[0, t, 0] - mean
        mean = mean + deviation / n
        variance = (variance + deviation**2 / n) * (n - 1) / n
        assert seen.count.item() == n
    torch.testing.assert_close((seen.first + seen.mean).item(), mean.item())
    torch.testing.assert_close(seen.variance.item(), variance.item())
    moved = torch.full((1, 1, 1), 50.0, dtype=torch.float64)
    for _ in range(100):
        _, seen = RunningNorm().read(moved, None, seen.fading(10))
    assert abs((seen.first + seen.mean).item() - 50) < 0.01


def test_half_precision_stays_half():
    x, missing = series()
    z, s = RunningNorm()(x.to(torch.bfloat16), missing)
    assert z.dtype == torch.bfloat16
    assert s.level.dtype == torch.float32


def test_no_gradient_goes_through_the_statistics():
    x, missing = series(share=1e-6)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(RunningNorm()(x)[0].sum(), x)
    spreads = [by_definition(x.detach()[:, :t], missing[:, :t])[2] for t in range(1, 18)]
    torch.testing.assert_close(gradient[:, 1:], 1 / torch.cat(spreads, dim=1)[:, 1:])
    assert gradient[:, 0].isfinite().all()
