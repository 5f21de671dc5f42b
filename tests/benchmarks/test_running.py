"""Benchmarks run in processes of their own: in turns, under ceilings, and on from where they stopped."""

import json
import time
from functools import partial

import pytest
import torch

from benchmarks.core import race, trial
from benchmarks.core.figures import exponent, of_case, ratio
from benchmarks.core.goals import Goal
from benchmarks.core.process import MissingError
from benchmarks.core.report import write
from benchmarks.core.speed import Speed
from benchmarks.core.store import save
from benchmarks.core.tables import number
from benchmarks.core.trial import Trials


def busy(milliseconds: float) -> None:
    end = time.process_time() + 1e-3 * milliseconds
    while time.process_time() < end:
        pass


def linear(*, length: int):
    return partial(busy, length)


def slower(*, length: int):
    return partial(busy, 3 * length)


def sleeping(*, length: int):
    return partial(time.sleep, 60 if length > 10 else 0)


def greedy(*, length: int):
    def step():
        held = torch.ones(length * 25 * 10**6)  # 100 MB each
        return held.sum()

    return step


def wrong(*, length: int):
    raise KeyError(f"no such thing as {length}")


def found():
    return {"model": "one", "mse": 0.25}


def broken():
    raise ValueError("never right")


def lacking():
    raise FileNotFoundError("there is no folder of data")


def lacking_to_build(*, length: int):
    raise ImportError(f"no package for a length of {length}")


def disagree():
    raise AssertionError("the forms disagree")


CASES = {"linear": linear, "slower": slower}
CEILINGS = {"greedy": greedy, "wrong": wrong}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "turns.json"
    benchmark = Speed("turns", "Turns", CASES, [{"length": 10}, {"length": 40}], repeats=3)
    return benchmark, list(race.run(benchmark, path)), path


def test_cases_are_timed_at_each_size(measured):
    _, points, path = measured
    assert [point["size"] for point in points] == [{"length": 10}, {"length": 40}]
    figures = json.loads(path.read_text())
    assert figures["points"] == points
    assert ratio("time", "slower", "linear", length=40)(figures) == pytest.approx(3, rel=0.2)
    assert exponent("time", "linear", start=10)(figures) == pytest.approx(1, abs=0.2)
    assert points[0]["cases"]["linear"]["processor"]["n"] == 3
    assert figures["environment"]["torch"] == torch.__version__


def test_a_second_run_measures_nothing_again_but_what_is_missing(measured):
    benchmark, points, path = measured
    assert list(race.run(benchmark, path)) == []
    stopped = json.loads(path.read_text())
    del stopped["points"][0]
    path.write_text(json.dumps(stopped))
    (again,) = race.run(benchmark, path)
    assert again["size"] == {"length": 10}
    assert [point["size"]["length"] for point in json.loads(path.read_text())["points"]] == [10, 40]
    assert json.loads(path.read_text())["points"][1] == points[1]


def test_a_case_over_its_time_is_recorded_and_not_tried_again(tmp_path):
    sizes = [{"length": length} for length in (3, 30, 31)]
    benchmark = Speed("time", "Time", {"sleeping": sleeping}, sizes, seconds=5, warm_up=False, repeats=1)
    small, large, largest = race.run(benchmark, tmp_path / "time.json")
    assert of_case(small, "time", "sleeping") is not None
    assert large["cases"]["sleeping"] == {"over": "more than 5 s"}
    assert largest["cases"]["sleeping"] == {"over": "not tried: more than 5 s"}


