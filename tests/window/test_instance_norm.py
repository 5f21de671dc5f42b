import pytest
import torch

from darts_tsformers.window.instance_norm import InstanceNorm
from darts_tsformers.window.restore import restore
from tests.helpers import draw, scatter_

affine_or_not = pytest.mark.parametrize("affine", [False, True], ids=["plain", "affine"])


def windows(batch=3, length=11, components=5, dtype=torch.float64):
    level, spread = draw(batch, 1, components, seed=1), draw(batch, 1, components, seed=2).exp()
    return (7 * level + spread * draw(batch, length, components)).to(dtype)


def test_each_window_of_each_component_gets_its_own_level_and_spread():
    x = windows()
    normalised, statistics = InstanceNorm()(x)
    for b in range(3):
        for c in range(5):
            window = x[b, :, c]
            mean = window.sum() / 11
            spread = (((window - mean) ** 2).sum() / 11).sqrt()
            torch.testing.assert_close(normalised[b, :, c], (window - mean) / spread)
            torch.testing.assert_close(statistics.level[b, 0, c], mean)
            torch.testing.assert_close(statistics.mean[b, 0, c], mean)
            torch.testing.assert_close(statistics.spread[b, 0, c], spread)
            torch.testing.assert_close(statistics.magnitude[b, 0, c], window.abs().sum() / 11)


@affine_or_not
@pytest.mark.parametrize(("batch", "length", "components"), [(3, 11, 5), (1, 7, 1), (2, 1, 3)])
def test_a_location_comes_back(affine, batch, length, components):
    norm = scatter_(InstanceNorm(components, affine=affine).double())
    x = windows(batch, length, components)
    normalised, statistics = norm(x)
    torch.testing.assert_close(restore(normalised.unsqueeze(-1), statistics, ["location"]).squeeze(-1), x)


def test_a_learned_scale_and_bias_act_after_normalisation():
    norm = scatter_(InstanceNorm(5, affine=True).double())
    x = windows()
    plain, _ = InstanceNorm()(x)
    torch.testing.assert_close(norm(x)[0], plain * norm.weight + norm.bias)


def test_mean_and_magnitude_stay_in_data_units():
    x = windows()
    _, statistics = scatter_(InstanceNorm(5, affine=True).double())(x)
    torch.testing.assert_close(statistics.mean, x.mean(dim=1, keepdim=True))
    torch.testing.assert_close(statistics.magnitude, x.abs().mean(dim=1, keepdim=True))


def test_no_gradient_flows_through_the_statistics():
    x = windows().requires_grad_()
    normalised, statistics = InstanceNorm()(x)
    probe = draw(*x.shape, seed=3, dtype=x.dtype)
    torch.testing.assert_close(torch.autograd.grad((normalised * probe).sum(), x)[0], probe / statistics.spread)
    assert not any(value.requires_grad for value in vars(statistics).values())


def test_gradients_of_scale_and_bias_equal_finite_differences():
    norm, x, answer = InstanceNorm(3, affine=True).double(), windows(2, 5, 3), draw(2, 2, 3, dtype=torch.float64)

    def there_and_back(weight, bias):
        parameters = {"weight": weight, "bias": bias}
        normalised, statistics = torch.func.functional_call(norm, parameters, (x,))
        forecast = (normalised[:, :2] + answer).unsqueeze(-1)
        return normalised, restore(forecast, statistics, ["location"])

    weight, bias = (draw(3, seed=s, dtype=torch.float64).add(2).requires_grad_() for s in (4, 5))
    assert torch.autograd.gradcheck(there_and_back, (weight, bias))


UNITS = [1e-30, 1e-12, 1e-6, 1e-3, 1e3, 1e6, 1e12, 1e30]
units = pytest.mark.parametrize("unit", UNITS)


