"""The boards: files, windows, metrics and the seasonal naive against definitions, and what a forecaster may see."""

import gzip
import os
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from benchmarks.boards import files, trial
from benchmarks.boards.board import DECILES, Configuration, Item
from benchmarks.boards.fev import FEV
from benchmarks.boards.gift import GIFT
from benchmarks.boards.metrics import metrics, sums
from benchmarks.boards.naive import seasonal_naive
from benchmarks.boards.published import published, row
from benchmarks.boards.summary import fewest_seeds, score, summary
from benchmarks.boards.trials import BOARDS
from benchmarks.core import data

HORIZON, SEASON, WINDOWS = 3, 2, 5


def item(rows, columns=1, seed=0, known=0):
    rng = np.random.default_rng(seed)
    times = pd.date_range("2001-01-01", periods=rows, freq="h")
    target, beside = (TimeSeries(times, rng.normal(size=(rows, n))) if n else None for n in (columns, known))
    return Item(target, beside)


def items(columns=2, known=0):
    return [item(rows, columns, seed, known) for seed, rows in enumerate((29, 31))]


def configuration(given):
    return Configuration("ours", lambda: given, HORIZON, SEASON, WINDOWS)


def naive_loss(truth, forecast):
    """The quantile loss of one value, the mean of the nine deciles."""
    return np.mean([2 * max(q * (truth - f), (q - 1) * (truth - f)) for q, f in zip(DECILES, forecast, strict=True)])


def naive_metrics(given, forecasts):
    """MASE, CRPS and SQL by loops over windows, series, columns and steps."""
    losses, sizes, scaled, errors = [], [], [], []
    for number in range(WINDOWS):
        for index, one in enumerate(given):
            values = one.target.values()
            start = len(values) - (WINDOWS - number) * HORIZON
            for column in range(values.shape[1]):
                past = values[:start, column]
                pairs = [abs(past[t] - past[t - SEASON]) for t in range(SEASON, start)]
                scale = np.mean([pair for pair in pairs if not np.isnan(pair)])
                for step in range(HORIZON):
                    truth, forecast = values[start + step, column], forecasts[number][index, step, column]
                    loss = naive_loss(truth, forecast)
                    losses.append(loss)
                    sizes.append(abs(truth))
                    if scale > 0:
                        scaled.append(loss / scale)
                        errors.append(abs(truth - forecast[4]) / scale)
    return {"MASE": np.mean(errors), "CRPS": sum(losses) / sum(sizes), "SQL": np.mean(scaled)}


@pytest.mark.parametrize("case", ["plain", "gap", "constant"])
def test_metrics_are_those_of_loops(case):
    given = items()
    values = given[0].target.values(copy=False)
    if case == "gap":
        values[4, 1] = np.nan
    if case == "constant":
        values[:, 1] = 7.0
    forecasts = np.sort(np.random.default_rng(3).normal(size=(WINDOWS, 2, HORIZON, 2, 9)), axis=-1)
    windows = list(configuration(given).windows(given))
    found = metrics([sums(*both, SEASON) for both in zip(windows, forecasts, strict=True)])
    assert found == pytest.approx(naive_metrics(given, forecasts), rel=1e-12)


def test_a_forecast_that_is_not_finite_or_of_another_shape_is_refused():
    (window, *_) = configuration(items()).windows(items())
    forecast = np.zeros((2, HORIZON, 2, 9))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 2, 8\), must have \(2, 3, 2, 9\)"):
        sums(window, forecast[..., :8], SEASON)
    forecast[0, 1, 1, 3] = np.inf
    with pytest.raises(ValueError, match="1 values that are not finite"):
        sums(window, forecast, SEASON)


def test_the_seasonal_naive_by_hand():
    history = [1.0, 5.0, 2.0, np.nan, 4.0]  # the gap is filled with 2: differences over a season are 1, -3, 2
    forecast = seasonal_naive([Item(TimeSeries.from_values(np.array(history)))], 3, 2)
    deviation = np.sqrt((1 + 9 + 4) / 3)
    for step, (median, seasons) in enumerate([(2.0, 1), (4.0, 1), (2.0, 2)]):
        spread = [NormalDist().inv_cdf(decile) * deviation * np.sqrt(seasons) for decile in DECILES]
        np.testing.assert_allclose(forecast[0, step, 0], median + np.array(spread), rtol=1e-12)


def test_the_seasonal_naive_of_the_last_rows_is_that_of_a_shorter_history():
    given = item(23, 2)
    short = Item(given.target[-11:])
    np.testing.assert_array_equal(seasonal_naive([given], 3, 2, rows=11), seasonal_naive([short], 3, 2))


def test_windows_lie_end_to_end_and_the_last_ends_with_the_last_row():
    given = items()
    windows = list(configuration(given).windows(given))
    for index, one in enumerate(given):
        values = one.target.values()
        joined = np.concatenate([window.truth[index] for window in windows])
        np.testing.assert_array_equal(joined, values[-WINDOWS * HORIZON :])
        assert [len(window.histories[index].target) for window in windows] == [
            len(values) - 15 + 3 * k for k in range(5)
        ]


