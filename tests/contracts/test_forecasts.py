"""Shapes, times and values of forecasts, for every model."""

import numpy as np
import pytest
from darts import TimeSeries
from darts.metrics import mae
from darts.models import NaiveSeasonal

import darts_tsformers
from darts_tsformers.attention import attention_names
from tests.contracts import checks
from tests.contracts.cases import (
    CASES,
    KINDS,
    MAIN,
    Case,
    H,
    L,
    each_model,
    every_forecast,
    every_model,
    fitted,
    make_data,
    some_models,
)


def test_every_public_forecaster_is_under_contract():
    assert {case.model_class.__name__ for case in CASES} == set(darts_tsformers.__all__)
    assert len({case.name for case in CASES}) == len(CASES)


@every_model
@pytest.mark.parametrize(
    ("kinds", "n_components"),
    [((), 1), (KINDS, 3)],
    ids=["none-1", "all-3"],
)
def test_shape_and_time_of_a_forecast(case: Case, kinds, n_components):
    model, data = fitted(case, n_components, kinds), make_data(n_components, kinds)
    for n in (H - 2, H, H + 3, 3 * H + 1):
        forecast = model.predict(n, **data.covariates())
        assert forecast.shape == (n, n_components, 1)
        assert list(forecast.components) == list(data.series.components)
        assert forecast.start_time() == data.series.end_time() + data.series.freq
        assert np.isfinite(forecast.values()).all()


@each_model
@pytest.mark.parametrize(("kind", "n_components"), [("past", 3), ("future", 1), ("static", 3)])
def test_one_kind_of_covariates_alone(case: Case, kind, n_components):
    data = make_data(n_components, (kind,))
    forecast = fitted(case, n_components, (kind,)).predict(H + 3, **data.covariates())
    assert forecast.shape == (H + 3, n_components, 1)
    assert np.isfinite(forecast.values()).all()


@each_model
def test_output_chunk_shift(case: Case):
    data = make_data()
    forecast = case.model(output_chunk_shift=2).fit(data.series, **data.covariates()).predict(H, **data.covariates())
    assert forecast.start_time() == data.series.end_time() + 3 * data.series.freq
    assert np.isfinite(forecast.values()).all()


@each_model
@pytest.mark.parametrize(("look_back", "horizon", "n_components"), [(1, 1, 1), (1, 7, 3), (5, 11, 1), (7, 1, 3)])
def test_any_lengths(case: Case, look_back, horizon, n_components):
    data = make_data(n_components)
    overrides = case.short if look_back == 1 else {}
    model = case.model(look_back, horizon, **overrides).fit(data.series, **data.covariates())
    forecast = model.predict(horizon + 2, **data.covariates())
    assert forecast.shape == (horizon + 2, n_components, 1)
    assert np.isfinite(forecast.values()).all()


@some_models
def test_range_index(case: Case):
    data = make_data(index="range")
    forecast = case.model().fit(data.series, **data.covariates()).predict(H + 2, **data.covariates())
    assert list(forecast.time_index) == [data.series.end_time() + 3 * (i + 1) for i in range(H + 2)]


