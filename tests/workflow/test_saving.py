import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from darts_tsformers import PatchTSTModel
from darts_tsformers.workflow import DataError, Table, compare, load, write_report
from darts_tsformers.workflow.names import BESIDE
from tests.helpers import exactly
from tests.workflow.conftest import TINY, weekly_wave

LOAD_AND_FORECAST = """
import sys
from darts_tsformers.workflow import load
folder, data, out = sys.argv[1:]
load(folder).predict(data).to_frame().to_csv(out)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The table of the comparison as a file."""
    path = tmp_path_factory.mktemp("data") / "data.csv"
    weekly_wave().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def out(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "forecast"
    write_report(comparison, folder)
    return folder


@pytest.fixture(scope="module")
def forecaster(out):
    return load(out)


@pytest.fixture
def copied(out, tmp_path):
    for file in out.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def rewrite(folder, **changes):
    path = folder / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_fresh_process_makes_the_forecast_of_the_run(out, data, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", LOAD_AND_FORECAST, str(out), str(data), "again.csv"]
    subprocess.run(command, check=True, cwd=tmp_path)
    again, written = (pd.read_csv(path, index_col="day") for path in (tmp_path / "again.csv", out / "forecast.csv"))
    pd.testing.assert_frame_equal(again, written, rtol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["again.csv"]


def test_a_series_and_a_table_are_forecast_alike_in_any_order_of_targets(forecaster, comparison):
    expected = comparison.prediction.to_frame()
    target = comparison.table.target
    for given in (target, comparison.table, target[["returns", "sales"]]):
        found = forecaster.predict(given).to_frame().rename_axis("day")
        pd.testing.assert_frame_equal(found, expected, rtol=1e-6)


def test_newer_data_are_forecast_from_their_end(forecaster, comparison):
    newer = weekly_wave(131)
    series = TimeSeries.from_dataframe(newer, "day", ["sales", "returns"], freq="D")
    prediction = forecaster.predict(series, horizon=3)
    assert prediction.point.start_time() == pd.Timestamp("2024-05-11")
    assert prediction.point.n_timesteps == 3
    assert (prediction.quantiles[0.1].values() <= prediction.quantiles[0.9].values()).all()
    shifted = forecaster.predict(series.shift(7), horizon=3)
    np.testing.assert_allclose(shifted.point.values(), prediction.point.values())
    assert not np.allclose(prediction.point.values(), comparison.forecast.values()[:3])


def test_a_longer_horizon_goes_on_with_intervals_that_are_in_order(forecaster, comparison):
    prediction = forecaster.predict(comparison.table, horizon=13)
    frame = prediction.to_frame()
    assert len(frame) == 13
    assert (frame["sales_q0.1"] <= frame["sales_q0.9"]).all()
    pd.testing.assert_frame_equal(frame, forecaster.predict(comparison.table, horizon=13).to_frame())


def test_covariates_statics_whole_numbers_and_arguments_with_names_travel_too(tmp_path):
    step = np.arange(67)
    values = np.stack([np.sin(step * 0.9), np.cos(step * 0.9), step % 3], axis=1)
    index = pd.RangeIndex(0, 67 * 5, 5)
    whole = TimeSeries.from_times_and_values(index, values, columns=["a", "b", "c"])
    target = whole[["a"]].with_static_covariates(pd.DataFrame({"size": [2.0]}))
    table = Table(target[:60], past_covariates=whole[["b"]][:60], future_covariates=whole[["c"]])
    arguments = TINY | {"attention": ("prob_sparse", {"factor": 3}), "optimizer_kwargs": {"lr": 2e-3}}
    comparison = compare(table, 3, "informer", lookback=7, epochs=1, model_arguments=arguments, verbose=False)
    write_report(comparison, tmp_path / "out")
    forecaster = load(tmp_path / "out")
    np.testing.assert_allclose(forecaster.predict(table).point.values(), comparison.forecast.values(), rtol=1e-6)
    bare = replace(table, target=target[:60].with_static_covariates(None))
    np.testing.assert_array_equal(forecaster.predict(bare).point.values(), forecaster.predict(table).point.values())
    with pytest.raises(DataError, match=exactly("past covariate 'b' is missing: the forecaster was trained with it")):
        forecaster.predict(target[:60])
    with pytest.raises(DataError, match=r"^future covariate 'c' is known until 330, a horizon of 3 needs it until 345"):
        forecaster.predict(replace(table, target=target[:67]))
    with pytest.raises(DataError, match=r"^horizon 5 must be at most 3: past covariates are not known beyond that"):
        forecaster.predict(table, horizon=5)


def test_the_model_in_the_folder_is_no_trap(out, forecaster, comparison):
    """Loaded as a Darts model it would forecast in scaled units: there is none to load."""
    for name in ("", "settings.json", "model.safetensors"):
        with pytest.raises((ValueError, FileNotFoundError), match="must be a file written by save"):
            PatchTSTModel.load(out / name)
    scaled = forecaster.scaled(comparison.table).target
    inside = forecaster.model.predict(5, scaled, predict_likelihood_parameters=True, verbose=False)
    assert abs(inside.values()[:, 1].mean() - comparison.forecast["sales"].values().mean()) > 5
    assert forecaster.model.training_series is None


def test_nothing_in_the_folder_is_a_pickle_or_names_a_folder_of_this_machine(out):
    for path in out.iterdir():
        assert str(Path.cwd()).encode() not in path.read_bytes()
    header = (out / "model.safetensors").read_bytes()
    json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            TimeSeries.from_times_and_values(
                pd.date_range("2024-01-01", periods=50, freq="h"), np.ones((50, 2)), columns=["sales", "returns"]
            ),
            "the rows have the frequency h, but those of training had D: resample them, or train a forecaster for them",
        ),
        (
            TimeSeries.from_times_and_values(pd.date_range("2024-01-01", periods=50), np.ones(50), columns=["sales"]),
            "target 'returns' is missing: the forecaster was trained with it",
        ),
        ("none.csv", "none.csv: no such file"),
        (np.ones(50), "data must be a Table, a TimeSeries or the path of a file, not ndarray"),
    ],
)
def test_data_that_do_not_fit_are_refused(forecaster, data, message):
    with pytest.raises(DataError, match=exactly(message)):
        forecaster.predict(data)


