import logging
import os
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.metrics import mae, mase, rmse
from darts.models import ExponentialSmoothing, NaiveSeasonal
from darts.models import Theta as DartsTheta
from darts.utils.utils import SeasonalityMode

from darts_tsformers.workflow import DataError, Table, compare, read_table
from darts_tsformers.workflow.baselines import SeasonalNaive, Smoothing, Theta
from darts_tsformers.workflow.checks import require_finite
from darts_tsformers.workflow.ensemble import RegressionEnsemble, best_of, members_of
from darts_tsformers.workflow.names import BESIDE, ENSEMBLE
from darts_tsformers.workflow.process import quiet_libraries
from darts_tsformers.workflow.scaling import Scalers
from darts_tsformers.workflow.scores import score
from tests.helpers import exactly
from tests.workflow.conftest import TINY, weekly_wave

MODELS = ["PatchTSTModel", *BESIDE, ENSEMBLE]


def test_the_scores_have_a_row_for_each_model(comparison):
    assert list(comparison.scores.index) == MODELS
    assert list(comparison.scores.columns) == ["MAE", "RMSE", "MASE", "seconds"]
    assert np.isfinite(comparison.scores).all(axis=None)
    assert (comparison.scores["seconds"] > 0).all()


def test_all_models_forecast_the_same_windows(comparison, table):
    rows = comparison.settings.split.test_windows
    assert len(rows) == 3
    for backtests in comparison.backtests.values():
        assert [window.start_time() for window in backtests] == [table.target.time_index[row] for row in rows]
        assert all(window.shape == (5, 2, 1) for window in backtests)
    assert comparison.backtests["NaiveSeasonal"][-1].end_time() == table.target.end_time()


def test_the_baselines_know_all_rows_before_a_window_and_none_after(comparison, table):
    for window in comparison.backtests["NaiveSeasonal"]:
        history = table.target.drop_after(window.start_time())
        assert window == NaiveSeasonal(7).fit(history).predict(5)


def test_the_scores_are_those_of_darts(comparison, table):
    for name, backtests in comparison.backtests.items():
        truth = [table.target] * len(backtests)
        before = [table.target.drop_after(window.start_time()) for window in backtests]
        assert comparison.scores.loc[name, "MAE"] == pytest.approx(np.mean(mae(truth, backtests)), rel=1e-5)
        assert comparison.scores.loc[name, "MASE"] == pytest.approx(
            np.mean(mase(truth, backtests, before, m=7)), rel=1e-4
        )
        pooled = np.sqrt(np.mean(np.square(rmse(truth, backtests, component_reduction=None)), axis=0)).mean()
        assert comparison.scores.loc[name, "RMSE"] == pytest.approx(pooled, rel=1e-5)


def test_a_history_without_seasonal_change_has_no_mase():
    target = TimeSeries.from_values(np.array([1.0, 2.0] * 10 + [3.0, 3.0]))
    found = score([TimeSeries.from_times_and_values(target.time_index[-2:], np.ones(2))], target, season=2)
    assert found["MAE"] == 2
    assert np.isnan(found["MASE"])


def test_the_forecast_starts_after_the_last_known_target(comparison, table):
    assert list(comparison.forecasts) == MODELS
    for forecast in comparison.forecasts.values():
        assert forecast.start_time() == table.target.end_time() + pd.Timedelta("1D")
        assert len(forecast) == 5
        assert list(forecast.components) == ["sales", "returns"]


def test_the_forecast_is_in_the_units_of_the_data(comparison, table):
    low, high = table.target.values().min(), table.target.values().max()
    for forecast in comparison.forecasts.values():
        assert (forecast.values() > low - 5).all()
        assert (forecast.values() < high + 5).all()


def test_the_point_forecast_is_the_median_and_quantiles_do_not_cross(comparison):
    assert comparison.settings.quantiles == (0.1, 0.5, 0.9)
    assert comparison.forecast_quantiles[0.5] == comparison.forecast
    assert comparison.backtest_quantiles[0.5] == comparison.backtests[comparison.best]
    for low, median, high in zip(*comparison.backtest_quantiles.values(), strict=True):
        assert (low.values() <= median.values()).all()
        assert (median.values() <= high.values()).all()
        assert (low.values() < high.values()).any()


