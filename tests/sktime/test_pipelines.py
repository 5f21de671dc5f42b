"""In the company of sktime's own: pipelines, searches and evaluations."""

import numpy as np
import pandas as pd
import pytest
from sktime.datasets import load_airline
from sktime.forecasting.compose import ForecastingPipeline, TransformedTargetForecaster
from sktime.forecasting.model_evaluation import evaluate
from sktime.forecasting.model_selection import ForecastingGridSearchCV
from sktime.forecasting.trend import PolynomialTrendForecaster
from sktime.performance_metrics.forecasting import MeanAbsoluteError
from sktime.split import ExpandingWindowSplitter
from sktime.transformations.date import DateTimeFeatures
from sktime.transformations.detrend import Detrender

from darts_tsformers.sktime import AutoformerForecaster, ITransformerForecaster, PatchTSTForecaster
from tests.sktime.cases import tiny

pytestmark = pytest.mark.filterwarnings("ignore:The default of config ``remember_data``:FutureWarning")


@pytest.fixture(scope="module")
def airline() -> pd.Series:
    return load_airline()


def test_a_pipeline_undoes_what_it_did_to_the_target(airline):
    trend = PolynomialTrendForecaster()
    pipeline = TransformedTargetForecaster([("trend", Detrender(trend)), ("model", tiny(AutoformerForecaster))])
    ours = pipeline.fit(airline, fh=[1, 2]).predict()
    line = trend.clone().fit(airline)
    rest = airline - line.predict(airline.index)
    theirs = tiny(AutoformerForecaster).fit(rest, fh=[1, 2]).predict()
    np.testing.assert_allclose(ours, theirs + line.predict([1, 2]), rtol=1e-6)


def test_features_of_the_calendar_are_exogenous_data(airline):
    features = DateTimeFeatures(manual_selection=["month_of_year"], keep_original_columns=False)
    X = pd.DataFrame({"any": 0.0}, pd.period_range(airline.index[0], periods=len(airline) + 3, freq="M"))
    pipeline = ForecastingPipeline([features, tiny(PatchTSTForecaster)])
    ours = pipeline.fit(airline, X=X[: len(airline)], fh=[1, 2, 3]).predict(X=X[len(airline) :])
    months = pd.DataFrame({"month_of_year": X.index.month}, X.index)
    alone = tiny(PatchTSTForecaster).fit(airline, X=months[: len(airline)], fh=[1, 2, 3])
    np.testing.assert_allclose(ours, alone.predict(X=months[len(airline) :]), rtol=1e-6)


def test_a_grid_search_finds_what_evaluate_says_is_best(airline):
    y = airline[-50:]
    cv = ExpandingWindowSplitter(fh=[1, 2, 3], initial_window=40, step_length=5)
    scoring = MeanAbsoluteError()
    rates = [1e-6, 3e-2]
    grid = {"model_kwargs": [{"optimizer_kwargs": {"lr": rate}} for rate in rates]}
    search = ForecastingGridSearchCV(tiny(ITransformerForecaster), cv, grid, scoring=scoring, backend=None).fit(y)
    errors = []
    for options in grid["model_kwargs"]:
        forecaster = tiny(ITransformerForecaster, model_kwargs=options)
        errors.append(evaluate(forecaster, cv, y, scoring=scoring)["test_MeanAbsoluteError"].mean())
    np.testing.assert_allclose(search.cv_results_["mean_test_MeanAbsoluteError"], errors)
    assert search.best_params_ == {"model_kwargs": grid["model_kwargs"][int(np.argmin(errors))]}
    assert search.predict([1]).index[0] == y.index[-1] + 1


@pytest.mark.parametrize("strategy", ["refit", "update", "no-update_params"])
def test_evaluate_gives_the_errors_of_the_forecasts(airline, strategy):
    y = airline[-30:]
    cv = ExpandingWindowSplitter(fh=[1, 2], initial_window=25, step_length=2)
    table = evaluate(tiny(PatchTSTForecaster), cv, y, strategy=strategy, scoring=MeanAbsoluteError(), return_data=True)
    assert len(table) == 2
    for error, truth, forecast in zip(table["test_MeanAbsoluteError"], table["y_test"], table["y_pred"], strict=True):
        pd.testing.assert_index_equal(forecast.index, truth.index)
        assert error == pytest.approx(np.abs(truth - forecast).mean())
    seen = tiny(PatchTSTForecaster).fit(y[:25])
    if strategy == "no-update_params":
        seen.update(y[25:27], update_params=False)
    else:
        seen.fit(y[:27])
    np.testing.assert_allclose(table["y_pred"].iloc[1], seen.predict([1, 2]), rtol=1e-6)
