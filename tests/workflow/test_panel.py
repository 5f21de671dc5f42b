"""One forecaster for the series of a long table."""

import numpy as np
import pandas as pd
import pytest
from darts.metrics import mae, mase
from darts.models import NaiveSeasonal

from darts_tsformers.workflow import DataError, PanelComparison, compare_panel, read_table
from darts_tsformers.workflow.panel import _Plan
from tests.helpers import exactly
from tests.workflow.conftest import TINY

LENGTHS = {"north": 61, "south": 47, "new": 11}
ASKED = {"epochs": 2, "lookback": 14, "model_arguments": TINY, "seed": 3, "verbose": False}
MODELS = ["PatchTSTModel", "NaiveSeasonal", "ExponentialSmoothing"]


def shops(lengths=LENGTHS):
    """Shops that sell more from one to the next, in the same week, with promotions known for a week to come."""
    parts = []
    for k, (name, n) in enumerate(lengths.items(), 1):
        step = np.arange(n)
        units = 100 * k + 10 * np.sin(2 * np.pi * step / 7) + np.random.default_rng(k).normal(size=n)
        days = pd.date_range("2024-01-01", periods=n)
        frame = pd.DataFrame({"shop": name, "day": days, "units": units, "promo": step % 3, "kind": "ab"[k % 2]})
        frame.loc[n - 5 :, "units"] = np.nan
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def panel(frame, **options):
    return read_table(frame, target="units", id="shop", future_covariates="promo", **options)


@pytest.fixture(scope="module")
def comparison() -> PanelComparison:
    tables = panel(shops(), static="kind")
    return compare_panel(tables, 5, "patchtst", quantiles=(0.1, 0.5, 0.9), **ASKED)


def test_the_scores_are_those_of_each_series_and_their_means(comparison):
    assert list(comparison.scores.index) == MODELS
    assert list(comparison.scores_by_series.index) == [(shop, name) for shop in ("north", "south") for name in MODELS]
    for name in MODELS:
        errors = comparison.scores_by_series.xs(name, level="model")
        np.testing.assert_allclose(comparison.scores.loc[name, ["MAE", "RMSE", "MASE"]].astype(float), errors.mean())
    assert (comparison.scores["seconds"] > 0).all()


def test_the_test_is_the_end_of_each_series(comparison):
    for shop in ("north", "south"):
        target = comparison.tables[shop].target
        histories = [target[: len(target) - 5 * k] for k in (3, 2, 1)]
        windows = [NaiveSeasonal(7).fit(history).predict(5) for history in histories]
        found = comparison.scores_by_series.loc[(shop, "NaiveSeasonal")]
        assert found["MAE"] == pytest.approx(np.mean(mae([target] * 3, windows)))
        assert found["MASE"] == pytest.approx(np.mean(mase([target] * 3, windows, histories, m=7)))


def test_each_series_is_forecast_in_its_own_units_from_its_own_end(comparison):
    for k, (shop, n) in enumerate(LENGTHS.items(), 1):
        for name in MODELS:
            forecast = comparison.forecasts[name][shop]
            assert forecast.start_time() == pd.Timestamp("2024-01-01") + pd.Timedelta(days=n - 5)
            np.testing.assert_allclose(forecast.values(), 100 * k, atol=20)


def test_a_series_too_short_to_be_tested_is_forecast_all_the_same(comparison):
    assert comparison.untested == ["new"]
    assert "1 more are" not in comparison.summary()
    assert "1 series is too short to be tested, but is forecast." in comparison.summary()


def test_the_forecast_is_that_of_the_best_model_as_a_long_table(comparison):
    frame = comparison.frame()
    assert frame["shop"].tolist() == [shop for shop in LENGTHS for _ in range(5)]
    best = comparison.forecasts[comparison.best]
    np.testing.assert_array_equal(frame["units"], np.concatenate([best[shop].values()[:, 0] for shop in LENGTHS]))
    assert comparison.summary().startswith(
        f"Use {comparison.best}: MASE {comparison.scores['MASE'][comparison.best]:.3g}"
    )


def test_quantiles_stand_beside_the_forecast_they_belong_to(comparison):
    ours = comparison.forecast_quantiles
    assert list(ours) == [0.1, 0.5, 0.9]
    for shop in LENGTHS:
        assert ours[0.5][shop] == comparison.forecasts["PatchTSTModel"][shop]
        assert (ours[0.1][shop].values() <= ours[0.9][shop].values()).all()
    assert list(comparison.frame().columns[3:]) == [f"units_q{q}" for q in ours if comparison.best == "PatchTSTModel"]


def test_the_scaling_knows_only_the_training_rows(comparison):
    table, scalers = comparison.tables["north"], comparison.scalers["north"]
    start = _Plan(5, 3).n_train(table)
    assert start == len(table.target) - 30
    scaled = scalers.transform(table).target.values()[:, 0]
    assert abs(scaled[:start].mean()) < 1e-5
    assert abs(scaled.mean()) > 1e-3


def test_what_is_tested_on_changes_no_choice_and_no_training(comparison):
    frame = shops()
    for shop, n in LENGTHS.items():
        last = frame.index[frame["shop"] == shop][n - 20 : n - 5]
        frame.loc[last, "units"] *= 1.5 if n > 40 else 1
    other = compare_panel(panel(frame, static="kind"), 5, "patchtst", quantiles=(0.1, 0.5, 0.9), **ASKED)
    assert other.best == comparison.best
    assert other.forecasts["PatchTSTModel"]["new"] == comparison.forecasts["PatchTSTModel"]["new"]
    assert (other.scores["MAE"] > 2 * comparison.scores["MAE"]).all()


def test_what_cannot_be_forecast_is_refused_before_the_training():
    tiny = LENGTHS | {"new": 8}
    message = "series 'new': 3 rows are too few: 4 are needed; leave it out or shorten the horizon"
    with pytest.raises(DataError, match=exactly(message)):
        compare_panel(panel(shops(tiny)), 5, "patchtst", **ASKED)
    with pytest.raises(DataError, match=r"^series 'north': future covariate 'promo' is known until .* a horizon of 6"):
        compare_panel(panel(shops()), 6, "patchtst", **ASKED)
