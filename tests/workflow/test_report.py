import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from matplotlib import pyplot
from matplotlib.figure import Figure
from PIL import Image

from darts_tsformers.workflow import DataError, check_output_folder, load, write_report
from darts_tsformers.workflow.ensemble import members_of
from darts_tsformers.workflow.picture import draw, step_name
from darts_tsformers.workflow.prediction import forecast_labels
from darts_tsformers.workflow.report import FILES
from darts_tsformers.workflow.saving import describe
from tests.helpers import exactly


@pytest.fixture(scope="module")
def out(comparison, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "new" / "forecast"
    paths = write_report(comparison, folder)
    assert paths == [folder / name for name in FILES]
    return folder


def test_a_report_is_these_files_and_nothing_else(out):
    assert {path.name for path in out.iterdir()} == set(FILES)
    assert [path.name for path in out.parent.iterdir()] == ["forecast"]


def test_the_forecast_file_has_the_best_forecast_its_quantiles_and_what_it_is_mixed_of(out, comparison):
    frame = pd.read_csv(out / "forecast.csv", index_col="day", parse_dates=True)
    members = [f"_{label}" for label in members_of(comparison.weights)]
    assert members[0] == "_ExponentialSmoothing"
    assert len(members) > 1
    kinds = ["", "_q0.1", "_q0.5", "_q0.9", *members]
    assert list(frame.columns) == [name + kind for name in ("sales", "returns") for kind in kinds]
    assert frame.index.equals(comparison.forecast.time_index)
    np.testing.assert_allclose(frame[["sales", "returns"]], comparison.forecasts["RegressionEnsemble"].values())
    np.testing.assert_allclose(frame["sales_q0.5"], frame["sales"])
    assert (frame["sales_q0.1"] < frame["sales_q0.9"]).all()
    smoothed = comparison.forecasts["ExponentialSmoothing"]["returns"].values().ravel()
    np.testing.assert_allclose(frame["returns_ExponentialSmoothing"], smoothed)


def test_where_one_model_has_all_the_weight_it_is_the_forecast(comparison, tmp_path):
    alone = replace(comparison, weights=dict.fromkeys(comparison.weights, 0.0) | {"Theta": 1.0})
    write_report(alone, tmp_path / "alone")
    frame = pd.read_csv(tmp_path / "alone" / "forecast.csv", index_col="day")
    assert [name for name in frame.columns if "_q" not in name] == ["sales", "returns"]
    theta = comparison.forecasts["Theta"].values()
    np.testing.assert_allclose(frame[["sales", "returns"]], theta)
    np.testing.assert_allclose(load(tmp_path / "alone").predict(comparison.table).point.values(), theta, rtol=1e-6)
    assert draw(alone).get_suptitle().startswith("Theta: forecast of 5 steps")


def test_the_comparison_file_has_the_scores_without_the_seconds(out, comparison):
    scores = pd.read_csv(out / "comparison.csv", index_col="model")
    pd.testing.assert_frame_equal(scores, comparison.scores.drop(columns="seconds"))


def test_the_settings_say_what_was_chosen(out, comparison):
    settings = json.loads((out / "settings.json").read_text())
    expected = {
        "model": "PatchTSTModel",
        "recommended_for": None,
        "targets": ["sales", "returns"],
        "frequency": "D",
        "horizon": 5,
        "lookback": 14,
        "season": 7,
        "quantiles": [0.1, 0.5, 0.9],
        "seed": 3,
        "epochs": 2,
        "test_windows": 3,
        "test_start": "2024-03-16 00:00:00",
    }
    assert {name: settings[name] for name in expected} == expected
    assert settings["model_arguments"]["d_model"] == 8
    assert settings["best"] == "RegressionEnsemble"
    assert set(settings["seconds"]) == set(comparison.scores.index)


def test_the_picture_has_a_panel_for_each_target(out, comparison):
    with Image.open(out / "forecast.png") as image:
        assert image.size[0] == 1500
    figure = draw(comparison)
    assert [axes.get_ylabel() for axes in figure.axes] == ["sales", "returns"]
    assert figure.axes[-1].get_xlabel() == "day (one step: 1 day)"
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert sorted(legend) == ["backtest on held-back data", "forecast", "observed", "quantiles 0.1 to 0.9"]


def test_the_picture_shows_the_forecast_joined_to_the_series(comparison):
    lines = {line.get_label(): line for line in draw(comparison).axes[0].lines}
    drawn = lines["forecast"].get_ydata()
    assert drawn[0] == comparison.table.target["sales"].values()[-1, 0]
    np.testing.assert_array_equal(drawn[1:], comparison.forecast["sales"].values().ravel())


def test_a_comparison_is_drawn_on_what_is_given(comparison):
    axes = Figure().subplots()
    assert comparison.plot(ax=axes, target="returns") is axes
    assert axes.get_ylabel() == "returns"
    assert len(axes.get_legend().get_texts()) == 4
    own = comparison.plot(legend=False)
    assert (own.get_ylabel(), own.get_legend()) == ("sales", None)
    pyplot.close(own.figure)
    with pytest.raises(ValueError, match="target='profit' must be one of"):
        comparison.plot(target="profit")


def test_the_picture_says_how_many_targets_it_leaves_out(comparison):
    names = [f"t{k}" for k in range(10)]

    def widened(series):
        return TimeSeries.from_times_and_values(series.time_index, series.values()[:, :1].repeat(10, 1), columns=names)

    wide = replace(
        comparison,
        table=replace(comparison.table, target=widened(comparison.table.target)),
        backtests={name: [widened(one) for one in found] for name, found in comparison.backtests.items()},
        forecasts={name: widened(found) for name, found in comparison.forecasts.items()},
        backtest_quantiles={},
        forecast_quantiles={},
    )
    figure = draw(wide)
    assert len(figure.axes) == 8
    assert "2 of 10 targets left out" in figure.get_suptitle()


@pytest.mark.parametrize(
    ("freq", "words"), [("h", "1 hour"), ("30min", "30 minutes"), ("W-TUE", "1 week"), ("QS-OCT", "1 quarter")]
)
def test_a_step_has_a_name(freq, words):
    assert step_name(pd.tseries.frequencies.to_offset(freq)) == words


def test_a_failure_while_writing_leaves_everything_as_it_was(comparison, tmp_path, monkeypatch):
    folder = tmp_path / "forecast"
    folder.mkdir()
    (folder / "forecast.csv").write_text("kept")

    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(DataError, match=exactly(f"cannot write to {folder}: No space left on device")):
        write_report(comparison, folder)
    with pytest.raises(DataError, match="No space left on device"):
        write_report(comparison, tmp_path / "never" / "made")
    assert [path.name for path in tmp_path.iterdir()] == ["forecast"]
    assert [path.name for path in folder.iterdir()] == ["forecast.csv"]
    assert (folder / "forecast.csv").read_text() == "kept"


def test_an_earlier_report_is_replaced_and_other_files_stay(comparison, tmp_path):
    (tmp_path / "forecast.csv").write_text("old")
    (tmp_path / "notes.txt").write_text("mine")
    write_report(comparison, tmp_path)
    assert (tmp_path / "forecast.csv").read_text().startswith("day,sales")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "notes.txt"}