def test_quantiles_of_a_model_that_forecasts_step_by_step_are_of_whole_paths():
    walk = Table(TimeSeries.from_values(np.random.default_rng(0).normal(size=300).cumsum()))
    arguments = {"quantiles": (0.1, 0.5, 0.9), "lookback": 20, "epochs": 4, "refit": False, "verbose": False}
    found = compare(walk, 16, "log_sparse", **arguments).forecast_quantiles
    width = (found[0.9] - found[0.1]).values().ravel()
    assert (width > 0).all()
    assert width[-4:].mean() > 1.2 * width[0]  # along one path they would stay as they are


def own_forecast(comparison, table, n_rows):
    """Forecast what comes after so many rows by the model inside."""
    scaled = comparison.scalers.transform(table).target[:n_rows]
    forecast = comparison.model.predict(5, series=scaled, verbose=False)
    return comparison.scalers.target.inverse_transform(forecast.astype(np.float64)).values()


@pytest.mark.parametrize("refit", [False, True])
def test_the_model_that_is_scored_is_kept_or_trained_again_on_all_rows(table, refit):
    found = compare(table, 5, "patchtst", lookback=14, epochs=2, model_arguments=TINY, refit=refit, verbose=False)
    scored, future = (own_forecast(found, table, n_rows) for n_rows in (80, 90))
    window = found.backtests["PatchTSTModel"][1]
    assert window.start_time() == table.target.time_index[80]
    assert np.allclose(scored, window.values(), rtol=1e-4) != refit
    np.testing.assert_allclose(future, found.forecasts["PatchTSTModel"].values(), rtol=1e-4)


def test_the_test_has_no_say_in_what_is_chosen(table):
    def chosen(target):
        found = compare(
            replace(table, target=target),
            5,
            "patchtst",
            epochs=1,
            model_arguments=TINY,
            quantiles=(0.1, 0.5, 0.9),
            refit=False,
            verbose=False,
        )
        return found.best, found.settings, found.weights, found.width, found.test_start

    values = table.target.values(copy=True)
    values[75:] = 100 + np.random.default_rng(0).normal(size=(15, 2))
    before, after = chosen(table.target), chosen(table.target.with_values(values))
    assert before == after
    assert before[-1] == table.target.time_index[75]


def test_the_scaling_knows_only_the_training_rows(table):
    scaled = Scalers.fit(table, 50).transform(table).target.values()
    np.testing.assert_allclose(scaled[:50].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled[:50].std(axis=0), 1, atol=1e-5)
    assert abs(scaled.mean(axis=0)).min() > 0.1


@pytest.mark.parametrize(("true", "found"), [((0.3, 0.7), (0.3, 0.7)), ((1.0, -0.5), (1, 0))])
def test_the_ensemble_finds_the_weights_of_a_mixture_but_none_below_zero(table, true, found):
    scaler = Scalers.fit(table, 50).target
    noise = np.random.default_rng(0).normal(size=(2, 40, 2)).astype(np.float32)
    a, b = (scaler.inverse_transform(table.target[:40].with_values(values)) for values in noise)
    mixture = RegressionEnsemble(scaler)
    mixture.weights = dict(zip("ab", true, strict=True))
    truth = mixture.combine({"a": a, "b": b})
    weights = RegressionEnsemble(scaler).fit({"a": [a[:20], a[20:]], "b": [b[:20], b[20:]]}, truth).weights
    assert weights == pytest.approx(dict(zip("ab", found, strict=True)), abs=0.15 if found[1] == 0 else 0.03)
    assert min(weights.values()) >= 0
    assert sum(weights.values()) == pytest.approx(1)


def test_the_ensemble_of_a_single_step_stays_near_the_mean_of_its_members(table):
    scaler = Scalers.fit(table, 50).target
    zero = scaler.inverse_transform(table.target[60:61].with_values(np.zeros((1, 2), dtype=np.float32)))
    weights = RegressionEnsemble(scaler).fit({"a": [zero * 1.01], "b": [zero * 0.99]}, table.target).weights
    assert weights == pytest.approx({"a": 0.5, "b": 0.5}, abs=0.2)


def noisy(table, scale, seed, n_windows):
    """Forecasts of as many windows of five rows, with an error of this scale."""
    noise = np.random.default_rng(seed).normal(scale=scale, size=(5 * n_windows, 2))
    series = table.target[: 5 * n_windows]
    series = series.with_values(series.values() + noise)
    return [series[5 * k : 5 * k + 5] for k in range(n_windows)]


