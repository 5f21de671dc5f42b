import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from darts_tsformers.window import Window, missing
from darts_tsformers.window.instance_norm import InstanceNorm
from darts_tsformers.window.missing import MissingCovariates, add_offset, bridge_gaps, fill_gaps, observed_mean

NAN = torch.nan


def holed(b: int, length: int, c: int, share: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(b, length, c, generator=generator) * 3 + 7
    return x.masked_fill(torch.rand(x.shape, generator=generator) < share, NAN)


def test_a_gap_is_the_mean_of_what_its_window_observed():
    x = torch.tensor([[[1.0, NAN], [NAN, NAN], [4.0, 5.0]]])
    filled = fill_gaps(x)
    assert filled.values.tolist() == [[[1.0, 5.0], [2.5, 5.0], [4.0, 5.0]]]
    assert filled.missing.tolist() == [[[False, True], [True, True], [False, False]]]


def test_nothing_observed_is_zero():
    filled = fill_gaps(torch.full((2, 3, 1), NAN))
    assert (filled.values == 0).all()
    assert filled.missing.all()
    assert (filled.mean == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("length", [1, 2, 11, 97])
def test_a_series_without_gaps_comes_back_bit_for_bit(length, dtype):
    x = holed(3, length, 5, share=0.0).to(dtype)
    filled = fill_gaps(x)
    assert torch.equal(filled.values, x)
    assert filled.missing is None
    assert filled.mean.dtype == torch.promote_types(dtype, torch.float32)


LAYOUTS = {
    "as batches are": lambda x: x,
    "components first": lambda x: x.mT.contiguous().mT,
    "every other component": lambda x: x.repeat_interleave(2, dim=-1)[..., ::2],
    "components first, every other step": lambda x: x.mT.repeat_interleave(2, dim=-1)[..., ::2].mT,
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("length", "components"), [(1, 1), (2, 5), (11, 1), (97, 7), (336, 7)])
def test_a_window_is_the_same_whether_gaps_were_looked_for_or_not(length, components, dtype, layout):
    """What is marked in no place, as by a compiled network or for a batch mate, gives the same numbers to the bit."""
    x = layout(holed(3, length, components, share=0.0).to(dtype))
    nowhere = torch.zeros(x.shape, dtype=torch.bool)
    filled = fill_gaps(x)
    assert torch.equal(observed_mean(x, nowhere), filled.mean)
    assert torch.equal(bridge_gaps(x, nowhere), x)
    for offset in (torch.tensor(7.0), torch.tensor(7.0, dtype=dtype)):
        marked = add_offset(x, nowhere, offset)
        assert marked.dtype == dtype
        assert torch.equal(marked, add_offset(x, None, offset))
    plain, marked = InstanceNorm()(x, None, filled.mean), InstanceNorm()(x, nowhere)
    assert torch.equal(plain[0], marked[0])
    for name, value in vars(plain[1]).items():
        assert torch.equal(getattr(marked[1], name), value), name


def test_infinite_values_are_no_gaps():
    x = torch.tensor([[[torch.inf], [-torch.inf], [1.0]]])
    assert torch.equal(fill_gaps(x).values, x)


def test_an_offset_has_a_gradient_whether_there_are_gaps_or_not():
    offset = torch.tensor(7.0, requires_grad=True)
    marks = torch.tensor([[[True], [False], [True]]])
    for marked, gradient in ((None, 0.0), (marks, 2.0)):
        (found,) = torch.autograd.grad(add_offset(torch.zeros(1, 3, 1), marked, offset).sum(), offset)
        assert found.item() == gradient


@settings(max_examples=25, deadline=None, derandomize=True)
@given(share=st.floats(0, 1), seed=st.integers(0, 99), length=st.sampled_from([1, 2, 7, 13]))
def test_statistics_are_those_of_the_observed_values(share, seed, length):
    x = holed(1, length, 1, share, seed)
    filled = fill_gaps(x)
    normalised, statistics = InstanceNorm()(filled.values, filled.missing)
    assert normalised.isfinite().all()
    observed = x[~x.isnan()]
    if observed.numel():
        torch.testing.assert_close(statistics.mean.squeeze(), observed.mean())
        variance = observed.var(correction=0)
        torch.testing.assert_close(statistics.spread.squeeze(), variance.sqrt(), rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(statistics.magnitude.squeeze(), observed.abs().mean())


def test_statistics_of_a_long_window_in_bfloat16_are_not_rounded_away():
    x = holed(1, 1201, 1, 0.4).bfloat16()
    filled = fill_gaps(x)
    _, statistics = InstanceNorm()(filled.values, filled.missing)
    observed = x[~x.isnan()].float()
    assert statistics.spread.item() == pytest.approx(observed.std(correction=0).item(), rel=0.02)


def test_gaps_of_covariates_are_filled_and_marked():
    layer = MissingCovariates(n_past=2, n_future=1)
    window = Window(
        target=torch.zeros(1, 3, 1),
        past=torch.tensor([[[1.0, NAN], [3.0, 8.0], [NAN, 8.0]]]),
        historic_future=torch.tensor([[[2.0], [NAN], [4.0]]]),
        future=torch.tensor([[[6.0], [NAN]]]),
    )
    with torch.no_grad():
        layer.past_offset += torch.tensor([10.0, 20.0])
        layer.future_offset += 100
    out = layer(window)
    assert out.past.tolist() == [[[1.0, 28.0], [3.0, 8.0], [13.0, 8.0]]]
    assert out.historic_future.tolist() == [[[2.0], [103.0], [4.0]]]
    assert out.future.tolist() == [[[6.0], [106.0]]]
    assert window.past[0, 0, 1].isnan()


def test_windows_without_covariates_pass_unchanged():
    window = Window(target=torch.zeros(1, 3, 1))
    assert MissingCovariates(0, 0)(window) == window
    assert list(MissingCovariates(0, 0).parameters()) == []


@pytest.mark.parametrize("level", [0.1, 123456.7, 1000000.3])
def test_gaps_of_a_constant_window_are_filled_with_exactly_its_value(level):
    gaps = holed(11, 97, 3, 0.3).isnan()
    x = torch.full(gaps.shape, level).masked_fill(gaps, NAN)
    filled = fill_gaps(x)
    assert filled.missing.any()
    assert (filled.values == torch.tensor(level)).all()


def bridged_naively(x: torch.Tensor) -> torch.Tensor:
    """Draw the lines one window and component at a time."""
    out = x.clone().double().numpy()
    for b, c in np.ndindex(x.shape[0], x.shape[2]):
        line, observed = out[b, :, c], np.flatnonzero(~np.isnan(out[b, :, c]))
        mean = line[observed].mean() if len(observed) else 0
        line[:] = np.interp(np.arange(len(line)), observed, line[observed], left=mean) if len(observed) else mean
    return torch.from_numpy(out)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("length", [1, 2, 13, 97])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05)]
)
def test_gaps_are_bridged_as_one_by_one(length, share, dtype, tolerance):
    x = holed(5, length, 3, share).to(dtype)
    filled = fill_gaps(x)
    bridged = bridge_gaps(filled.values, filled.missing)
    assert bridged.dtype == dtype
    torch.testing.assert_close(bridged.double(), bridged_naively(x), rtol=tolerance, atol=tolerance)
    assert torch.equal(bridged[~x.isnan()], x[~x.isnan()])