def test_a_forecaster_sees_rows_before_a_window_and_known_covariates_of_it_and_nothing_else(monkeypatch):
    monkeypatch.setattr(trial, "prove", lambda *_: [])
    given, seen = items(known=2), []

    def recipe(training, horizon, seed):
        seen.append((horizon, seed, [(len(one.target), len(one.known)) for one in training]))

        def forecast(histories):
            seen.append([(len(one.target), len(one.known)) for one in histories])
            return np.zeros((2, HORIZON, 2, 9))

        return forecast, {"lookback": 11}

    found = trial.trial(GIFT, configuration(given), "zero", recipe, 7)
    assert seen[0] == (HORIZON, 7, [(14, 14), (16, 16)])
    assert seen[1:] == [[(14 + 3 * k, 17 + 3 * k), (16 + 3 * k, 19 + 3 * k)] for k in range(WINDOWS)]
    assert found["lookback"] == 11
    assert found["seed"] == 7
    assert [len(kept) for kept in found["windows"].values()] == [WINDOWS] * 5


def test_metrics_can_be_had_from_what_is_kept(monkeypatch):
    monkeypatch.setattr(trial, "row", lambda *_: {})
    given = items()
    found = trial.naive_trial(GIFT, configuration(given))
    kept = [dict(zip(found["windows"], window, strict=True)) for window in zip(*found["windows"].values(), strict=True)]
    assert {what: found[what] for what in ("MASE", "CRPS", "SQL")} == pytest.approx(metrics(kept), rel=1e-7)


