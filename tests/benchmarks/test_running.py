"""Benchmarks run in processes of their own: in turns, under ceilings, and on from where they stopped."""

import json
import os
import signal
import time
from functools import partial

import pytest
import torch

from benchmarks.core import race, trial
from benchmarks.core.figures import exponent, of_case, ratio
from benchmarks.core.process import (
    TURN,
    BrokenCaseError,
    Ceilings,
    MissingError,
    OverCeilingError,
    Worker,
    death,
    once,
    timed,
)
from benchmarks.core.speed import Speed
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


class Idle:
    """A worker without a process: how cases are led shows without one."""

    alive = 0

    def __init__(self, *args, **kwargs):
        Idle.alive += 1

    def turn(self):
        return 0.5, 0.5

    def memory(self):
        return {"tensors": 1.0, "process": 2.0}

    def close(self):
        Idle.alive -= 1


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
    assert all(point["environment"]["torch"] == torch.__version__ for point in points)


def test_a_second_run_measures_nothing_again_but_what_is_missing(measured, monkeypatch):
    benchmark, points, path = measured
    monkeypatch.setattr(race, "Worker", Idle)
    assert list(race.run(benchmark, path)) == []
    stopped = json.loads(path.read_text())
    del stopped["points"][0]
    path.write_text(json.dumps(stopped))
    (again,) = race.run(benchmark, path)
    assert again["size"] == {"length": 10}
    assert [point["size"]["length"] for point in json.loads(path.read_text())["points"]] == [10, 40]
    assert json.loads(path.read_text())["points"][1] == points[1]


@pytest.mark.parametrize(("in_turns", "alive"), [(True, [1, 2, 2]), (False, [1, 1, 1])])
def test_cases_live_side_by_side_or_one_after_the_other(in_turns, alive, tmp_path, monkeypatch):
    counted = []

    class Counted(Idle):
        def turn(self):
            counted.append(Idle.alive)
            return super().turn()

    monkeypatch.setattr(race, "Worker", Counted)
    benchmark = Speed("lives", "Lives", CASES, [{"length": 3}], repeats=2, in_turns=in_turns)
    (point,) = race.run(benchmark, tmp_path / "lives.json")
    assert list(point["cases"]) == list(CASES)
    assert counted[:3] == alive
    assert Idle.alive == 0


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


def test_of_trials_only_the_cases_asked_for_are_run(tmp_path):
    trials = Trials("trials", "Trials", {"Model, seed 1": found, "Model, seed 2": found})
    assert [name for name, _ in trial.run(trials, tmp_path / "trials.json", only="*seed 2")] == ["Model, seed 2"]


def test_a_process_killed_between_turns_is_a_broken_case():
    with Worker(linear, {"length": 1}, threads=1, device="cpu", ceilings=Ceilings(60, 8)) as worker:
        worker.turn()
        os.kill(worker._process.pid, signal.SIGTERM)
        worker._process.join()
        with pytest.raises(BrokenCaseError, match="signal SIGTERM"):
            worker.turn()


def test_a_process_leaves_interrupts_to_the_one_that_started_it():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
    try:
        handler = once(partial(signal.getsignal, signal.SIGINT), threads=1, device="cpu", ceilings=Ceilings(60, 8))
        assert handler == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (-signal.SIGKILL, OverCeilingError, "the process was killed (SIGKILL), most likely for want of memory"),
        (-signal.SIGSEGV, BrokenCaseError, "the process died: signal SIGSEGV"),
        (3, BrokenCaseError, "the process died: exit code 3"),
    ],
)
def test_only_a_kill_is_want_of_memory(code, kind, words):
    error = death(code)
    assert (type(error), str(error)) == (kind, words)


@pytest.mark.parametrize(("seconds", "at_least", "at_most"), [(TURN / 20, 2, 20), (1.1 * TURN, 1, 1)])
def test_a_short_step_is_repeated_in_a_turn_and_its_mean_counts(seconds, at_least, at_most):
    steps = []
    wall, worked = timed(lambda: steps.append(time.sleep(seconds)), "cpu")
    assert at_least <= len(steps) <= at_most
    assert wall * len(steps) >= TURN
    assert seconds <= wall
    assert worked < wall