def test_too_short_a_history_and_no_horizon_are_refused(forecaster, comparison):
    with pytest.raises(DataError, match=exactly("18 rows are too few: the forecaster needs the last 19")):
        forecaster.predict(comparison.table.target[:18])
    with pytest.raises(DataError, match=exactly("horizon 0 must be at least 1")):
        forecaster.predict(comparison.table, horizon=0)
    empty = comparison.table.target.with_values(np.full((90, 2), np.nan))
    with pytest.raises(DataError, match=r"^target 'sales' has no value in the last 19 rows"):
        forecaster.predict(empty)


def test_a_file_is_read_as_it_was_for_the_training_unless_told_otherwise(forecaster, comparison, tmp_path):
    path = tmp_path / "other.csv"
    weekly_wave().rename(columns={"day": "date"}).to_csv(path, index=False)
    with pytest.raises(DataError, match="no column 'day'"):
        forecaster.predict(path)
    np.testing.assert_allclose(
        forecaster.predict(path, time="date").point.values(), comparison.forecast.values(), rtol=1e-6
    )


def test_a_folder_without_a_forecaster_is_refused(copied, tmp_path):
    with pytest.raises(DataError, match=r"holds no forecaster: there is no settings\.json"):
        load(tmp_path / "none")
    rewrite(copied, model="ArimaModel")
    with pytest.raises(DataError, match="unknown model 'ArimaModel': it is of a newer version"):
        load(copied)
    (copied / "settings.json").write_text('{"model": "PatchTSTModel"}')
    with pytest.raises(DataError, match="it is of an older version; forecast anew"):
        load(copied)
    (copied / "settings.json").write_text("{")
    with pytest.raises(DataError, match=r"settings\.json cannot be read"):
        load(copied)


def test_damaged_files_and_files_of_two_runs_are_refused(copied):
    weights = copied / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="is damaged, or was not written with"):
        load(copied)
    weights.write_bytes(whole)
    rewrite(copied, arguments={})
    with pytest.raises(DataError, match="does not describe a forecaster of version"):
        load(copied)
    weights.unlink()
    with pytest.raises(DataError, match=r"model\.safetensors is missing"):
        load(copied)


def test_an_argument_that_is_code_is_refused_before_anything_is_written(comparison, tmp_path):
    comparison.model._model_params["add_encoders"] = {"custom": {"future": [abs]}}
    try:
        with pytest.raises(DataError, match=r"^'add_encoders' is .* which no file without code can hold"):
            write_report(comparison, tmp_path / "new")
    finally:
        comparison.model._model_params["add_encoders"] = None
    assert list(tmp_path.iterdir()) == []


def test_scaling_comes_back_far_from_zero(forecaster, comparison):
    far = replace(comparison.table, target=comparison.table.target + 1e6)
    ours, theirs = (one.transform(far).target.values() for one in (forecaster.scalers, comparison.scalers))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_forecaster_that_sees_the_calendar_forecasts_newer_data_alike(table, tmp_path):
    arguments = {"lookback": 14, "epochs": 1, "model_arguments": TINY, "refit": False, "verbose": False}
    found = compare(table, 5, "patchtst", calendar=True, **arguments)
    assert found.settings.model_arguments["add_encoders"] == {"cyclic": {"future": ["dayofweek"]}}
    write_report(found, tmp_path / "out")
    again = load(tmp_path / "out").predict(table.target).point
    np.testing.assert_allclose(again.values(), found.forecast.values(), rtol=1e-6)


def test_a_backtest_scores_the_windows_of_the_run_as_the_run_did(forecaster, comparison):
    scores = forecaster.backtest(comparison.table, n_windows=3)
    refitted = [label for label in BESIDE if "Linear" not in label]
    pd.testing.assert_frame_equal(scores.loc[refitted], comparison.scores.loc[refitted, scores.columns], rtol=1e-5)
    assert list(scores.index) == list(comparison.scores.index)
    assert list(forecaster.backtest(comparison.table.target).index) == list(scores.index)
    message = "15 windows of 5 steps need at least 94 rows, and at least 1 window is needed: there are 90 rows"
    with pytest.raises(DataError, match=exactly(message)):
        forecaster.backtest(comparison.table, n_windows=15)


def test_the_forecaster_explains_and_diagnoses_itself(forecaster, comparison):
    assert forecaster.explain(comparison.table).summary().startswith("PatchTSTModel, 1 window of 1 series")
    figures = forecaster.diagnose(comparison.table, n_windows=72).figures
    assert figures.n_windows == 72
    values = comparison.table.target.values()
    last = [np.abs(values[row : row + 5] - values[row - 1]) for row in range(14, 86)]
    assert figures.mae_last_value == pytest.approx(np.mean(last), rel=1e-5)  # in the units of the data
    with pytest.raises(DataError, match="series has 15 steps, but a look-back of 14 and a horizon of 5 need 19"):
        forecaster.diagnose(comparison.table.target[:15])
