"""A run goes on where another stopped: what is measured again, what is left as it is, and what two runs keep."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks.core import race, trial
from benchmarks.core.process import BrokenCaseError, OverCeilingError, once
from benchmarks.core.speed import Speed
from benchmarks.core.store import DamagedError, load, save, update
from benchmarks.core.trial import Trials


class Worker:
    """One without a process: it calls what its case was built to."""

    ended: list[str]

    def __init__(self, build, size, **_):
        self.name, self.step = build.__name__, build(**size)

    def turn(self):
        self.step()
        return 0.002, 0.001

    def memory(self):
        return {"tensors": 1.0}

    def close(self):
        self.ended.append(self.name)


@pytest.fixture(autouse=True)
def _no_processes(monkeypatch):
    monkeypatch.setattr(Worker, "ended", [], raising=False)
    monkeypatch.setattr(race, "Worker", Worker)
    monkeypatch.setattr(trial, "once", lambda case, **_: case())


def quick(**_):
    return lambda: None


def quick_too(**_):
    return lambda: None


def large(*, length):
    def step():
        if length > 1:
            raise OverCeilingError("more than 5 s")

    return step


def broken(*, length):
    raise BrokenCaseError(f"ValueError: never right at {length}")


def once_only(*, length):
    turns = []

    def step():
        turns.append(length)
        if len(turns) > 1:
            raise OverCeilingError("more than 5 s")

    return step


def benchmark(*cases, lengths=(1, 2, 3), **options):
    options = {"repeats": 2, "warm_up": False} | options
    return Speed("race", "Race", {case.__name__: case for case in cases}, [{"length": n} for n in lengths], **options)


def kept(path):
    return {point["size"]["length"]: point["cases"] for point in load(path)["points"]}


def lengths_run(speed, path, **options):
    return [point["size"]["length"] for point in race.run(speed, path, **options)]


def test_the_process_of_a_case_that_gives_up_ends_before_others_take_further_turns(tmp_path):
    seen = []

    def watching(**_):
        return lambda: seen.append(list(Worker.ended))

    (point,) = race.run(benchmark(once_only, watching, lengths=[1], repeats=3), tmp_path / "race.json")
    assert seen == [[], [], ["once_only"]]
    assert point["cases"]["once_only"] == {"over": "more than 5 s"}
    assert point["cases"]["watching"]["wall"]["n"] == 3
    assert Worker.ended == ["once_only", "watching"]


def test_only_smaller_sizes_decide_what_is_not_tried(tmp_path):
    path = tmp_path / "race.json"
    list(race.run(benchmark(large), path))
    assert lengths_run(benchmark(large, quick), path) == [1, 2, 3]
    assert kept(path)[1]["large"]["wall"]["n"] == 2
    assert [kept(path)[n]["large"] for n in (2, 3)] == [{"over": "more than 5 s"}, {"over": "not tried: more than 5 s"}]


def test_figures_stay_until_others_take_their_place(tmp_path):
    path, seen = tmp_path / "race.json", []
    list(race.run(benchmark(quick), path))

    def watching(**_):
        return lambda: seen.append(kept(path))

    before = kept(path)
    list(race.run(benchmark(quick, watching, lengths=[1]), path))
    assert seen == [before] * 2
    assert [set(cases) for cases in kept(path).values()] == [{"quick", "watching"}, {"quick"}, {"quick"}]


def test_what_was_not_tried_is_once_the_ceiling_holds_no_longer(tmp_path):
    path = tmp_path / "race.json"
    list(race.run(benchmark(large), path))
    figures = load(path)
    figures["points"][1]["cases"]["large"] = {"broken": "by a full disk"}
    save(path, figures)
    mended = Speed("race", "Race", {"large": quick}, [{"length": n} for n in (1, 2, 3)], repeats=2)
    assert lengths_run(mended, path) == [2, 3]


def test_a_point_is_complete_once_each_case_has_its_turns(tmp_path):
    path = tmp_path / "race.json"
    assert lengths_run(benchmark(quick), path, repeats=1) == [1, 2, 3]
    assert lengths_run(benchmark(quick), path) == [1, 2, 3]
    assert lengths_run(benchmark(quick), path) == []
    assert lengths_run(benchmark(quick), path, repeats=1) == []


def test_medians_of_unknown_turns_are_measured_anew(tmp_path):
    path = tmp_path / "race.json"
    cases = {"quick": {"wall": {"median": 3.0}, "processor": {"median": 3.0}}}
    save(path, {"points": [{"size": {"length": 1}, "clock": "processor", "cases": cases}]})
    assert lengths_run(benchmark(quick, lengths=[1]), path) == [1]
    assert kept(path)[1]["quick"]["processor"] == {"median": 1.0, "min": 1.0, "max": 1.0, "n": 2}


def test_what_raised_is_tried_again_and_what_broke_a_ceiling_is_not(tmp_path):
    path = tmp_path / "race.json"
    for speed, again in ((benchmark(broken, quick), [1, 2, 3]), (benchmark(large, quick), [])):
        list(race.run(speed, path))
        assert lengths_run(speed, path) == again


def test_trials_over_a_ceiling_are_not_tried_again(tmp_path):
    def slow():
        raise OverCeilingError("more than 5 s")

    def wrong():
        raise BrokenCaseError("ValueError: never right")

    trials, path = Trials("trials", "Trials", {"slow": slow, "wrong": wrong, "quick": dict}), tmp_path / "trials.json"
    for names in (["slow", "wrong", "quick"], ["wrong"]):
        assert [name for name, _ in trial.run(trials, path)] == names


def disagree():
    raise AssertionError("the forms disagree")


def agree():
    pass


def test_a_case_whose_check_raises_is_not_timed(tmp_path, monkeypatch):
    path, checked = tmp_path / "race.json", []

    def watched(check, **options):
        checked.append(check)
        return once(check, **options)

    monkeypatch.setattr(race, "once", watched)
    speed = benchmark(large, quick, quick_too, checks={"large": disagree, "quick": agree, "quick_too": disagree})
    assert lengths_run(speed, path) == [1, 2, 3]
    assert checked == [disagree, agree]
    refused = {"broken": "check: AssertionError: the forms disagree"}
    for cases in kept(path).values():
        assert [cases["large"], cases["quick_too"]] == [refused, refused]
        assert cases["quick"]["wall"]["n"] == 2


def test_a_check_is_made_once_a_run_and_only_where_something_is_missing(tmp_path, monkeypatch):
    path, checked = tmp_path / "race.json", []
    monkeypatch.setattr(race, "once", lambda check, **_: checked.append(check))
    speed = benchmark(quick, checks={"quick": agree})
    for _ in range(2):
        list(race.run(speed, path))
        assert checked == [agree]


def test_a_check_that_still_fails_leaves_the_others_as_they_are(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise BrokenCaseError("Traceback\nAssertionError: no")

    monkeypatch.setattr(race, "once", refused)
    speed = benchmark(quick, quick_too, checks={"quick": disagree})
    assert lengths_run(speed, tmp_path / "race.json") == [1, 2, 3]
    assert lengths_run(speed, tmp_path / "race.json") == []


def test_points_of_another_run_stay(tmp_path):
    path = tmp_path / "race.json"

    def beside(**_):
        if not path.exists():
            list(race.run(benchmark(quick, lengths=[2]), path))
        return lambda: None

    list(race.run(benchmark(beside, lengths=[1]), path))
    assert {length: set(cases) for length, cases in kept(path).items()} == {1: {"beside"}, 2: {"quick"}}


def test_a_point_that_another_run_completed_is_not_replaced_by_a_lesser_one(tmp_path):
    path = tmp_path / "race.json"

    def quick(**_):
        if not path.exists():
            save(path, {"points": []})
            list(race.run(benchmark(quick, lengths=[1]), path))
        return lambda: None

    (point,) = race.run(benchmark(quick, lengths=[1]), path, repeats=1)
    assert point["cases"]["quick"]["wall"]["n"] == kept(path)[1]["quick"]["wall"]["n"] == 2


def test_cases_of_another_run_stay(tmp_path):
    path = tmp_path / "trials.json"
    trials = {"here": dict, "there": dict}

    def here():
        list(trial.run(Trials("trials", "Trials", trials), path, only="there"))
        return {}

    assert [name for name, _ in trial.run(Trials("trials", "Trials", trials | {"here": here}), path)] == ["here"]
    assert list(load(path)["cases"]) == ["here", "there"]


def test_writers_wait_for_each_other(tmp_path):
    path = tmp_path / "count.json"
    path.with_suffix(".part").write_text("left by a run that was killed")

    def count(_):
        update(path, lambda results: {"count": results.get("count", 0) + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(80)))
    assert load(path) == {"count": 80}
    assert sorted(one.name for one in tmp_path.iterdir()) == ["count.json", "count.part"]


def test_a_file_that_was_cut_off_is_named(tmp_path):
    path = tmp_path / "race.json"
    path.write_text(json.dumps({"points": []})[:-2])
    with pytest.raises(DamagedError, match=r"race\.json must hold JSON"):
        load(path)
