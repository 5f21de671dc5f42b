"""Forecasts of any model, refined by a diffusion."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import torch
from darts.models import ExponentialSmoothing, NaiveSeasonal
from darts.utils.data.torch_datasets.utils import ModuleStage, PLModuleInput

from darts_tsformers.models import TSDiffModel
from darts_tsformers.networks import Noise
from darts_tsformers.refinement import refine
from darts_tsformers.window import Window
from tests.contracts.cases import CASE, H, L, fitted, make_data

TSDIFF = CASE["TSDiffModel"]


@cache
def base(n_components: int = 1, num_samples: int = 1):
    series = make_data(n_components, ()).series
    model = ExponentialSmoothing(trend=None, seasonal=None) if num_samples > 1 else NaiveSeasonal(7)
    return model.fit(series).predict(H, **({"num_samples": num_samples} if num_samples > 1 else {}))


def model(n_components: int = 1, **overrides) -> TSDiffModel:
    return fitted(TSDIFF, n_components, (), **overrides)


@pytest.mark.parametrize("method", ["most_likely", "langevin"])
def test_a_forecast_without_samples_spreads_and_stays_near(method):
    series, given = make_data(3, ()).series, base(3)
    refined = refine(model(3), series, given, method=method, num_samples=9)
    again, other = (refine(model(3), series, given, method=method, num_samples=9, random_state=i) for i in (0, 1))
    assert refined.shape == (H, 3, 9)
    assert refined.time_index.equals(given.time_index)
    assert list(refined.components) == list(given.components)
    np.testing.assert_array_equal(refined.all_values(), again.all_values())
    assert not np.isclose(refined.all_values(), other.all_values()).all()
    assert (refined.all_values().std(axis=-1) > 0).all()
    assert np.abs(refined.all_values() - given.all_values()).max() < 5


def test_samples_are_refined_in_order():
    series, given = make_data(1, ()).series, base(1, 11)
    shuffled = given.with_values(given.all_values()[..., ::-1].copy())
    ours, theirs = (refine(model(), series, one) for one in (given, shuffled))
    assert ours.n_samples == 11
    np.testing.assert_array_equal(ours.all_values(), theirs.all_values())


def test_a_path_is_refined_as_the_network_does_it():
    tsdiff, series, given = model(3), make_data(3, ()).series, base(3)
    refined = refine(tsdiff, series, given, num_samples=4, n_iterations=3, rate=0.05, step=2)
    forecaster = tsdiff.model.forecaster.eval()
    window = PLModuleInput(past_target=torch.from_numpy(series.values()[None, -L:]), stage=ModuleStage.PREDICT)
    seen, statistics = forecaster.instance_norm(window.past_target)
    start = statistics.normalised(torch.from_numpy(given.values()[None]))
    for number in range(4):
        noise = Noise(range(number, number + 1), n_paths=4, seed=0, windows=seen)
        path = forecaster.network.refine(Window(seen), start, noise, step=2, n_iterations=3, rate=0.05, noise_scale=0.0)
        expected = (path * statistics.spread + statistics.level).detach().numpy()[0]
        np.testing.assert_allclose(refined.all_values()[..., number], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("norm", [{"use_instance_norm": "magnitude"}, {"use_reversible_instance_norm": True}], ids=str)
def test_it_follows_the_scale_of_the_data(norm):
    tsdiff, series, given = model(1, **norm), make_data(1, ()).series, base()
    refined = refine(tsdiff, series, given, num_samples=5).all_values()
    larger = refine(tsdiff, series * 10, given * 10, num_samples=5).all_values()
    np.testing.assert_allclose(larger, refined * 10, rtol=1e-2, atol=1e-2)


def test_covariates_and_encoders_are_given_to_the_network():
    data = make_data(1)
    tsdiff = TSDIFF.model(add_encoders={"cyclic": {"future": ["dayofweek"]}}).fit(data.series, **data.covariates())
    given = base().with_values(base().values())
    refined, moved = (
        refine(tsdiff, data.series, given, **data.covariates() | {"past_covariates": past}, num_samples=3)
        for past in (data.past_covariates, data.past_covariates + 3)
    )
    assert np.isfinite(refined.all_values()).all()
    assert not np.isclose(refined.all_values(), moved.all_values(), rtol=1e-7).all()


def test_a_shifted_forecast_begins_later():
    series = make_data(1, ()).series
    tsdiff = TSDIFF.model(output_chunk_shift=2).fit(series)
    later = base().shift(2)
    assert refine(tsdiff, series, later, num_samples=3).start_time() == series.end_time() + 3 * series.freq
    with pytest.raises(ValueError, match="base_forecast must be of 5 steps from"):
        refine(tsdiff, series, base())


def test_a_gap_in_the_look_back_is_no_obstacle():
    series = make_data(1, ()).series
    values = series.values(copy=True)
    values[-6:-3] = np.nan
    assert np.isfinite(refine(model(), series.with_values(values), base(), num_samples=3).all_values()).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "hmc"}, "method='hmc' must be one of"),
        ({"num_samples": 0}, "num_samples=0 must be an integer of at least 1"),
        ({"n_iterations": 0}, "n_iterations=0 must be an integer of at least 1"),
        ({"step": 20}, "step=20 must be from 0 to 19"),
        ({"rate": 0.0}, "rate=0.0 must be above 0, and noise_scale=0.1 at least 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        refine(model(), make_data(1, ()).series, base(), **options)


def test_what_does_not_fit_is_refused():
    series = make_data(1, ()).series
    with pytest.raises(ValueError, match=f"base_forecast must be of {H} steps from {pd.Timestamp('2001-04-27')} on"):
        refine(model(), series, base()[:-1])
    with pytest.raises(ValueError, match="base_forecast has 3 components, but series has 1"):
        refine(model(), series, base(3))
    with pytest.raises(TypeError, match="must be a forecaster of darts_tsformers"):
        refine(NaiveSeasonal(7), series, base())
    with pytest.raises(ValueError, match="must be fitted first"):
        refine(TSDIFF.model(), series, base())
    with pytest.raises(ValueError, match=r"model=PatchTSTModel\(...\) must be a diffusion: it refines no forecasts"):
        refine(fitted(CASE["PatchTSTModel"], 1, ()), series, base())