@affine_or_not
@units
def test_a_change_of_unit_changes_nothing_but_the_unit(affine, unit):
    norm, x = scatter_(InstanceNorm(5, affine=affine)), windows(dtype=torch.float32)
    missing = draw(*x.shape, seed=4) > 1
    (z, s), (z_, s_) = norm(x, missing), norm(x * unit, missing)
    torch.testing.assert_close(z_, z, rtol=1e-4, atol=1e-5)
    for name in ("level", "spread", "mean", "magnitude", "size"):
        torch.testing.assert_close(getattr(s_, name) / unit, getattr(s, name), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(s_.normalised(7 * x * unit), s.normalised(7 * x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("level", [-1e9, 1e6, 1e9])
def test_an_offset_changes_nothing_but_the_level(level):
    x = windows()
    (z, s), (z_, s_) = InstanceNorm()(x), InstanceNorm()(x + level)
    torch.testing.assert_close(z_, z, rtol=0, atol=1e-5)
    torch.testing.assert_close(s_.spread, s.spread, rtol=1e-5, atol=0)
    torch.testing.assert_close(s_.level, s.level + level)


@units
def test_one_value_of_another_order_overflows_nothing(unit):
    x = windows(dtype=torch.float32)
    x[:, 3] = unit
    normalised, s = InstanceNorm()(x)
    assert normalised.isfinite().all()
    assert all(t.isfinite().all() for t in vars(s).values())
    torch.testing.assert_close(normalised.square().mean(dim=1), torch.ones(3, 5))


@affine_or_not
@pytest.mark.parametrize("value", [1e-30, -1e-6, 0.1, 1234.56, 1e6, 1e30])
def test_all_forecasts_of_a_constant_window_are_its_level(affine, value):
    norm = scatter_(InstanceNorm(3, affine=affine))
    x = torch.full((2, 11, 3), value)
    _, s = norm(x)
    raw = draw(2, 7, 3, 1)
    assert torch.equal(restore(raw, s, ["location"]), x[:, :7, :, None])
    assert s.normalised(2 * x).abs().lt(1e4).all()


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e30])
def test_a_window_of_zeros_is_measured_by_the_unit(unit):
    _, s = InstanceNorm()(torch.zeros(2, 11, 3), unit=torch.tensor([1.0, 2.0, 3.0]) * unit)
    torch.testing.assert_close(s.normalised(torch.full((2, 5, 3), 6 * unit)), torch.tensor([6.0, 3, 2]).expand(2, 5, 3))


def test_with_the_authors_epsilon_it_is_the_paper():
    x = windows()
    normalised, s = InstanceNorm(epsilon=1e-2)(x)
    spread = (x.var(dim=1, correction=0, keepdim=True) + 1e-2).sqrt()
    torch.testing.assert_close(s.spread, spread, rtol=1e-6, atol=0)
    torch.testing.assert_close(normalised, (x - x.mean(dim=1, keepdim=True)) / spread, rtol=1e-6, atol=1e-9)


def test_files_without_an_epsilon_have_that_of_version_0_1():
    norm = InstanceNorm(3, affine=True)
    norm.load_state_dict({"weight": torch.ones(3), "bias": torch.zeros(3)})
    torch.testing.assert_close(norm.epsilon, torch.tensor(1e-5))
    norm.load_state_dict(InstanceNorm(3, affine=True).state_dict())
    assert norm.epsilon == 0


@affine_or_not
@pytest.mark.parametrize("value", [0.0, -7.0, 1e6])
def test_a_constant_window_stays_finite(affine, value):
    norm = InstanceNorm(3, affine=affine)
    normalised, statistics = norm(torch.full((2, 11, 3), value))
    assert torch.equal(normalised, torch.zeros(2, 11, 3))
    assert all(t.isfinite().all() for t in vars(statistics).values())
    assert torch.equal(statistics.spread, torch.zeros(2, 1, 3))
    assert (statistics.size > 0).all()


def test_bfloat16_windows_keep_their_dtype_and_wide_statistics():
    x = windows(dtype=torch.bfloat16)
    normalised, statistics = InstanceNorm()(x)
    expected, exact = InstanceNorm()(x.double())
    assert normalised.dtype == torch.bfloat16
    assert {t.dtype for t in vars(statistics).values()} == {torch.float32}
    torch.testing.assert_close(statistics.level.double(), exact.level, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(normalised.double(), expected, rtol=1e-2, atol=1e-2)


def test_nothing_is_learned_unless_asked_for():
    assert not list(InstanceNorm(3).parameters())
    assert [p.shape for p in InstanceNorm(3, affine=True).parameters()] == [(3,), (3,)]


@affine_or_not
def test_missing_values_count_for_nothing(affine):
    norm, x = scatter_(InstanceNorm(5, affine=affine).double()), windows(length=13)
    missing = torch.zeros(x.shape, dtype=torch.bool)
    missing[:, [2, 3, 11]] = True
    observed = x[:, [0, 1, 4, 5, 6, 7, 8, 9, 10, 12]]
    filled = torch.where(missing, observed.mean(dim=1, keepdim=True), x)
    normalised, statistics = norm(filled, missing)
    expected, alone = norm(observed)
    for name, value in vars(alone).items():
        torch.testing.assert_close(getattr(statistics, name), value, msg=lambda m, name=name: f"{name}: {m}")
    torch.testing.assert_close(normalised[:, [0, 1, 4, 5, 6, 7, 8, 9, 10, 12]], expected)


@pytest.mark.parametrize("length", [7, 96, 97])
def test_a_constant_window_is_zero_at_any_level(length):
    levels = torch.tensor([0.1, 1234.56, 1e6 + 0.1, 1.2345678e7])
    normalised, statistics = InstanceNorm()(levels.expand(3, length, 4).contiguous())
    assert torch.equal(normalised, torch.zeros(3, length, 4))
    assert torch.equal(statistics.level, levels.expand(3, 1, 4))


@pytest.mark.parametrize("length", [2, 7])
def test_with_a_correction_it_is_the_unbiased_spread(length):
    x = draw(3, length, 2, dtype=torch.float64)
    normalised, statistics = InstanceNorm(correction=1, epsilon=0.0)(x)
    torch.testing.assert_close(statistics.spread, x.std(dim=1, keepdim=True))
    torch.testing.assert_close(normalised.std(dim=1), torch.ones(3, 2, dtype=torch.float64))
    single, _ = InstanceNorm(correction=1)(x[:, :1])
    assert (single == 0).all()