@some_models
def test_several_series_at_once_are_forecast_as_each_alone(case: Case):
    panel = [make_data(seed=seed, length=length) for seed, length in [(0, 53), (1, 41), (2, 67)]]
    series = [data.series for data in panel]
    covariates = {
        "past_covariates": [data.past_covariates for data in panel],
        "future_covariates": [data.future_covariates for data in panel],
    }
    model = case.model().fit(series, **covariates)
    together = model.predict(H + 3, series, **covariates)
    one_by_one = model.predict(H + 3, series, batch_size=1, **covariates)
    for i, data in enumerate(panel):
        alone = model.predict(H + 3, data.series, **data.covariates())
        np.testing.assert_allclose(together[i].values(), alone.values(), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(one_by_one[i].values(), alone.values(), rtol=1e-5, atol=1e-5)


@some_models
def test_statics_of_one_series_leave_the_others_alone(case: Case):
    a, b = make_data(seed=0), make_data(seed=1)
    covariates = {
        "past_covariates": [a.past_covariates, b.past_covariates],
        "future_covariates": [a.future_covariates, b.future_covariates],
    }
    model = case.model().fit([a.series, b.series], **covariates)
    moved = b.series.with_static_covariates(b.series.static_covariates + 2)
    before = model.predict(H, [a.series, b.series], **covariates)
    after = model.predict(H, [a.series, moved], **covariates)
    np.testing.assert_array_equal(before[0].values(), after[0].values())
    assert np.abs(before[1].values() - after[1].values()).max() > 1e-6


@each_model
def test_statics_may_be_one_row_for_all_components(case: Case):
    data = make_data(3, ("past", "future"))
    one_row = data.series.with_static_covariates(make_data(1).series.static_covariates)
    forecast = case.model().fit(one_row, **data.covariates()).predict(H, **data.covariates())
    assert forecast.shape == (H, 3, 1)


@some_models
def test_statics_can_be_left_out(case: Case):
    data = make_data()
    model = case.model(use_static_covariates=False).fit(data.series, **data.covariates())
    moved = data.series.with_static_covariates(data.series.static_covariates + 2)
    before, after = (model.predict(H, series, **data.covariates()) for series in (data.series, moved))
    np.testing.assert_array_equal(before.values(), after.values())


@each_model
def test_the_same_seed_gives_the_same_model(case: Case):
    data = make_data()
    again = case.model().fit(data.series, **data.covariates())
    first, second = (model.predict(H, **data.covariates()) for model in (fitted(case), again))
    np.testing.assert_array_equal(first.values(), second.values())


@every_model
@pytest.mark.parametrize(
    "check",
    [
        checks.forecast_is_the_same_twice,
        checks.forecast_does_not_depend_on_batch_mates,
        checks.each_covariate_changes_the_forecast,
        checks.the_known_future_reaches_the_step_it_belongs_to,
        checks.the_future_never_leaks,
        checks.later_values_do_not_move_earlier_forecasts,
        checks.inputs_are_never_written_to,
    ],
    ids=lambda check: check.__name__,
)
@pytest.mark.usefixtures("checked")
def test_promise(case: Case, check):
    check(case)


@pytest.mark.parametrize("case", [case for case in CASES if case.leaves_out_start], ids=lambda case: case.name)
def test_what_comes_before_a_history_is_not_read(case: Case):
    checks.what_comes_before_a_history_is_not_read(case)


@every_forecast
def test_a_step_of_no_weight_does_not_count(case: Case):
    """Of models that draw paths what is learnt at a step rests on all steps of the horizon."""
    checks.a_step_of_no_weight_does_not_count(case)


@every_model
@pytest.mark.parametrize("n_components", [1, 3])
def test_every_parameter_gets_a_gradient(case: Case, n_components):
    checks.every_parameter_gets_a_gradient(case, n_components)


@each_model
def test_learns_a_noisy_sine_with_trend_better_than_the_naive_season(case: Case):
    steps = np.arange(400)
    noise = np.random.default_rng(0).normal(scale=0.3, size=400)
    values = 2 * np.sin(2 * np.pi * steps / 12) + 0.05 * steps + noise
    series = TimeSeries.from_values(values.astype(np.float32))
    train, test = series[:-60], series[-96:]
    arguments = {"n_epochs": 16, "batch_size": 32, "dropout": 0.0, "optimizer_kwargs": {"lr": 8e-3}}
    width = {"d_model": 16} if case.takes("d_model") else {}
    model = case.model(36, 12, **arguments, **width, **case.to_learn)
    model.fit(train)
    windows = {"start": 340, "forecast_horizon": 12, "stride": 12, "last_points_only": False, "verbose": False}
    ours = model.historical_forecasts(test, retrain=False, **windows)
    naive = NaiveSeasonal(12).historical_forecasts(test, **windows)
    assert [forecast.start_time() for forecast in ours] == [340, 352, 364, 376, 388]
    assert [forecast.start_time() for forecast in naive] == [340, 352, 364, 376, 388]
    assert np.mean(mae([test] * 5, ours)) < 0.7 * np.mean(mae([test] * 5, naive))


@pytest.mark.parametrize("case", [case for case in MAIN if case.takes("attention")], ids=lambda case: case.name)
@pytest.mark.parametrize(
    "attention",
    ["full", "log_sparse", ("log_sparse", {"pattern": "local"}), "prob_sparse", "auto_correlation"],
    ids=str,
)
def test_any_mechanism_serves_any_model_or_is_refused(case: Case, attention):
    data = make_data()
    if str(attention) in case.refuses:
        with pytest.raises(ValueError, match=f"attention='{attention}' .*{case.refuses[attention]}"):
            case.model(29, 5, attention=attention)
        return
    model = case.model(29, 5, attention=attention).fit(data.series, **data.covariates())
    first, second = (model.predict(H + 2, **data.covariates()).values() for _ in range(2))
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, second)


def test_every_registered_mechanism_is_tried():
    assert {"auto_correlation", "full", "log_sparse", "prob_sparse"} <= set(attention_names())


def test_sizes_of_the_suite_are_unequal():
    assert len({L, H, 3, 2}) == 4
