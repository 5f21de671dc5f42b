"""At home in Darts: backtests, ensembles, conformal wrappers, encoders, weights, fine-tuning."""

import fnmatch

import numpy as np
import pytest
import torch
import torchmetrics
from darts.metrics import mae
from darts.models import ConformalNaiveModel, ExponentialSmoothing, NaiveEnsembleModel, RegressionEnsembleModel

from tests.contracts.cases import CASE, KINDS, MAIN, Case, H, each_model, every_model, fitted, make_data, some_models


@each_model
@pytest.mark.parametrize(("kinds", "horizon"), [((), H), (KINDS, H - 2)], ids=["none", "all"])
def test_optimised_historical_forecasts_equal_plain_ones(case: Case, kinds, horizon):
    model, data = fitted(case, 3, kinds), make_data(3, kinds)
    fast, plain = (
        model.historical_forecasts(
            data.series,
            start=data.series.time_index[31],
            forecast_horizon=horizon,
            stride=3,
            retrain=False,
            last_points_only=False,
            enable_optimization=optimised,
            verbose=False,
            **data.covariates(),
        )
        for optimised in (True, False)
    )
    assert len(fast) == len(plain) > 5
    for a, b in zip(fast, plain, strict=True):
        assert a.start_time() == b.start_time()
        np.testing.assert_allclose(a.values(), b.values(), rtol=1e-5, atol=1e-5)


@some_models
def test_historical_forecasts_with_retraining(case: Case):
    data = make_data(1)
    forecasts = case.model().historical_forecasts(
        data.series, start=-3, forecast_horizon=2, retrain=True, verbose=False, **data.covariates()
    )
    assert np.isfinite(forecasts.values()).all()


@some_models
def test_backtest_and_residuals(case: Case):
    model, data = fitted(case), make_data()
    arguments = {"forecast_horizon": 3, "retrain": False, "verbose": False, **data.covariates()}
    error = model.backtest(data.series, start=-9, metric=mae, **arguments)
    residuals = model.residuals(data.series, start=-9, **arguments)
    assert np.isfinite(error)
    assert residuals.n_components == 3


@some_models
def test_gridsearch(case: Case):
    data = make_data(1, ())
    arguments = {"dropout": [0.0, 0.3], "input_chunk_length": [13], "output_chunk_length": [H]}
    fixed = {name: [value] for name, value in case.model().model_params.items() if name not in arguments}
    best, parameters, error = case.model_class.gridsearch(
        arguments | fixed, series=data.series[:35], val_series=data.series[35 : 35 + H], metric=mae
    )
    assert isinstance(best, case.model_class)
    assert parameters["dropout"] in (0.0, 0.3)
    assert np.isfinite(error)


@each_model
def test_monte_carlo_dropout_gives_a_spread_and_leaves_none_behind(case: Case):
    model, data = fitted(case, dropout=0.4), make_data()
    before = model.predict(H, **data.covariates()).values()
    samples = model.predict(H, num_samples=7, mc_dropout=True, **data.covariates())
    assert samples.n_samples == 7
    assert (samples.all_values().std(axis=-1) > 0).all()
    np.testing.assert_array_equal(model.predict(H, **data.covariates()).values(), before)


@some_models
@pytest.mark.parametrize(("use_instance_norm", "darts_norm"), [(True, True), (False, {"affine": False})])
def test_reversible_instance_norm_of_darts(case: Case, use_instance_norm, darts_norm):
    data = make_data()
    model = case.model(use_instance_norm=use_instance_norm, use_reversible_instance_norm=darts_norm)
    raised = model.fit(data.series, **data.covariates()).predict(H, data.series + 1000, **data.covariates())
    plain = model.predict(H, data.series, **data.covariates())
    np.testing.assert_allclose(raised.values(), plain.values() + 1000, atol=0.05)


@every_model
def test_without_instance_norm(case: Case):
    data = make_data()
    model = case.model(use_instance_norm=False).fit(data.series, **data.covariates())
    assert model.model.forecaster.instance_norm is None
    assert np.isfinite(model.predict(H, **data.covariates()).values()).all()


