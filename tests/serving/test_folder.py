"""What the command line has written forecasts in a server, and in MLflow, as ``predict`` does."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from darts_tsformers.serving.forecasters import TableServed
from darts_tsformers.serving.mlflow_model import _load_pyfunc, save_mlflow
from darts_tsformers.serving.refusal import RefusedError
from darts_tsformers.serving.schema import Series
from darts_tsformers.serving.watching import Watch
from darts_tsformers.workflow import DataError, compare, load, read_table, write_report
from tests.workflow.conftest import TINY, weekly_wave

L, H, N = 7, 3, 58
QUANTILES = (0.1, 0.5, 0.9)


def frame():
    found = weekly_wave(N + H)[["day", "sales", "weekday"]]
    found.loc[N:, "sales"] = None
    return found


@pytest.fixture(scope="module")
def table():
    return read_table(frame(), target="sales", future_covariates="weekday")


@pytest.fixture(scope="module")
def folder(table, tmp_path_factory):
    training = {"lookback": L, "epochs": 1, "quantiles": QUANTILES, "model_arguments": TINY, "verbose": False}
    path = tmp_path_factory.mktemp("served") / "forecast"
    write_report(compare(table, H, "patchtst", **training), path)
    return path


def test_a_folder_forecasts_as_predict_does(folder, table):
    forecaster = load(folder)
    served = TableServed(forecaster)
    values = {"sales": frame()["sales"][:N].tolist()}
    item = served.item(Series(start="2024-01-01", values=values, future_covariates={"weekday": frame()["weekday"]}))
    found, expected = served.forecast([item]), forecaster.predict(table)
    np.testing.assert_allclose(found[0, ..., 0], expected.point.values(), rtol=1e-5)
    np.testing.assert_allclose(found[0, ..., 3], expected.quantiles[0.9].values(), rtol=1e-5)
    assert served.after(item) == expected.point.start_time()
    trained_on = table.target[: forecaster.settings.split.validation_start].values()
    np.testing.assert_allclose(served.levels[0], trained_on.mean(axis=0), rtol=1e-5)
    with pytest.raises(RefusedError, match="must be a date: one step is D"):
        served.item(Series(start=3, values=values, future_covariates={"weekday": frame()["weekday"]}))
    watch = Watch(served)
    watch.see(item, L)
    assert b'darts_tsformers_input_level_shift_count{target="sales"} 1.0' in watch.text()


def test_a_frame_is_forecast_as_predict_does(folder, table):
    found = _load_pyfunc(str(folder)).predict(frame(), {"horizon": 2})
    pd.testing.assert_frame_equal(found, load(folder).predict(table, 2).to_frame().reset_index())


def test_nothing_is_replaced(folder):
    with pytest.raises(DataError, match="forecast exists: choose another folder"):
        save_mlflow(folder, folder)


@pytest.mark.skipif("ALL_FORMS" not in os.environ, reason="importing MLflow takes seconds: make check-forms")
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_mlflow_loads_what_was_written_without_a_pickle(folder, table, tmp_path):
    path = save_mlflow(folder, tmp_path / "model")
    import mlflow.pyfunc  # it warns of itself

    found = mlflow.pyfunc.load_model(str(path)).predict(frame())
    pd.testing.assert_frame_equal(found, load(folder).predict(table).to_frame().reset_index())
    assert not list(path.rglob("*.pkl"))


def test_the_dashboard_shows_every_figure(folder):
    shown = (Path(__file__).parents[2] / "docs" / "grafana.json").read_text(encoding="utf-8")
    figures = {re.sub("_(total|created)$", "", one.name) for one in Watch(TableServed(load(folder))).registry.collect()}
    assert {name for name in figures if name not in shown} == {"darts_tsformers_series"}