@pytest.fixture(scope="module")
def ceilings(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "ceilings.json"
    benchmark = Speed("ceilings", "Ceilings", CEILINGS, [{"length": 3}, {"length": 30}], gigabytes=2, repeats=1)
    return benchmark, list(race.run(benchmark, path)), path


def test_a_case_over_its_memory_is_recorded(ceilings):
    _, (small, large), _ = ceilings
    assert of_case(small, "memory", "greedy") == pytest.approx(300, rel=0.01)
    assert large["cases"]["greedy"] == {"over": "more than 2 GB"}


def test_a_case_that_raises_is_recorded_with_its_trace(ceilings):
    _, (small, *_), _ = ceilings
    assert small["cases"]["wrong"]["broken"].splitlines()[-1] == "KeyError: 'no such thing as 3'"


def test_the_report_says_what_was_missed_and_why(ceilings):
    _, _, path = ceilings
    goals = [
        Goal("greedy, MB", lambda figures: of_case(figures["points"][0], "memory", "greedy"), at_most=1),
        Goal("greedy, MB at all", lambda figures: of_case(figures["points"][0], "memory", "greedy"), at_least=1),
        Goal("greedy at 30", ratio("time", "greedy", "wrong", length=30), at_most=1),
    ]
    benchmark = Speed("ceilings", "Ceilings", CEILINGS, [], goals=goals, note="What to know.")
    write([benchmark], path.parent, path.parent / "report")
    text = (path.parent / "report" / "README.md").read_text()
    assert "1 of 3 goals are met, 1 are missed, 1 were not measured." in text
    assert "| greedy, MB | at most 1 | 300 | **missed** |" in text
    assert "greedy at length 30: more than 2 GB" in text
    assert "KeyError: 'no such thing as 3'" in text
    assert "What to know." in text
    assert "Below: [Ceilings](#ceilings)." in text


def test_the_report_says_how_far_turns_lie_apart(tmp_path):
    turns = {
        "narrow": {"median": 20.0, "min": 19.0, "max": 21.0, "n": 5},
        "wide": {"median": 10.0, "min": 9.0, "max": 14.0, "n": 5},
        "once": {"median": 7.0, "min": 7.0, "max": 7.0, "n": 1},
        "old": {"median": 3.0},
    }
    cases = {name: {"processor": each} for name, each in turns.items()}
    points = [{"size": {"length": 3}, "clock": "processor", "cases": cases | {"broken": {"over": "more than 5 s"}}}]
    save(tmp_path / "spread.json", {"title": "Spread", "environment": {}, "points": points})
    write([Speed("spread", "Spread", dict.fromkeys(turns), [])], tmp_path, tmp_path / "report")
    text = (tmp_path / "report" / "README.md").read_text()
    assert "slowest it is 30% of the middle one in the median, at most 50% (wide at length 3)." in text


def test_nothing_is_timed_where_forms_disagree(tmp_path):
    benchmark = Speed("check", "Check", CASES, [{"length": 3}], check=disagree)
    with pytest.raises(AssertionError, match="the forms disagree"):
        list(race.run(benchmark, tmp_path / "check.json"))
    assert not (tmp_path / "check.json").exists()


def test_trials_are_run_once_and_broken_ones_again(tmp_path):
    path = tmp_path / "trials.json"
    trials = Trials("trials", "Trials", {"found": found, "broken": broken})
    (_, good), (_, bad) = trial.run(trials, path)
    assert good["result"] == {"model": "one", "mse": 0.25}
    assert bad["broken"].splitlines()[-1] == "ValueError: never right"
    assert [name for name, _ in trial.run(trials, path)] == ["broken"]


def test_what_is_missing_stops_the_run_and_is_no_result(tmp_path):
    with pytest.raises(MissingError, match="no folder of data"):
        list(trial.run(Trials("trials", "Trials", {"lacking": lacking}), tmp_path / "trials.json"))
    with pytest.raises(MissingError, match="no package for a length of 3"):
        list(race.run(Speed("race", "Race", {"lacking": lacking_to_build}, [{"length": 3}]), tmp_path / "race.json"))
    assert not list(tmp_path.iterdir())


def test_the_report_names_broken_trials_and_every_processor(tmp_path):
    cases = {
        "good": {"processor": "Old", "result": found()},
        "bad": {"processor": "New", "broken": "Traceback\nValueError: never right"},
    }
    save(tmp_path / "trials.json", {"environment": {"cores": 2, "processor": "New"}, "cases": cases})
    write([Trials("trials", "Trials", {})], tmp_path, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "Not measured: bad: ValueError: never right." in text
    assert "- trials: cores 2, processor Old and New." in text


def test_numbers_have_three_digits():
    written = {12345.6: "12,346", 123.4: "123", 1.234: "1.23", 0.01234: "0.0123", 0.0: "0", None: "–"}
    assert {value: number(value) for value in written} == written
    assert [number(value, 4) for value in (1.234e-7, -9.9e-5, 1e-4)] == ["1.234e-07", "-9.900e-05", "0.0001000"]


def test_of_trials_only_the_cases_asked_for_are_run(tmp_path):
    trials = Trials("trials", "Trials", {"Model, seed 1": found, "Model, seed 2": found})
    assert [name for name, _ in trial.run(trials, tmp_path / "trials.json", only="*seed 2")] == ["Model, seed 2"]


def test_a_benchmark_of_its_own_summary_has_that_in_the_report(tmp_path):
    trials = Trials("trials", "Trials", {"found": found}, summary=lambda figures: f"{len(figures['cases'])} case")
    list(trial.run(trials, tmp_path / "trials.json"))
    write([trials], tmp_path, tmp_path / "report")
    assert "## Trials\n\n1 case\n" in (tmp_path / "report" / "README.md").read_text()


def test_of_trials_the_report_shows_the_columns_asked_for(tmp_path):
    trials = Trials("trials", "Trials", {"found": found}, columns=["mse", "model"])
    figures = {"environment": {}, "cases": {"found": {"result": found()}}}
    (tmp_path / "trials.json").write_text(json.dumps(figures))
    write([trials], tmp_path, tmp_path)
    assert (
        "| case | mse | model |\n| --- | --: | --: |\n| found | 0.2500 | one |" in (tmp_path / "README.md").read_text()
    )
