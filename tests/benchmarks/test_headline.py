"""What is drawn from several results, on results of which it is known."""

import json

import pytest

from benchmarks import evidence, headline
from benchmarks.core.store import RESULTS, load
from benchmarks.registry import BENCHMARKS
from darts_tsformers.recommendation.ranking import CANDIDATES, SIMPLER


def point(length, **milliseconds):
    cases = {name: {"processor": {"median": time}} for name, time in milliseconds.items()}
    return {"size": {"length": length}, "clock": "processor", "cases": cases | {"broken": {"over": "time"}}}


def test_the_fastest_peer_counts_at_each_size():
    results = {"tft_step": {"points": [point(96, ours=2, a=4, b=8), point(336, ours=9, a=27, b=18), point(720, a=1)]}}
    assert headline.of_fastest_peer("TFT", "step", results) == pytest.approx(0.5)
    assert headline.of_fastest_peer("TFT", "inference", results) is None


def test_of_two_set_ups_the_worse_counts():
    results = {
        "patchtst_step": {"points": [point(96, ours=2, a=4), point(336, ours=9, a=10)]},
        "patchtst_plain_step": {"points": [point(96, ours=8, b=10)]},
    }
    assert headline.of_fastest_peer("PatchTST", "step", results) == pytest.approx((0.8 * 0.9) ** 0.5)


def test_the_median_is_over_models_that_were_measured():
    results = {f"{name}_step": {"points": [point(96, ours=1, a=a)]} for name, a in [("tft", 2), ("fedformer", 10)]}
    assert headline.median_speed_up(results | {"itransformer_step": {"points": [point(96, ours=5, a=4)]}}) == 2
    assert headline.median_speed_up({}) is None


def test_the_readme_has_the_headline_of_the_results():
    found = {name: load(RESULTS / "cpu" / f"{name}.json") for name in BENCHMARKS}
    page = headline.README.read_text()
    assert "| PatchTST |" in headline.headline(found)
    assert headline.filled(page, found) == page, "python -m benchmarks report"


def test_evidence_is_what_the_results_say():
    assert load(evidence.SHIPPED) == evidence.collect(RESULTS / "cpu"), "python -m benchmarks report"


def test_only_benchmarks_with_all_candidates_are_evidence(tmp_path):
    names = [*CANDIDATES, *SIMPLER]

    def stored(*models):
        cases = {f"{m}, {seed}": {"result": {"model": m, "mse": seed}} for m in models for seed in (1, 2)}
        return {"cases": cases}

    (tmp_path / "accuracy_ETTh1_96.json").write_text(json.dumps(stored(*names)))
    (tmp_path / "accuracy_weather_96.json").write_text(json.dumps(stored(*names[1:])))
    found = evidence.collect(tmp_path)
    assert found["errors"] == {"ETTh1 96": dict.fromkeys(names, 1.5)}
    assert found["seconds"] == {}
