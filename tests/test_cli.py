import io
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import darts_tsformers
from darts_tsformers import demo
from darts_tsformers.adapter.callbacks import BestWeights
from darts_tsformers.catalogue import forecasters
from darts_tsformers.cli import main
from darts_tsformers.cli.app import COMMANDS
from darts_tsformers.cli.running import _one_line
from darts_tsformers.demo_data import write_demo_data
from darts_tsformers.workflow import DataError
from darts_tsformers.workflow.report import FILES, PANEL_FILES
from tests.workflow.conftest import weekly_wave


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Write a small file with a known future, and stand beside it."""
    step = np.arange(63)
    sales = 10 + np.sin(2 * np.pi * step / 7) + 0.1 * np.random.default_rng(0).normal(size=63)
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=63), "sales": sales, "weekday": step % 7})
    frame.loc[60:, "sales"] = np.nan
    frame.to_csv(tmp_path / "sales.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "sales.csv"


QUICK = ["--horizon", "3", "--lookback", "7", "--epochs", "1", "--future-covariates", "weekday", "--model", "patchtst"]


def test_without_a_model_one_is_recommended_and_the_reason_printed(data, capsys):
    assert main(["forecast", str(data), *QUICK[:-2], "--out", "result"]) == 0
    said = capsys.readouterr().out.splitlines()[2]
    assert re.match(r"\w+Model was chosen as the forecaster: \d+ steps to learn from are few", said)
    assert "(national_illness 24: MSE " in said


def test_a_forecast_prints_the_table_and_the_files(data, capsys):
    assert main(["forecast", str(data), *QUICK, "--out", "result"]) == 0
    shown = capsys.readouterr()
    assert "4 windows of 3 steps, from 2024-02-18" in shown.out
    for word in ("MAE", "RMSE", "MASE", "seconds", "PatchTSTModel", "NaiveSeasonal", "RegressionEnsemble"):
        assert word in shown.out
    for name in FILES:
        assert f"result/{name}" in shown.out
        assert (data.parent / "result" / name).stat().st_size > 0
    assert "training" in shown.err
    assert {path.name for path in data.parent.iterdir()} == {"sales.csv", "result"}


def test_quiet_prints_nothing_and_the_same_seed_writes_the_same_tables(data, capfd):
    for out in ("one", "two"):
        arguments = ["--model", "itransformer", "--quantiles", "0.1", "0.5", "0.9", "--seed", "5", "--quiet"]
        assert main(["forecast", "sales.csv", *QUICK, *arguments, "--target", "sales", "--out", out]) == 0
    assert capfd.readouterr() == ("", "")
    for name in ("forecast.csv", "comparison.csv"):
        assert (data.parent / "one" / name).read_bytes() == (data.parent / "two" / name).read_bytes()
    assert "sales_q0.9" in (data.parent / "one" / "forecast.csv").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "missing command; try 'darts-tsformers --help'"),
        (["forcast"], "no such command 'forcast'. Did you mean 'forecast'?"),
        (["forecast", "sales.csv"], "missing option '--horizon'; try 'darts-tsformers forecast --help'"),
        (["forecast", "sales.csv", "--horizon", "soon"], "'--horizon': 'soon' must be a whole number of at least 1"),
        (["forecast", "sales.csv", "--horizon", "3", "--model", "patchts"], "is no model: did you mean patchtst"),
        (["forecast", "sales.csv", "--horizon", "3", "--model", "arima"], "'darts-tsformers models' lists them"),
        (
            ["forecast", "sales.csv", "--horizon", "3", "--epoch", "3"],
            "no such option: --epoch (Possible options: --epochs)",
        ),
        (["forecast", "sales.csv", "--horizon", "3", "--target", "--quiet"], "option '--target' requires an argument"),
        (["forecast", "none.csv", "--horizon", "3"], "file 'none.csv' does not exist"),
        (["forecast", "sales.csv", *QUICK, "--horizon", "-3"], "'-3' must be a whole number of at least 1"),
        (["forecast", "sales.csv", *QUICK, "--quantiles", "1.5"], "'1.5' must be a number between 0 and 1"),
        (["forecast", "sales.csv", *QUICK, "--out", "sales.csv"], "'sales.csv' is a file"),
        (["predict", "sales.csv", "sales.csv"], "'sales.csv' is a file"),
        (["demo-data", "sales.csv"], "sales.csv exists: choose another name, or delete it"),
        (["predict", ".", "sales.csv"], ". holds no forecaster: there is no settings.json"),
        (["forecast", "sales.csv", "--horizon", "3", "--target", "sales"], "the last 3 rows have no target"),
        (["forecast", "sales.csv", *QUICK, "--horizon", "4"], "future covariate 'weekday' is known until 2024-03-03"),
        (["forecast", "sales.csv", *QUICK, "--quantiles", "0.2"], "quantiles 0.2 must lie between 0 and 1"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_status_2(data, capsys, arguments, message):
    before = data.read_bytes()
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("darts-tsformers: error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1
    assert [path.name for path in data.parent.iterdir()] == ["sales.csv"]
    assert data.read_bytes() == before


def test_the_output_folder_is_checked_before_the_data_is_read(data, capsys):
    data.write_text("no table")
    assert main(["forecast", "sales.csv", "--horizon", "3", "--out", "sales.csv/below"]) == 2
    assert "sales.csv is not a directory" in capsys.readouterr().err


def test_a_defect_is_not_hidden(data, monkeypatch):
    def fail(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr("darts_tsformers.workflow.read_table", fail)
    with pytest.raises(ZeroDivisionError):
        main(["forecast", str(data), "--horizon", "3"])


def test_the_version_is_that_of_the_package(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"darts-tsformers {darts_tsformers.__version__}\n"


WITHOUT_WORK = {
    "help": ["forecast", "--help"],
    "mistake": ["forecast", "data.csv", "--horizon", "3", "--modle", "patchtst"],
    "models": ["models"],
}


@pytest.mark.parametrize("arguments", WITHOUT_WORK.values(), ids=WITHOUT_WORK)
def test_what_needs_no_library_loads_none(arguments):
    code = "import sys; from darts_tsformers.cli import main; main(sys.argv[1:]); "
    code += "print({'torch', 'darts', 'pandas', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


def test_each_command_has_help_that_names_its_options(capsys):
    for command in COMMANDS:
        assert main([command.__name__.replace("_", "-"), "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(option in shown for option in ("--future-covariates", "--windows", "--horizon", "FILE.png"))
    assert "\x1b" not in shown


def test_a_mistake_ends_the_process_with_2():
    done = subprocess.run([sys.executable, "-m", "darts_tsformers", "forecast"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")


def test_the_demo_hands_a_real_series_to_the_command(monkeypatch, capsys):
    def check(arguments):
        assert arguments[0] == "forecast"
        frame = pd.read_csv(arguments[1], parse_dates=["week"])
        assert len(frame) == 2284
        assert frame["co2"].notna().all()
        assert arguments[-2:] == ["--out", "somewhere"]
        return 0

    monkeypatch.setattr(demo, "command", check)
    assert demo.main(["--out", "somewhere"]) == 0
    assert capsys.readouterr().out.endswith("The picture is somewhere/forecast.png.\n")


def test_times_turned_into_utc_are_said(tmp_path, capsys):
    hours = pd.date_range("2024-03-29", periods=72, freq="h", tz="Europe/Berlin", name="hour")
    pd.Series(np.sin(np.arange(72.0)), hours, name="y").to_csv(tmp_path / "hours.csv")
    status = main([
        "forecast", str(tmp_path / "hours.csv"), "--horizon", "2", "--epochs", "1", "--out", str(tmp_path / "out")
    ])  # fmt: skip
    assert status == 0
    assert "found several UTC offsets: times are taken in UTC, and those of the forecast are" in capsys.readouterr().err
    assert pd.read_csv(tmp_path / "out" / "forecast.csv")["hour"].tolist() == [
        "2024-03-31 23:00:00",
        "2024-04-01 00:00:00",
    ]


def test_gaps_are_counted_in_one_line(tmp_path, capsys):
    frame = weekly_wave().drop(index=[30, 31])
    frame.loc[40, "sales"] = None
    frame[["day", "sales"]].to_csv(tmp_path / "holed.csv", index=False)
    status = main([
        "forecast", str(tmp_path / "holed.csv"), "--horizon", "5", "--epochs", "1", "--out", str(tmp_path / "out")
    ])  # fmt: skip
    assert status == 0
    assert "found 1 empty cell and 2 missing rows: taken as not observed\n" in capsys.readouterr().err
    assert (tmp_path / "out" / "forecast.csv").exists()


def test_the_data_is_never_replaced(data, capsys):
    mine = data.rename(data.parent / "forecast.csv")
    before = mine.read_bytes()
    assert main(["forecast", "forecast.csv", *QUICK, "--out", "."]) == 2
    assert "forecast.csv is one of the files to be written: choose another output folder" in capsys.readouterr().err
    assert mine.read_bytes() == before


@pytest.fixture
def heeding():
    """Undo that a shell lets what it starts in the background ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_training_ends_the_command_with_one_line(data, monkeypatch, capsys, signum):
    monkeypatch.setattr(BestWeights, "on_validation_end", lambda *_: os.kill(os.getpid(), signum))
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["forecast", str(data), *QUICK, "--quiet", "--out", "result"]) == 128 + signum
    assert capsys.readouterr() == ("", "darts-tsformers: interrupted, nothing written\n")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert [path.name for path in data.parent.iterdir()] == ["sales.csv"]