def test_an_output_folder_that_cannot_be_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("here")
    for path in (file, file / "below"):
        with pytest.raises(DataError, match=exactly(f"{file} is not a directory: choose another output folder")):
            check_output_folder(path)
    (tmp_path / "model.safetensors").mkdir()
    with pytest.raises(DataError, match=r"model\.safetensors is a directory where a file is to be written"):
        check_output_folder(tmp_path)

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    message = f"{tmp_path} is not writable (Permission denied): choose another output folder"
    with pytest.raises(DataError, match=exactly(message)):
        check_output_folder(tmp_path / "new" / "folder")


@pytest.mark.parametrize("number", [errno.EXDEV, errno.EPERM], ids=["mounted", "immutable"])
def test_a_file_that_cannot_be_replaced_is_found_before_the_training(tmp_path, monkeypatch, number):
    (tmp_path / "settings.json").write_text("kept")
    link = os.link

    def refuse(source, target, **options):
        if Path(source).name == "settings.json":
            raise OSError(number, os.strerror(number))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", refuse)
    reason = f"cannot be replaced ({os.strerror(number)}): choose another output folder"
    with pytest.raises(DataError, match=exactly(f"{tmp_path / 'settings.json'} {reason}")):
        check_output_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_a_file_system_without_second_names_can_be_written_to(tmp_path, monkeypatch):
    (tmp_path / "settings.json").write_text("old")

    def refuse(*_args, **_options):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    check_output_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_a_mounted_folder_is_written_to_from_inside(comparison, tmp_path, monkeypatch):
    folder = tmp_path / "mounted"
    folder.mkdir()
    rename, replace_ = os.rename, os.replace

    def within(move, source, target):
        if (folder in Path(source).parents) != (folder in Path(target).parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        move(source, target)

    monkeypatch.setattr(os, "rename", lambda source, target: within(rename, source, target))
    monkeypatch.setattr(os, "replace", lambda source, target: within(replace_, source, target))
    write_report(comparison, folder)
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert [path.name for path in tmp_path.iterdir()] == ["mounted"]


def test_checking_an_output_folder_leaves_nothing_behind(tmp_path):
    check_output_folder(tmp_path / "new" / "folder")
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_would_replace_the_data_is_refused(tmp_path):
    data = tmp_path / "forecast.csv"
    data.write_text("day,y\n")
    link = tmp_path / "link.csv"
    link.symlink_to(data)
    for name in (data, link):
        message = f"{name} is one of the files to be written: choose another output folder"
        with pytest.raises(DataError, match=exactly(message)):
            check_output_folder(tmp_path, data=name)
    check_output_folder(tmp_path / "new", data=data)


def test_an_output_folder_that_only_looks_free_is_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match=exactly(f"{link} is not a directory: choose another output folder")):
        check_output_folder(link)
    with pytest.raises(DataError, match=r"^the output folder '' has no name"):
        check_output_folder("")
    with pytest.raises(DataError, match=r"a{300}' has too long a name: choose another output folder$"):
        check_output_folder(tmp_path / "new" / ("a" * 300))