@some_models
def test_sample_weights_change_what_is_learnt(case: Case):
    data = make_data(3, ())
    plain = case.model().fit(data.series).predict(H).values()
    decay = case.model().fit(data.series, sample_weight="exponential").predict(H).values()
    assert np.abs(plain - decay).max() > 1e-6
    some = data.series.with_values((np.arange(53)[:, None] % 5 < [1, 2, 3]).astype(np.float32))
    weighted = case.model().fit(data.series, sample_weight=some, val_series=data.series, val_sample_weight=some)
    assert np.isfinite(weighted.predict(H).values()).all()


@some_models
def test_encoders(case: Case):
    data = make_data(2, ())
    encoders = {"cyclic": {"future": ["dayofweek"]}, "position": {"past": ["relative"]}}
    model = case.model(add_encoders=encoders).fit(data.series)
    assert model.uses_past_covariates
    assert model.uses_future_covariates
    assert np.isfinite(model.predict(2 * H).values()).all()


@some_models
def test_fine_tuning_moves_only_what_is_not_frozen(case: Case, tmp_path):
    data = make_data(3, ())
    case.model().fit(data.series).save(str(tmp_path / "saved.pt"))
    tuned = case.model(enable_finetuning={"unfreeze": ["*head*"]}, optimizer_kwargs={"lr": 0.1})
    tuned.load_weights(str(tmp_path / "saved.pt"))
    before = {name: p.detach().clone() for name, p in tuned.model.named_parameters()}
    tuned.fit(data.series)
    moved = {name for name, p in tuned.model.named_parameters() if not torch.equal(p, before[name])}
    heads = set(fnmatch.filter(before, "*head*"))
    assert heads
    assert moved == heads


@some_models
def test_metrics_are_logged_while_training(case: Case):
    data = make_data(3, ())
    drawn = {"train_variates": 2} if case.draws_variates else {}
    model = case.model(torch_metrics=torchmetrics.MeanAbsoluteError(), **drawn)
    model.fit(data.series, val_series=data.series)
    logged = model.trainer.logged_metrics
    assert {"train_MeanAbsoluteError", "val_MeanAbsoluteError"} <= set(logged)
    assert all(torch.isfinite(value) for value in logged.values())


@pytest.mark.parametrize(
    ("case", "train_variates"),
    [(case, 2) for case in MAIN if case.draws_variates] + [(CASE["PatchTSTModel"], 0.5)],
    ids=lambda one: one.name if isinstance(one, Case) else str(one),
)
def test_training_on_a_draw_of_the_variates(case: Case, train_variates):
    data = make_data()
    model = case.model(train_variates=train_variates).fit(data.series, sample_weight="linear", **data.covariates())
    assert model.predict(H, **data.covariates()).shape == (H, 3, 1)


@some_models
def test_in_a_naive_ensemble(case: Case):
    data = make_data(1, ())
    ensemble = NaiveEnsembleModel([case.model(), ExponentialSmoothing(trend=None, seasonal=None)])
    forecast = ensemble.fit(data.series).predict(H)
    assert forecast.shape == (H, 1, 1)


@some_models
def test_in_a_regression_ensemble(case: Case):
    data = make_data(1, ())
    parts = [case.model(), ExponentialSmoothing(trend=None, seasonal=None)]
    ensemble = RegressionEnsembleModel(parts, regression_train_n_points=11)
    assert np.isfinite(ensemble.fit(data.series).predict(H).values()).all()


@some_models
def test_in_a_conformal_model(case: Case):
    data = make_data(1, ())
    conformal = ConformalNaiveModel(fitted(case, 1, ()), quantiles=[0.1, 0.5, 0.9], cal_length=11)
    forecast = conformal.predict(H, series=data.series, predict_likelihood_parameters=True).values()
    assert (forecast[:, 0] <= forecast[:, 1]).all()
    assert (forecast[:, 1] <= forecast[:, 2]).all()
    assert (forecast[:, 0] < forecast[:, 2]).all()