def test_few_windows_keep_the_weights_near_each_other_and_many_do_not(table):
    def share_of_the_good(n_windows):
        forecasts = {"good": noisy(table, 0.3, 0, n_windows), "bad": noisy(table, 1, 1, n_windows)}
        return RegressionEnsemble(Scalers.fit(table, 50).target).fit(forecasts, table.target).weights["good"]

    assert 0.5 < share_of_the_good(1) < share_of_the_good(17) - 0.1
    assert share_of_the_good(17) > 0.8


def test_a_model_of_little_weight_is_left_out_and_one_of_all_weight_is_the_best(table):
    forecasts = {"bad": noisy(table, 50, 0, 17), "good": noisy(table, 0.01, 1, 17)}
    ensemble = RegressionEnsemble(Scalers.fit(table, 50).target).fit(forecasts, table.target)
    assert ensemble.weights == {"bad": 0, "good": 1}
    assert best_of(ensemble.weights) == "good"
    assert members_of(ensemble.weights) == []
    assert ensemble.combine({"good": table.target[:5]}).n_components == 2
    mix = {"a": 0.2, "b": 0.0, "c": 0.8}
    assert (best_of(mix), members_of(mix)) == ("RegressionEnsemble", ["c", "a"])


def test_theta_is_that_of_darts_with_seasons_that_fit_the_signs(table):
    positive = table.target
    low = positive.with_values(positive.values() - [12, 0])
    with quiet_libraries():
        found = Theta.choose(7)(low, 5)
    wanted = {"sales": SeasonalityMode.ADDITIVE, "returns": SeasonalityMode.MULTIPLICATIVE}
    for name, mode in wanted.items():
        with quiet_libraries():
            expected = DartsTheta(season_mode=mode, seasonality_period=7).fit(low[name]).predict(5)
        np.testing.assert_allclose(found[name].values(), expected.values())
    assert Theta.choose(1).period is None
    assert Theta.choose(201).period is None