def test_quantiles_that_differ_little_have_columns_of_their_own():
    assert forecast_labels("y", (0.1, 0.10000001), ["Theta"]) == ["y", "y_q0.1", "y_q0.10000001", "y_Theta"]


def renamed(comparison, name):
    def change(series):
        return series.with_columns_renamed("sales", name)

    return replace(
        comparison,
        table=replace(comparison.table, target=change(comparison.table.target), time_name="$t_$"),
        backtests={label: [change(one) for one in found] for label, found in comparison.backtests.items()},
        forecasts={label: change(found) for label, found in comparison.forecasts.items()},
        backtest_quantiles={q: [change(one) for one in found] for q, found in comparison.backtest_quantiles.items()},
        forecast_quantiles={q: change(found) for q, found in comparison.forecast_quantiles.items()},
    )


@pytest.mark.parametrize("name", ["price_$/unit_$", "売上"])
def test_any_name_can_be_drawn_without_a_word(comparison, tmp_path, capfd, name):
    paths = write_report(renamed(comparison, name), tmp_path)
    assert all(path.stat().st_size > 0 for path in paths)
    assert capfd.readouterr() == ("", "")


def test_settings_stay_json_with_numbers_that_json_does_not_have(comparison):
    odd = replace(comparison, settings=replace(comparison.settings, model_arguments={"x": float("nan")}))
    assert describe(odd)["model_arguments"] == {"x": "nan"}


def test_a_value_between_two_gaps_is_drawn_as_a_point(comparison):
    values = comparison.table.target.values(copy=True)
    values[[-5, -3], 0] = np.nan
    target = comparison.table.target.with_values(values)
    panel = draw(replace(comparison, table=replace(comparison.table, target=target))).axes[0]
    points = next(line.get_ydata() for line in panel.lines if line.get_marker() == ".")
    assert np.flatnonzero(~np.isnan(points)).tolist() == [len(points) - 4]
    assert points[-4] == values[-4, 0]
