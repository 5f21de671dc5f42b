"""The long-range suite: what its series are made of, that its cases run, and what is made of its figures."""

import numpy as np
import pytest

from benchmarks.core.report import write
from benchmarks.core.store import save
from benchmarks.longrange import cases, evidence, summary, training
from benchmarks.longrange.suite import BENCHMARKS
from benchmarks.longrange.tasks import KEYS, MARK, MEMORY, PARTS, SEASON, SEASONAL, TASKS, horizon, season
from darts_tsformers.attention import attention_names

LENGTH = 256
HELD = horizon(LENGTH) // PARTS
(SUITE,) = BENCHMARKS


def batch(task, n=7, length=LENGTH, seed=3):
    return TASKS[task](np.random.default_rng(seed), n, length)


@pytest.mark.parametrize("task", TASKS)
def test_what_is_asked_is_not_in_the_window(task):
    given, actual = batch(task)
    ahead = horizon(LENGTH)
    assert given.shape[:2] == (7, LENGTH)
    assert actual.shape == (7, ahead)
    assert (given[:, -ahead:, 0] == 0).all()
    assert (given[:, :-ahead, 0] != 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_series_have_the_scale_that_errors_are_shares_of_and_follow_the_seed(task):
    given, actual = batch(task, n=301)
    assert abs(actual.mean()) < 0.15
    assert actual.std() == pytest.approx(1, abs=0.1)
    for one, again in zip((given, actual), batch(task, n=301), strict=True):
        np.testing.assert_array_equal(one, again)
    assert not np.array_equal(actual, batch(task, n=301, seed=4)[1])


def test_a_copy_is_how_the_window_began():
    given, actual = batch("copy")
    np.testing.assert_array_equal(actual, given[:, : horizon(LENGTH), 0])


def test_a_mark_leads_to_the_level_that_it_was_beside():
    given, actual = batch("selective recall")
    series, marks = given[..., 0], given[..., 1:]
    past, asked = marks[:, : -horizon(LENGTH)], marks[:, -horizon(LENGTH) :]
    assert ((past == MARK).sum(axis=(1, 2)) == KEYS * HELD).all()
    for i in range(len(series)):
        for step, key in enumerate(asked[i].argmax(axis=1)):
            (found,) = set(series[i, : LENGTH - horizon(LENGTH)][past[i, :, key] == MARK])
            assert actual[i, step] == found


def test_long_lag_ar_keeps_what_was_a_quarter_before():
    given, actual = batch("long-lag AR", n=301)
    lag, ahead = season("long-lag AR", LENGTH), horizon(LENGTH)
    before = given[:, -ahead - lag : -lag, 0]
    assert np.corrcoef(before.ravel(), actual.ravel())[0, 1] == pytest.approx(MEMORY, abs=0.02)


def test_two_seasons_go_on():
    _, actual = batch("two seasons", length=1024)
    fast_removed = actual[:, SEASON:] - actual[:, :-SEASON]
    assert (np.abs(fast_removed).max(axis=1) < 0.2).all()


def test_the_only_event_is_in_the_first_half_and_has_the_level_asked_for():
    given, actual = batch("rare event")
    for series, event, asked in zip(given[..., 0], given[..., 1], actual, strict=True):
        (level,) = set(series[event == MARK])
        assert set(asked) == {level}
        assert event.nonzero()[0].max() < LENGTH // 2 + HELD


def test_every_registered_mechanism_is_on_every_task():
    found = {(one.mechanism, one.task) for one in cases.cases() if one.season_as is None and not one.causal}
    assert found == {(name, task) for name in attention_names() for task in (cases.COST, *TASKS)}


def test_only_what_has_a_causal_form_is_run_causally():
    causal = {one.mechanism for one in cases.cases() if one.causal}
    assert causal == set(attention_names()) - {"auto_correlation", "linformer"}


def test_the_season_is_given_where_there_is_one():
    assert {one.task for one in cases.cases() if one.season_as} == {cases.COST, *SEASONAL}


@pytest.mark.parametrize("causal", [False, True])
def test_a_case_trains_what_can_be_learnt(monkeypatch, causal):
    monkeypatch.setattr(training, "STEPS", 60)
    monkeypatch.setattr(training, "RATE", 3e-2)
    found = cases.Case(128, causal, "two seasons", "full", None).run()
    assert found["error"] < 0.7
    assert found["mechanism"] == "full"


def test_a_case_is_the_same_each_time(monkeypatch):
    monkeypatch.setattr(training, "STEPS", 2)
    one, other = (cases.Case(128, False, "two seasons", "performer", None).run() for _ in range(2))
    assert one == other


def test_the_cost_of_a_season_is_that_of_its_argument(monkeypatch):
    monkeypatch.setattr(training, "TURNS", 1)
    found = cases.Case(256, False, cases.COST, "sparse", "stride").run()
    assert found["time"] > 0
    assert found["megabytes"] > 0


def figures(length=1024, causal=False, **mechanisms):
    """Make up results: by mechanism its error on every task, and its time."""
    results = [
        {"length": length, "causal": causal, "mechanism": name.split("_by_")[0], "task": task}
        | {"season_as": name.split("_by_")[1] if "_by_" in name else None}
        | ({"time": time, "megabytes": 2.0} if task == cases.COST else {"error": error})
        for name, (error, time) in mechanisms.items()
        for task in (cases.COST, *(SEASONAL if "_by_" in name else TASKS))
    ]
    named = [cases.Case(**{field: one[field] for field in cases.Case._fields}).name for one in results]
    return {"cases": {name: {"result": one} for name, one in zip(named, results, strict=True)}}


FIGURES = figures(linear=(0.9, 0.03), full=(0.5, 1.0), sparse=(0.4, 0.2), sparse_by_stride=(0.1, 0.3))


def test_three_sentences_name_the_best_the_quickest_and_the_best_for_a_season():
    assert summary.told(FIGURES) == (
        "At 1,024 steps exact attention has a mean error of 0.50; of the others `sparse` has the lowest, 0.40, in 0.20 "
        "of its time. The quickest, `linear`, has 0.90 in 0.03 of its time. Of the series with a season alone, "
        "`sparse, stride = season` has the lowest error, 0.10 in 0.30 of its time."
    )
    assert summary.told({}) == ""


def test_the_report_has_a_table_and_a_picture(tmp_path):
    save(tmp_path / "long_range.json", FIGURES)
    write([SUITE], tmp_path, tmp_path / "report")
    text = (tmp_path / "report" / "README.md").read_text()
    lines = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    assert lines[-4:] == ["| sparse", "| full", "| linear", "| sparse, stride = season"]
    assert "![Mechanisms on long-range series](long_range.png)" in text
    assert (tmp_path / "report" / "long_range.png").read_bytes().startswith(b"\x89PNG")


def test_evidence_is_what_was_run_in_full(tmp_path):
    longer = figures(length=4096, linear=(0.7, 0.12))["cases"]
    save(tmp_path / "long_range.json", {"cases": FIGURES["cases"] | longer})
    found = evidence.collect(tmp_path)
    assert {one["length"] for one in found["errors"]} == {1024}
    assert [one["mechanism"] for one in found["costs"]] == ["linear", "full", "sparse", "sparse"]
    assert found["errors"][0]["errors"] == dict.fromkeys(TASKS, 0.9)


def test_a_task_that_a_mechanism_was_not_tried_on_is_no_evidence(tmp_path):
    cut = {name: case for name, case in FIGURES["cases"].items() if name != "1024, copy, linear"}
    save(tmp_path / "long_range.json", {"cases": cut})
    found = evidence.collect(tmp_path)
    assert [set(one["errors"]) for one in found["errors"]] == [*[set(TASKS) - {"copy"}] * 3, set(SEASONAL)]
    assert len(found["costs"]) == 4


def test_evidence_of_nothing_is_empty(tmp_path):
    found = evidence.collect(tmp_path)
    assert (found["errors"], found["costs"]) == ([], [])