def test_smoothing_takes_multiplicative_seasons_where_they_fit_better():
    step = np.arange(96)
    wave = 1 + 0.3 * np.sin(2 * np.pi * step / 12)
    values = np.stack([np.exp(0.02 * step) * wave, 0.02 * step + wave], axis=1).astype(np.float32)
    series = TimeSeries.from_times_and_values(pd.date_range("2000", periods=96, freq="MS"), values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forecast = Smoothing.choose(12, series[:84])(series[:84], 12)
        additive = ExponentialSmoothing(seasonal_periods=12).fit(series["0"][:84]).predict(12)
    assert mae(series["0"], forecast["0"]) < 0.5 * mae(series["0"], additive)
    assert mae(series["1"], forecast["1"]) < 1e-4


def test_smoothing_goes_on_where_a_later_value_is_not_positive():
    step = np.arange(96)
    values = np.exp(0.02 * step) * (1 + 0.3 * np.sin(2 * np.pi * step / 12))
    values[90] = 0
    series = TimeSeries.from_times_and_values(pd.date_range("2000", periods=96, freq="MS"), values.astype(np.float32))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        forecast = Smoothing.choose(12, series[:84])(series, 12)
        additive = ExponentialSmoothing(seasonal=SeasonalityMode.ADDITIVE, seasonal_periods=12).fit(series).predict(12)
    np.testing.assert_allclose(forecast.values(), additive.values())


def test_the_same_seed_gives_the_same_forecast_and_another_seed_another(table):
    def forecast(seed):
        found = compare(table, 5, "itransformer", lookback=7, epochs=2, seed=seed, model_arguments=TINY, verbose=False)
        return found.forecasts, found.scores.drop(columns="seconds")

    (first, scores), (again, scores_again), (other, _) = forecast(1), forecast(1), forecast(2)
    assert first == again
    pd.testing.assert_frame_equal(scores, scores_again)
    assert first["ITransformerModel"] != other["ITransformerModel"]


def test_a_future_covariate_is_used(write):
    rng = np.random.default_rng(0)
    known = rng.integers(0, 2, size=150)
    frame = weekly_wave(150).assign(promo=known, sales=1.0 + 5.0 * known + 0.1 * rng.normal(size=150))
    frame.loc[147:, "sales"] = np.nan
    path = write(frame[["day", "sales", "promo"]])
    arguments = {
        "lookback": 10,
        "epochs": 30,
        "refit": False,
        "verbose": False,
        "model_arguments": TINY | {"optimizer_kwargs": {"lr": 1e-2}},
    }
    told = compare(read_table(path, future_covariates="promo"), 3, "itransformer", **arguments)
    untold = compare(
        replace(read_table(path, future_covariates="promo"), future_covariates=None), 3, "itransformer", **arguments
    )
    name = "ITransformerModel"
    assert told.scores.loc[name, "MAE"] < 0.6 * untold.scores.loc[name, "MAE"]
    assert np.corrcoef(told.forecasts[name].values().ravel(), known[147:])[0, 1] > 0.9
    assert told.weights[name] == max(told.weights.values())


def test_a_past_covariate_reaches_the_model(write):
    table = read_table(write(weekly_wave()), target="sales", past_covariates=["returns", "weekday"])
    found = compare(table, 4, "patchtst", lookback=8, epochs=1, model_arguments=TINY, refit=False, verbose=False)
    assert found.model.uses_past_covariates
    assert np.isfinite(found.forecast.values()).all()


def test_a_covariate_that_ends_too_early_is_refused_by_name(write):
    frame = weekly_wave()
    frame.loc[85:, ["sales", "returns"]] = np.nan
    frame.loc[88:, "weekday"] = np.nan
    frame["holiday"] = 1.0
    table = read_table(write(frame), target="sales", future_covariates=["holiday", "weekday"])
    message = (
        "future covariate 'weekday' is known until 2024-03-28 00:00:00, a horizon of 4 needs it until 2024-03-29 "
        "00:00:00: add rows with empty targets, or shorten the horizon"
    )
    with pytest.raises(DataError, match=exactly(message)):
        compare(table, 4, verbose=False)


def test_a_constant_target_is_refused_by_name(table):
    constant = table.target.with_values(table.target.values() * [1, 0] + [0, 4])
    message = "target 'returns' is constant, 4 in all rows: there is nothing to forecast"
    with pytest.raises(DataError, match=exactly(message)):
        compare(Table(constant), 5, verbose=False)


def test_a_training_that_diverges_is_reported(table):
    arguments = TINY | {"optimizer_kwargs": {"lr": 1e30}}
    with pytest.raises(DataError, match=r"^training diverged: the validation loss was never finite"):
        compare(table, 5, "patchtst", lookback=7, epochs=1, model_arguments=arguments, verbose=False)


def test_the_process_is_left_as_it_was(table, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    chatty = logging.getLogger("pytorch_lightning")
    before = (torch.get_num_threads(), chatty.level, warnings.filters[:])
    compare(table, 5, "patchtst", lookback=7, epochs=1, model_arguments=TINY, refit=False, verbose=False)
    assert (torch.get_num_threads(), chatty.level, warnings.filters[:]) == before
    assert os.listdir(tmp_path) == []
    assert capfd.readouterr() == ("", "")


def test_progress_goes_to_stderr(table, capsys):
    compare(table, 5, "patchtst", lookback=7, epochs=1, model_arguments=TINY, verbose=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    for label in ("training", "NaiveSeasonal", "ExponentialSmoothing"):
        assert label in shown.err


def test_a_table_with_gaps_is_compared_and_scored_on_what_was_observed(table):
    values = table.target.values(copy=True)
    values[np.random.default_rng(0).random(values.shape) < 0.1] = np.nan
    holed = replace(table, target=table.target.with_values(values))
    comparison = compare(holed, 5, "patchtst", lookback=14, epochs=1, model_arguments=TINY, refit=False, verbose=False)
    assert comparison.scores.notna().all(axis=None)
    assert all(np.isfinite(forecast.values()).all() for forecast in comparison.forecasts.values())
    naive = comparison.backtests["NaiveSeasonal"]
    errors = [np.abs(one.values() - holed.target.slice_intersect(one).values()) for one in naive]
    expected = np.nanmean(np.concatenate(errors), axis=0).mean()
    assert comparison.scores.loc["NaiveSeasonal", "MAE"] == pytest.approx(expected, rel=1e-6)


def holed(table, rows, column=0):
    values = table.target.values(copy=True)
    values[rows, column] = np.nan
    return replace(table, target=table.target.with_values(values))


def test_a_target_without_values_to_train_on_is_refused(table):
    message = "target 'returns' has only 2 values before 2024-03-01 00:00:00, where training ends"
    with pytest.raises(DataError, match=f"^{message}: it needs at least 3"):
        compare(holed(table, slice(2, 70), column=1), 5, verbose=False)


def test_a_validation_part_without_values_is_refused(table):
    empty = holed(holed(table, slice(55, 75), 0), slice(55, 75), 1)
    message = "^no target has a value from 2024-03-01 00:00:00 to 2024-03-16 00:00:00, which stop the training"
    with pytest.raises(DataError, match=message):
        compare(empty, 5, verbose=False)


@pytest.mark.parametrize("kind", ["past", "future"])
def test_a_covariate_without_values_to_train_on_is_refused(table, kind):
    values = np.arange(95.0)
    values[:80] = np.nan
    series = TimeSeries.from_times_and_values(pd.date_range("2024-01-01", periods=95), values, columns=["late"])
    changed = replace(table, **{f"{kind}_covariates": series})
    message = f"{kind} covariate 'late' has no values before 2024-03-01 00:00:00, where training ends: leave it out"
    with pytest.raises(DataError, match=exactly(message)):
        compare(changed, 5, verbose=False)


@pytest.mark.parametrize(
    ("other", "quantiles", "label"),
    [("sales_Theta", None, "sales_Theta"), ("sales_q0.1", (0.1, 0.5, 0.9), "sales_q0.1")],
)
def test_columns_that_would_collide_in_the_forecast_are_refused(table, other, quantiles, label):
    renamed = replace(table, target=table.target.with_columns_renamed("returns", other))
    with pytest.raises(DataError, match=f"^column '{label}' would stand twice in forecast.csv"):
        compare(renamed, 5, quantiles=quantiles, verbose=False)


def test_a_forecast_that_is_not_finite_is_refused(table):
    last = table.target[-5:]
    require_finite("PatchTSTModel", [last], ["sales", "returns"])
    broken = last.with_values(np.where(np.arange(10).reshape(5, 2) == 3, np.inf, last.values()))
    message = (
        "the forecast of 'returns' by PatchTSTModel is not finite: look for extreme values in it and in covariates"
    )
    with pytest.raises(DataError, match=exactly(message)):
        require_finite("PatchTSTModel", [last, broken], ["sales", "returns"])


def test_a_model_that_forecasts_no_number_is_no_success(table, monkeypatch):
    monkeypatch.setattr(SeasonalNaive, "__call__", lambda self, history, horizon: history[-horizon:] * np.inf)
    with pytest.raises(DataError, match=r"^the forecast of 'sales' by Naive is not finite"):
        compare(table, 5, "patchtst", lookback=7, epochs=1, model_arguments=TINY, refit=False, verbose=False)


def test_small_changes_of_large_values_are_forecast(table):
    large = replace(table, target=table.target + 1e9)
    found = compare(large, 5, "patchtst", lookback=7, epochs=1, model_arguments=TINY, refit=False, verbose=False)
    small = compare(table, 5, "patchtst", lookback=7, epochs=1, model_arguments=TINY, refit=False, verbose=False)
    assert found.scores.loc["NaiveSeasonal", "MAE"] == pytest.approx(small.scores.loc["NaiveSeasonal", "MAE"], rel=1e-5)
    ours, theirs = (one.forecasts["PatchTSTModel"].values() for one in (found, small))
    np.testing.assert_allclose(ours - 1e9, theirs, atol=1e-3)
    scaled = found.scalers.transform(large).target
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.values(), small.scalers.transform(table).target.values(), atol=1e-5)


@pytest.mark.parametrize("end", ["9900-12-28", "9999-12-28"])
def test_a_future_beyond_the_calendar_is_refused(table, end):
    times = pd.date_range(end=pd.Timestamp(end), periods=len(table.target), freq="D")
    late = TimeSeries.from_times_and_values(times, table.target.values())
    with pytest.raises(DataError, match=r"^a horizon of 5 steps after .* ends beyond the year 9900"):
        compare(replace(table, target=late), 5, verbose=False)