def test_the_gradient_of_a_gap_reaches_its_neighbours():
    x = torch.tensor([[[1.0], [9.0], [9.0], [4.0], [9.0]]], requires_grad=True)
    bridge_gaps(x, torch.tensor([[[False], [True], [True], [False], [True]]])).sum().backward()
    torch.testing.assert_close(x.grad.flatten(), torch.tensor([2.0, 0.0, 0.0, 3.0, 0.0]))


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_compiled_network_which_does_not_look_for_gaps_sees_the_same(share, monkeypatch):
    x = holed(5, 13, 3, share)
    filled = fill_gaps(x)
    monkeypatch.setattr(missing, "is_traced", lambda: True)
    unseen = fill_gaps(x)
    assert torch.equal(unseen.missing, x.isnan())
    assert torch.equal(unseen.values, filled.values)
    assert torch.equal(unseen.mean, filled.mean)
    assert torch.equal(bridge_gaps(unseen.values, unseen.missing), bridge_gaps(filled.values, filled.missing))


@pytest.mark.parametrize("level", [0.1, 123456.7, 1000000.3])
def test_gaps_of_a_constant_window_are_bridged_at_exactly_its_value(level):
    gaps = holed(11, 97, 3, 0.3).isnan()
    filled = fill_gaps(torch.full(gaps.shape, level).masked_fill(gaps, NAN))
    assert (bridge_gaps(filled.values, filled.missing) == torch.tensor(level)).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_long_line_is_rounded_only_once(dtype):
    truth = torch.arange(1001.0)[None, :, None] / 100
    ends = truth.clone()
    ends[:, 1:-1] = NAN
    filled = fill_gaps(ends.to(dtype))
    assert torch.equal(bridge_gaps(filled.values, filled.missing), truth.to(dtype))


def test_a_window_does_not_depend_on_gaps_of_another():
    x = holed(2, 13, 3, 0.0)
    with_mate = x.clone()
    with_mate[1, 3:5] = NAN
    filled = fill_gaps(with_mate)
    assert torch.equal(bridge_gaps(filled.values, filled.missing)[0], x[0])


def test_the_line_of_a_future_covariate_knows_the_steps_between_look_back_and_horizon():
    ramp = torch.arange(19.0)[None, :, None]
    known, later = ramp[:, :5].clone(), ramp[:, 12:]
    known[:, 3:] = NAN
    layer = MissingCovariates(n_past=0, n_future=1, output_shift=7)
    out = layer(Window(target=torch.zeros(1, 5, 1), historic_future=known, future=later))
    torch.testing.assert_close(out.historic_future, ramp[:, :5])
    assert torch.equal(out.future, later)
