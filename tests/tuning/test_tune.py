"""A search tries what it must, judges by the validation windows, goes on where it stopped, and trains the best."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.metrics import mae
from darts.models import NaiveSeasonal

from darts_tsformers import ITransformerModel
from darts_tsformers.cli import main
from darts_tsformers.tuning import Options, Range, tune
from darts_tsformers.tuning.classical import Classical
from darts_tsformers.tuning.search import Limits
from darts_tsformers.tuning.task import Task
from darts_tsformers.workflow import DataError, load
from darts_tsformers.workflow.report import FILES as REPORT

HORIZON, SEASON = 5, 7
SPACE = {"d_model": Options((4, 6)), "optimizer_kwargs.lr": Range(1e-3, 1e-2, log=True)}
QUICK = {
    "season": SEASON,
    "epochs": 1,
    "space": SPACE,
    "verbose": False,
    "n_heads": 2,
    "n_encoder_layers": 1,
    "d_ff": 5,
}


def wave(n=101, seed=0, level=0.0):
    noise = np.random.default_rng(seed).normal(size=n) / 5
    return TimeSeries.from_values((level + np.sin(np.arange(n) * 2 * np.pi / SEASON) + noise).astype("float32"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return tmp_path_factory.mktemp("study") / "study.db"


@pytest.fixture(scope="module")
def found(study):
    return tune(ITransformerModel, wave(), HORIZON, n_trials=4, study=study, **QUICK)


def test_classical_forecasters_and_the_first_choice_of_recommend_are_tried(found):
    names = found.trials["name"].tolist()
    assert names[:4] == ["NaiveSeasonal", "ExponentialSmoothing", "PatchTSTModel", "ITransformerModel"]
    assert names[4:] == ["ITransformerModel"] * 2
    assert found.trials["optimizer_kwargs.lr"][3] == 1e-3


def test_the_best_is_the_lowest_error(found):
    done = found.trials.dropna(subset="error")
    assert found.error == done["error"].min()
    assert found.name == done["name"][done["error"].idxmin()]
    assert str(found).startswith(f"{found.name} is best of 6 trials: ")


def test_what_is_drawn_is_in_the_space(found):
    drawn = found.trials[4:]
    assert set(drawn["d_model"]) <= {4, 6, 32}
    assert drawn["optimizer_kwargs.lr"].between(1e-3, 1e-2).all()


def test_the_naive_error_is_that_of_darts_on_the_validation_windows():
    series = wave()
    task = Task([series], None, None, HORIZON, SEASON, mae, is_single=True)
    assert task.ends == [[101 - k * HORIZON for k in (4, 3, 2, 1)]]
    expected = [mae(series, NaiveSeasonal(SEASON).fit(series[:end]).predict(HORIZON)) for end in task.ends[0]]
    found = [Classical("NaiveSeasonal", SEASON, series).predict(HORIZON, one) for one in task.histories()["series"]]
    assert task.error(found) == pytest.approx(np.mean(expected))


def test_rows_of_the_validation_windows_are_not_trained_on():
    task = Task([wave(), wave(60)], None, None, HORIZON, SEASON, "MAE", is_single=False)
    data = task.training_data(lookback=11)
    assert [len(one) for one in data["series"]] == [101 - 3 * HORIZON, 60 - 2 * HORIZON]
    assert [len(one) for one in data["val_series"]] == [3 * HORIZON + 11, 2 * HORIZON + 11]


def test_a_winner_is_trained_on_all_rows_of_all_series(monkeypatch):
    monkeypatch.setattr("darts_tsformers.tuning.classical.error", lambda _task, _name: 99.0)
    panel = [wave(67), wave(73, seed=1, level=3)]
    known = [TimeSeries.from_values(np.arange(90.0, dtype="float32"))] * 2
    data = {"series": panel, "future_covariates": known, "horizon": HORIZON, "quantiles": (0.1, 0.5, 0.9)}
    found = tune("patchtst", **data, n_trials=1, **QUICK | {"space": None})
    assert found.name == "PatchTSTModel"
    assert found.trials["state"].tolist() == ["COMPLETE"] * 3
    assert found.settings.quantiles == (0.1, 0.5, 0.9)
    assert found.model.training_series is None
    forecast = found.model.predict(HORIZON, panel[1], future_covariates=known[1], num_samples=3)
    assert (forecast.start_time(), forecast.n_samples) == (73, 3)


def test_a_classical_winner_forecasts_too():
    series = TimeSeries.from_values(np.tile(np.arange(SEASON, dtype="float32") ** 2, 15))
    found = tune("itransformer", series, HORIZON, n_trials=1, metric="MAE", **QUICK)
    assert (found.name, found.error) == ("NaiveSeasonal", 0)
    np.testing.assert_allclose(found.model.predict(HORIZON).values(), series[:HORIZON].values())
    assert found.settings.model == "patchtst"
    assert ("input_chunk_length", found.settings.lookback) in found.arguments.items()


def test_a_study_goes_on_where_it_stopped(found, study):
    longer = tune(ITransformerModel, wave(), HORIZON, n_trials=5, study=study, **QUICK)
    assert longer.trials["error"][: len(found.trials)].equals(found.trials["error"])
    assert longer.trials["name"].tolist() == [*found.trials["name"], "ITransformerModel"]
    with pytest.raises(DataError, match="is of another task: its horizon and data differ; choose another file"):
        tune(ITransformerModel, wave(99), HORIZON + 1, study=study, **QUICK)


def test_a_search_whose_time_is_up_has_tried_one_forecaster():
    assert Limits(0.0, None).reached(_Study(["NaiveSeasonal", "ITransformerModel"]))
    assert not Limits(0.0, None).reached(_Study(["NaiveSeasonal", "ExponentialSmoothing"]))
    assert Limits(float("inf"), 1).reached(_Study(["ITransformerModel"]))
    assert not Limits(float("inf"), 2).reached(_Study(["ITransformerModel"]))


class _Study:
    """A study with trials of these names, all ended."""

    def __init__(self, names):
        self.trials = [_Trial(name) for name in names]


class _Trial:
    def __init__(self, name):
        self.user_attrs = {"name": name}
        self.state = self

    def is_finished(self):
        return True


def test_a_picture_shows_each_model(found):
    labels = found.plot().legends[0].get_texts()
    assert {"NaiveSeasonal", "ITransformerModel", "lowest so far"} <= {text.get_text() for text in labels}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model_class": "itransformr"}, "model_class='itransformr' is unknown; did you mean 'itransformer'"),
        ({"model_class": dict}, "must be a class of darts_tsformers, or its name"),
        ({"model_class": []}, r"model_class=\[\] must name at least one model"),
        ({"horizon": 0}, "horizon=0 must be an integer of at least 1"),
        ({"n_trials": 0}, "n_trials=0 must be an integer of at least 1"),
        ({"budget_seconds": -3}, "budget_seconds=-3 must be above 0"),
        ({"metric": "sMAPE"}, "metric='sMAPE' must be one of MASE, MAE, RMSE, or a function of two series"),
        ({"series": []}, "series must be a TimeSeries or a sequence of at least one"),
        ({"past_covariates": []}, "past_covariates must be one for each series, not 0 for 1"),
        (
            {"space": {"d_modl": Options((1,))}},
            "space names 'd_modl', which is no argument of .*; did you mean 'd_model'",
        ),
        ({"space": {"d_model": (8, 16)}}, r"space\['d_model'\]=\(8, 16\) must be Options or a Range"),
        ({"study": "absent/study.db"}, "study='absent/study.db' must be a file in a folder that exists"),
        ({"n_epochs": 3}, "model_arguments must not hold 'n_epochs': give epochs instead"),
        ({"series": wave(17)}, "season 7 is too long: 7 rows to train on"),
        ({"n_heads": 5, "n_trials": 2}, "no trial of a forecaster ended well: .*n_heads=5"),
    ],
)
def test_a_mistake_is_an_error_that_names_it(changed, message):
    given = {"model_class": "itransformer", "series": wave(), "horizon": HORIZON} | QUICK
    with pytest.raises(ValueError, match=message):
        tune(**given | changed)


def test_a_file_that_is_no_study_is_refused(tmp_path):
    file = tmp_path / "notes.db"
    file.write_text("no database, but some words, and more of them than a header is long " * 9)
    with pytest.raises(DataError, match="is no SQLite file that can be written"):
        tune("itransformer", wave(), HORIZON, study=file, **QUICK)
    assert file.read_text().startswith("no database")


def test_the_command_writes_a_forecaster_of_what_was_found(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    days = pd.date_range("2024-01-01", periods=61)
    pd.DataFrame({"day": days, "units": wave(61).values().ravel()}).to_csv("sales.csv", index=False)
    arguments = ["--horizon", "3", "--trials", "1", "--epochs", "1", "--model", "itransformer", "--quantiles", "0.5"]
    assert main(["tune", "sales.csv", *arguments, "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    written = {path.name for path in (tmp_path / "tuned").iterdir()}
    assert written == {*REPORT, "trials.csv", "trials.png"}
    assert len(load("tuned").predict("sales.csv").point) == 3
    assert pd.read_csv("tuned/trials.csv")["name"].tolist()[:2] == ["NaiveSeasonal", "ExponentialSmoothing"]