@pytest.mark.parametrize(("factor", "is_proved"), [(1 + 5e-7, True), (1 + 2e-6, False), (np.nan, False)])
def test_nothing_is_scored_unless_the_seasonal_naive_is_as_published(monkeypatch, factor, is_proved):
    given = items()
    monkeypatch.setattr(trial, "row", lambda *_: {})
    right = trial.naive_trial(GIFT, configuration(given))
    monkeypatch.setattr(trial, "row", lambda *_: {"MASE": right["MASE"], "CRPS": right["CRPS"] * factor})

    def recipe(*_):
        return lambda histories: np.zeros((2, HORIZON, 2, 9)), {}

    if is_proved:
        assert trial.trial(GIFT, configuration(given), "zero", recipe, 1)["MASE"] > 0
    else:
        with pytest.raises(trial.ProofError, match=r"GIFT-Eval, ours: CRPS of the seasonal naive is .*, published"):
            trial.trial(GIFT, configuration(given), "zero", recipe, 1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write small files of the form of the public ones; return where."""
    monkeypatch.setenv(data.VARIABLE, str(tmp_path))
    files.table.cache_clear()
    yield tmp_path
    files.table.cache_clear()


def written(path, frame):
    path.parent.mkdir(exist_ok=True)
    frame.to_csv(path, index_label="date")


def test_quarters_of_an_hour_become_sums_without_the_last_bin(folder):
    times = pd.date_range("2016-07-01", periods=2 * 96 + 5, freq="15min")
    values = np.arange(len(times) * 7.0).reshape(-1, 7)
    written(folder / "ETTm1.csv.gz", pd.DataFrame(values, times, columns=list("abcdefg")))
    (found,) = files.ett("ETTm1", step="D", drop="last")
    np.testing.assert_array_equal(found.target.values(), values[: 2 * 96].reshape(2, 96, 7).sum(axis=1))
    (hours,) = files.ett("ETTm1", step="h")
    assert hours.target.freq_str == "h"
    np.testing.assert_array_equal(hours.target.values()[0], values[:4].sum(axis=0))
    (whole,) = files.ett("ETTm1", step="D", how="mean", drop="both")
    np.testing.assert_array_equal(whole.target.values(), values[96 : 2 * 96].mean(axis=0, keepdims=True))


def test_weather_is_put_on_its_own_stamps(folder):
    times = pd.date_range("2020-01-01 00:10", periods=23, freq="10min")
    kept = times[[0, 1, 2, 3, 3, *range(6, 23)]]  # one twice, two missing
    written(folder / "weather.csv.gz", pd.DataFrame({"a": np.arange(22.0)}, kept))
    (found,) = files.weather()
    assert len(found.target) == 23
    assert np.flatnonzero(np.isnan(found.target.values()[:, 0])).tolist() == [4, 5]
    (hours,) = files.weather(step="h", drop="last")
    assert hours.target.values()[0, 0] == np.mean([0, 1, 2, 3])  # 00:10 to 00:40; the gap is left out


def test_the_price_is_the_target_and_the_rest_is_known(folder):
    times = pd.date_range("2013-01-01", periods=11, freq="h")
    frame = pd.DataFrame(np.arange(33.0).reshape(11, 3), times, columns=["load", " wind", "OT"])
    written(folder / "epf" / "NP.csv.gz", frame)
    (found,) = files.prices("NP")
    assert found.target.components.tolist() == ["OT"]
    assert found.known.components.tolist() == ["load", "wind"]


@pytest.mark.parametrize("name", ["hospital_dataset.tsf", "m4_hourly_dataset.tsf.gz"])
def test_each_series_of_an_archive_is_an_item(folder, name):
    text = "@attribute series_name string\n@attribute start_timestamp date\n@frequency daily\n@data\n"
    text += "T1:2001-01-30 00-00-00:1,2,4,8\nT2:2001-01-30 00-00-00:1,2\n"
    (folder / "monash").mkdir()
    with (gzip.open if name.endswith("gz") else open)(folder / "monash" / name, "wt") as file:
        file.write(text)
    assert [one.target.values().ravel().tolist() for one in files.archive(name)] == [[1, 2, 4, 8], [1, 2]]
    sums_, means = (files.archive(name, step="MS", how=how)[0].target for how in ("sum", "mean"))
    assert sums_.values().ravel().tolist() == [3, 12]
    assert means.values().ravel().tolist() == [1.5, 6]


def test_tourism_leaves_out_the_last_columns(folder):
    (folder / "darts").mkdir()
    pd.DataFrame(np.arange(96 * 5.0).reshape(5, 96)).to_csv(folder / "darts" / "australian_tourism.csv", index=False)
    found = files.tourism()
    assert len(found) == 89
    assert found[88].target.values().ravel().tolist() == [88 + 96 * quarter for quarter in range(5)]


def test_published_rows_are_there_for_every_configuration():
    assert GIFT.part == "23 of its 97 configurations"
    assert FEV.part == "11 of its 100 configurations"
    for board in BOARDS:
        for one in board.configurations:
            assert row(board, one.name).keys() == {"MASE", board.loss}
        assert set(published(board).configuration) == {one.name for one in board.configurations}


PAIR = replace(GIFT, configurations=[one for one in GIFT.configurations if one.name.startswith("ett1/15T")][:2])


def figures(*losses):
    """Results of one model whose losses are so many times the naive's, by configuration and seed."""
    cases = {}
    for one, of_seeds in zip(PAIR.configurations, losses, strict=False):
        for seed, times in enumerate(of_seeds, start=1):
            naive = row(PAIR, one.name)
            result = {what: times * value for what, value in naive.items()}
            cases[f"{one.name}, {seed}"] = {
                "result": {"model": "PatchTST", "configuration": one.name, "seed": seed, **result}
            }
    return {"cases": cases}


def test_the_report_sets_means_over_seeds_beside_the_published_ones():
    lines = summary(PAIR, figures([0.2, 0.4], [0.6, 0.6])).splitlines()
    mean = np.sqrt(0.3 * 0.6)
    spread = np.sqrt(0.4 * 0.6) - np.sqrt(0.2 * 0.6)
    assert lines[2].startswith(f"| PatchTST | 2 of 97 | 2 | {mean:.3f} | {spread:.2f} | {mean:.3f} | 0.7")
    assert lines[-1].startswith("| ett1/15T/medium | 0.600 | ")


def test_a_mean_over_fewer_configurations_is_compared_over_the_same_ones():
    one, both = (summary(PAIR, figures(*losses)).splitlines()[2] for losses in ([[0.2]], [[0.2], [0.2]]))
    assert one.startswith("| PatchTST | 1 of 97 | 1 | 0.200 | – | 0.200 | ")
    published_of = [line.split("|")[7] for line in (one, both)]
    loss = published(PAIR).query("configuration == 'ett1/15T/short' and model == 'PatchTST'").CRPS.item()
    assert published_of[0].strip() == f"{loss / row(PAIR, 'ett1/15T/short')['CRPS']:.3f} (PatchTST)"
    assert published_of[0] != published_of[1]


def test_a_goal_needs_every_configuration_and_says_how_many_seeds_there_are():
    read, said = score(PAIR, "PatchTST"), fewest_seeds(PAIR, "PatchTST", 2)
    assert read(figures([0.2])) is None
    assert read(figures([0.2, 0.4], [0.6])) == pytest.approx(np.sqrt(0.3 * 0.6))
    assert said(figures([0.2, 0.4], [0.6])) == "1 of 2 seeds"
    assert said(figures([0.2, 0.4], [0.6, 0.6])) == said({}) == ""


def test_a_goal_of_some_configurations_is_their_arithmetic_mean():
    names = [one.name for one in PAIR.configurations]
    assert score(PAIR, "PatchTST", *names)(figures([0.2], [0.6])) == pytest.approx(0.4)
    assert score(PAIR, "PatchTST", names[0])(figures([0.2])) == pytest.approx(0.2)


def test_the_report_without_models_says_so():
    assert "no model was measured" in summary(GIFT, {})


needs_files = pytest.mark.skipif(data.VARIABLE not in os.environ, reason=f"{data.VARIABLE} names no folder of data")


@needs_files
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_seasonal_naive_is_as_published_in_every_configuration(board):
    found = dict(trial.faults(board))
    assert found == dict.fromkeys([one.name for one in board.configurations], "")