def test_an_interrupt_from_elsewhere_ends_the_command_likewise(data, monkeypatch, capsys):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("darts_tsformers.workflow.compare", interrupt)
    assert main(["forecast", str(data), *QUICK]) == 130
    assert capsys.readouterr().err == "darts-tsformers: interrupted, nothing written\n"


def test_a_message_is_one_line_and_quotes_no_long_cell(tmp_path, capsys):
    cells = "".join(f'2024-01-0{day},"{"a" * 500}\nb"\n' for day in range(1, 6))
    (tmp_path / "data.csv").write_text(f"day,y\n{cells}")
    assert main(["forecast", str(tmp_path / "data.csv"), "--horizon", "3", "--target", "y"]) == 2
    expected = f"darts-tsformers: error: column 'y' is not numeric: '{'a' * 60}...' at line 2\n"
    assert capsys.readouterr().err == expected


ODD_COMMAND = r"""
import sys
from darts_tsformers.cli import main
from darts_tsformers.cli.app import app
@app.command()
def odd(size: int = 0):
    print("training", file=sys.stderr)
    print("forecast of \u00f6 in \udcff" + "x" * size)
raise SystemExit(main(sys.argv[1:]))
"""
"""A command that trains nothing."""


def odd_command(*arguments, **options):
    command = [sys.executable, "-c", ODD_COMMAND, *(arguments or ("odd",))]
    return subprocess.run(command, text=True, **{"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options})


def test_output_that_nobody_reads_is_no_error():
    command = [sys.executable, "-c", ODD_COMMAND, "odd", "--size", "1000000"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.close()
    assert process.stderr.read() == "training\n"
    process.stderr.close()
    assert process.wait() == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
@pytest.mark.parametrize("arguments", [(), ("--help",), ("--version",), ("models",)])
def test_a_full_disk_behind_stdout_is_one_line(arguments):
    with open("/dev/full", "w") as full:
        done = odd_command(*arguments, stdout=full)
    said = "darts-tsformers: error: what is to be printed cannot be, and all else is done: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, said if arguments else f"training\n{said}")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is always full")
def test_a_full_disk_behind_stderr_changes_no_status():
    with open("/dev/full", "w") as full:
        assert odd_command(stderr=full).returncode == 0
        assert odd_command("forecast", stderr=full).returncode == 2


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_changes_no_status(closed):
    done = odd_command(preexec_fn=lambda: os.close(closed))
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert odd_command("forecast", preexec_fn=lambda: os.close(closed)).returncode == 2


def test_what_the_terminal_cannot_show_is_written_out():
    done = odd_command(env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert (done.returncode, done.stdout) == (0, "forecast of \\xf6 in \\udcff\n")


def wide(n_columns):
    header = ",".join(["day", *(f"c{k}" for k in range(n_columns))])
    rows = "".join(f"2024-01-0{day}{',1.5' * n_columns}\n" for day in range(1, 8))
    return f"{header}\n{rows}"


LONG = {
    "columns": (wide(3000), ["--target", "absent"]),
    "candidates": (wide(3000), []),
    "argument": (wide(1), ["--" + "x" * 30_000]),
    "quantiles": (wide(1), ["--quantiles", *["0.1"] * 3000]),
    "folder": (wide(1), ["--out", "/".join("x" * 15_000)]),
    "name of a folder": (wide(1), ["--out", "x" * 30_000]),
    "NUL in a folder": (wide(1), ["--out", "a\0b"]),
    "NUL in a frequency": (wide(1), ["--freq", "D\0"]),
    "NUL in a cell": (wide(1).replace("1.5", "1\0.5"), []),
    "NUL in the header": (wide(1).replace("c0", "c0\0"), []),
    "NUL for a cell": (wide(1).replace("1.5", "\0"), []),
    "escape": (wide(1).replace("1.5", "\33[31m"), ["--target", "c0"]),
}


@pytest.mark.parametrize(("content", "arguments"), LONG.values(), ids=LONG)
def test_an_error_is_a_short_line_that_prints(tmp_path, monkeypatch, capsys, content, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text(content)
    assert main(["forecast", "data.csv", "--horizon", "1", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.endswith("\n")
    assert said[:-1].isprintable()
    assert len(said) < 700
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


FAR = {
    "sales": "target 'sales' has 1e+60 at 2024-02-24 00:00:00",
    "weekday": "future covariate 'weekday' has 1e+60 at 2024-02-24 00:00:00",
    "other": "past covariate 'other' has -1e+60 at 2024-02-24 00:00:00",
}


@pytest.mark.parametrize("name", FAR)
def test_a_value_too_far_for_single_precision_is_named(data, capsys, name):
    frame = pd.read_csv(data).astype({"weekday": float}).assign(other=lambda frame: np.sin(np.arange(len(frame))))
    frame.loc[54, name] = -1e60 if name == "other" else 1e60
    frame.to_csv(data, index=False)
    assert main(["forecast", "sales.csv", *QUICK, "--target", "sales", "--past-covariates", "other", "--quiet"]) == 2
    remedy = "too far from its values in the training to compute with: correct it or leave it empty"
    assert capsys.readouterr().err == f"darts-tsformers: error: {FAR[name]}, {remedy}\n"
    assert [path.name for path in data.parent.iterdir()] == ["sales.csv"]


@pytest.mark.parametrize("quantiles", [[], ["--quantiles", "0.1", "0.5", "0.9"]], ids=["point", "quantiles"])
def test_a_forecast_that_overflows_is_one_line(tmp_path, monkeypatch, capsys, quantiles):
    monkeypatch.chdir(tmp_path)
    values = np.sin(np.arange(40) / 3)
    values[-6:] = 2e38 * np.array([1, -1, 1, -1, 1, -1])
    pd.Series(values, pd.date_range("2024-01-01", periods=40, name="day"), name="y").to_csv("data.csv")
    arguments = ["--horizon", "1", "--epochs", "1", "--lookback", "6", "--model", "patchtst", "--quiet", *quantiles]
    assert main(["forecast", "data.csv", *arguments]) == 2
    said = "the forecast of 'y' by PatchTSTModel is not finite: look for extreme values in it and in covariates"
    assert capsys.readouterr().err == f"darts-tsformers: error: {said}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


@pytest.mark.usefixtures("heeding")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("fails", [False, True], ids=["written", "fails"])
def test_a_signal_while_files_are_written_comes_too_late_or_finds_nothing_written(
    data, monkeypatch, capsys, signum, fails
):
    def interrupted(_comparison, out):
        os.kill(os.getpid(), signum)
        if fails:
            raise DataError("cannot write")
        return [out]

    monkeypatch.setattr("darts_tsformers.workflow.compare", lambda *_, **__: None)
    monkeypatch.setattr("darts_tsformers.workflow.write_report", interrupted)
    assert main(["forecast", str(data), *QUICK, "--quiet"]) == (128 + signum if fails else 0)
    assert capsys.readouterr().err == ("darts-tsformers: interrupted, nothing written\n" if fails else "")


def test_what_stands_between_two_quotes_is_not_shortened():
    message = f"the forecast of 'a' by RegressionEnsemble is {'very ' * 20}odd: look at 'it\\'s'"
    assert _one_line(message) == message


@pytest.mark.parametrize(
    "model", ["patchtst", "log_sparse", "tft", "regenn", "tsdiff", "gpht", "moirai_moe", "timecma"]
)
def test_a_model_of_each_kind_forecasts(data, monkeypatch, model):
    monkeypatch.setattr("darts_tsformers.workflow.windows.N_PATHS", 7)
    arguments = ["--target", "sales", "--model", model, "--quiet", "--out", "result"]
    assert main(["forecast", "sales.csv", *QUICK, *arguments]) == 0
    assert forecasters()[model].model_name in (data.parent / "result" / "comparison.csv").read_text()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What `forecast` writes of the file in `data`."""
    out = tmp_path_factory.mktemp("folder")
    step = np.arange(63)
    frame = pd.DataFrame(
        {"day": pd.date_range("2024-01-01", periods=63), "sales": 10 + np.sin(step), "weekday": step % 7}
    )
    frame.loc[60:, "sales"] = np.nan
    frame.to_csv(out / "sales.csv", index=False)
    assert main(["forecast", str(out / "sales.csv"), *QUICK, "--quiet", "--out", str(out / "forecast")]) == 0
    return out


def test_predict_prints_the_forecast_of_the_run_as_csv_or_writes_it(folder, capsys):
    given = ["predict", str(folder / "forecast"), str(folder / "sales.csv")]
    written = pd.read_csv(folder / "forecast" / "forecast.csv", index_col="day")
    assert main(given) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out), index_col="day")
    pd.testing.assert_frame_equal(printed, written, rtol=1e-6)
    assert list(printed.columns)[:4] == ["sales", "sales_q0.1", "sales_q0.5", "sales_q0.9"]
    assert main([*given, "--horizon", "2", "--out", str(folder / "next.csv")]) == 0
    assert capsys.readouterr().out == ""
    pd.testing.assert_frame_equal(pd.read_csv(folder / "next.csv", index_col="day"), written[:2], rtol=1e-6)
    assert main([*given, "--out", str(folder / "none" / "next.csv")]) == 2
    assert "cannot write to " in capsys.readouterr().err


def test_backtest_marks_the_best_row(folder, capsys):
    assert main(["backtest", str(folder / "forecast"), str(folder / "sales.csv"), "--windows", "2"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.strip()][2:]
    scores = {row.split()[0]: float(row.split()[3]) for row in rows}
    assert len(scores) == 8
    assert [row.split()[0] for row in rows if row.rstrip().endswith("best")] == [min(scores, key=scores.get)]


def test_explain_says_and_draws_what_a_model_looks_at(folder, capsys):
    picture = folder / "attention.png"
    assert main(["explain", str(folder / "forecast"), str(folder / "sales.csv"), "--out", str(picture)]) == 0
    assert capsys.readouterr().out.startswith("PatchTSTModel, 1 window of 1 series: ")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_diagnose_says_how_a_model_does(folder, capsys):
    assert main(["diagnose", str(folder / "forecast"), str(folder / "sales.csv"), "--windows", "3"]) == 0
    assert "skill_seasonal" in capsys.readouterr().out


@pytest.fixture
def shops(tmp_path, monkeypatch):
    """Write a file of three series, one of them short, and stand beside it."""
    monkeypatch.chdir(tmp_path)
    parts = []
    for k, n_days in enumerate((47, 31, 9), 1):
        days = pd.date_range("2024-01-01", periods=n_days)
        units = 100 * k + np.arange(n_days) % 7
        parts.append(pd.DataFrame({"shop": f"no {k}", "day": days, "units": units, "region": k % 2}))
    pd.concat(parts).to_csv("shops.csv", index=False)
    return tmp_path


def test_several_series_are_forecast_by_one_model_and_scored_each_and_together(shops, capsys):
    quick = ["--horizon", "3", "--lookback", "7", "--epochs", "1", "--model", "patchtst", "--season", "7"]
    columns = ["--target", "units", "--id", "shop", "--static", "region"]
    assert main(["forecast", "shops.csv", *columns, *quick, "--out", "result"]) == 0
    shown = capsys.readouterr().out
    assert re.match(r"Use \w+: MASE .* over 2 series.*\n1 series is too short to be tested, but is forecast.\n", shown)
    result = shops / "result"
    assert sorted(path.name for path in result.iterdir()) == sorted(PANEL_FILES)
    assert all(f"result/{name}" in shown for name in PANEL_FILES)
    frame = pd.read_csv(result / "forecast.csv")
    assert frame["shop"].tolist() == ["no 1"] * 3 + ["no 2"] * 3 + ["no 3"] * 3
    assert frame["day"].iloc[[0, -1]].tolist() == ["2024-02-17", "2024-01-12"]
    each = pd.read_csv(result / "comparison_by_series.csv", index_col=["shop", "model"])
    mean = pd.read_csv(result / "comparison.csv", index_col="model")
    assert len(each) == 6
    assert mean.loc["NaiveSeasonal", "MAE"] == pytest.approx(each.xs("NaiveSeasonal", level="model")["MAE"].mean())


def test_a_command_for_one_series_says_which_takes_several(shops, capsys):
    (shops / "shops.tsf").write_text(
        "@attribute series_name string\n@attribute start_timestamp date\n@frequency daily\n@data\n"
        "a:2024-01-01 00-00-00:1,2,3,4\nb:2024-01-01 00-00-00:1,2,3,4\n"
    )
    assert main(["recommend", "shops.tsf", "--horizon", "3"]) == 2
    assert "shops.tsf holds 2 series: only 'darts-tsformers forecast' takes several" in capsys.readouterr().err
    assert main(["compare", "shops.csv", "--horizon", "3", "--id", "shop"]) == 2
    assert "no such option: --id" in capsys.readouterr().err


def test_a_file_of_an_earlier_forecast_is_named(data, capsys):
    (data.parent / "result").mkdir()
    (data.parent / "result" / "model.pt").write_text("old")
    assert main(["forecast", str(data), *QUICK, "--no-refit", "--out", "result"]) == 0
    assert "result/model.pt is of an earlier forecast, and does not belong to this one" in capsys.readouterr().err
    assert (data.parent / "result" / "model.pt").read_text() == "old"


def test_recommend_ranks_without_training(data, capsys):
    arguments = ["--target", "sales", "--future-covariates", "weekday"]
    assert main(["recommend", str(data), "--horizon", "3", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "excess" in shown
    assert "60 steps to learn from are few" in shown


def test_compare_trains_several_models_and_writes_nothing(data, capsys):
    quick = [*QUICK[:-1], "patchtst", "itransformer", "--quiet"]
    assert main(["compare", "sales.csv", *quick]) == 0
    shown = capsys.readouterr().out
    rows = [row.split()[0] for row in shown.splitlines() if "Model" in row]
    assert rows == ["PatchTSTModel", "ITransformerModel", "DLinearModel", "NLinearModel"]
    assert shown.count("best") == 1
    assert [path.name for path in data.parent.iterdir()] == ["sales.csv"]


def test_models_lists_every_forecaster_on_a_line_of_its_own(capsys):
    assert main(["models"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert {row.split()[0] for row in rows if "Model " in row} == set(forecasters())


def test_the_demo_data_are_a_shop_with_a_planned_month(tmp_path):
    first, second = (write_demo_data(tmp_path / name).read_bytes() for name in ("one.csv", "two.csv"))
    assert first == second
    frame = pd.read_csv(tmp_path / "one.csv", parse_dates=["day"])
    assert len(frame) == 1124
    assert frame["units"].isna().sum() == 28
    assert frame.drop(columns="units").notna().all(axis=None)
    known = frame[frame["units"].notna() & (frame["holiday"] == 0)]
    sales = known.groupby("promo")["units"].mean()
    assert sales[1] > 1.2 * sales[0]
    with pytest.raises(FileExistsError, match="exists: choose another name"):
        write_demo_data(tmp_path / "one.csv")
