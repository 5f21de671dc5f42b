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


def test_a_peer_with_our_optimiser_is_not_what_users_have():
    results = {"tft_step": {"points": [point(96, ours=2) | {"cases": point(96, ours=2, a=4)["cases"] | {
        "a, fused Adam": {"processor": {"median": 1}}}}]}}  # fmt: skip
    assert headline.of_fastest_peer("TFT", "step", results) == pytest.approx(0.5)
    assert headline.of_fastest_peer("TFT", "step", results, same_optimiser=True) == 2
    assert headline.median_speed_up(results) == pytest.approx(2)
    assert headline.median_speed_up(results, same_optimiser=True) == pytest.approx(0.5)


def test_a_column_of_another_machine_is_said_to_be():
    at = {name: {"environment": {"processor": name}} for name in ("New", "Old")}
    steps = {"patchtst_step": {"points": [point(96, ours=2, a=4) | at["New"]]}}
    elsewhere = headline.headline(steps | {"fit_epoch": {"points": [point(96) | at["Old"]]}})
    assert "The epoch: one turn of one size, on Old, the others on New." in elsewhere
    there = headline.headline(steps | {"fit_epoch": {"points": [point(96) | at["New"]]}})
    assert "The epoch: one turn of one size." in there


def test_the_headline_says_how_far_tables_differ():
    def sized(**cases):
        size = {"batch": 32, "length": 96, "d_model": 64}
        return {"points": [point(96, **cases) | {"size": size}]}

    alone = {"tft_step": sized(ours=10), "patchtst_step": sized(ours=10)}
    assert "several tables" not in headline.headline(alone)
    twice = headline.headline(alone | {"precision_step": sized(TFT=11, PatchTST=13)})
    assert "differs in the median over the models: training steps 20%, at most 30%." in twice
    also = {"tft_inference": sized(ours=4), "compiled_inference": sized(TFT=3)}
    assert "over the models: inference 33%, at most 33%." in headline.headline(alone | also)
    elsewhere = sized(TFT=11)
    elsewhere["points"][0]["environment"] = {"processor": "Old"}
    assert "several tables" not in headline.headline(alone | {"precision_step": elsewhere})


def test_the_reason_for_the_median_names_peers_that_are_near():
    profiled = {
        "cases": {"TFT": {"result": {"ms a step": 12.5, "ms of its products": 5}}, "Informer": {"over": "time"}}
    }
    results = {"tft_step": {"points": [point(96, ours=3, a=4)]}, "profile": profiled}
    far = {"fedformer_step": {"points": [point(96, ours=1, a=9)]}}
    assert "peers of TFT take less" in headline.products_of_steps(results | far)
    assert "those alone are 40% of TFT's step" in headline.products_of_steps(results | far)


@pytest.mark.parametrize(
    ("seeds", "said"), [((1, 1), "one seed,"), ((3, 3), "mean over 3 seeds,"), ((1, 3), "mean over 1 to 3 seeds,")]
)
def test_the_headline_says_how_many_seeds_there_are(seeds, said):
    results = [
        {"model": name, "mse": 0.5} for name, n in zip(["TFT", "PatchTST"], seeds, strict=True) for _ in range(n)
    ]
    cases = {str(i): {"result": result} for i, result in enumerate(results)}
    assert said in headline.headline({"accuracy_ETTh1_96": {"cases": cases}})


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


def test_at_4096_steps_ours_is_a_share_of_the_other():
    cases = {"prob_sparse": 1, "fused": 40}
    sized = {name: {"processor": {"median": time}, "megabytes": {"tensors": 10 + time}} for name, time in cases.items()}
    points = [{"size": {"length": length}, "clock": "processor", "cases": sized} for length in (512, 4096)]
    rows = headline.at_4096_steps({"attention": {"points": points}}).splitlines()[2:]
    assert rows[0].endswith("| 0.025 | 0.22 |")
    assert all(row.endswith("| – | – |") for row in rows[1:])


def test_a_page_has_each_table_in_its_place():
    page = "a\n<!-- headline: how -->\nold\n<!-- /headline -->\nb\n"
    page += "<!-- at 4,096 steps: how -->\n<!-- /at 4,096 steps -->\n"
    filled = headline.filled(page, {})
    assert filled.index("| model |") < filled.index("<!-- /headline -->\nb") < filled.index("| share of what |")
    assert "old" not in filled
    assert headline.filled(filled, {}) == filled


def test_the_page_on_speed_has_the_headline_of_the_results():
    found = {name: load(RESULTS / "cpu" / f"{name}.json") for name in BENCHMARKS}
    page = headline.PAGE.read_text()
    assert "| PatchTST |" in headline.headline(found)
    assert headline.at_4096_steps(found) in page
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
    assert found["steps"] == {name: {} for name in CANDIDATES}


def test_steps_are_kept_as_far_as_they_were_measured():
    points = [
        {"size": {"targets": 1}, "cases": {"TFT": {"processor": {"median": 2.0}}}},
        {"size": {"targets": 862}, "cases": {"TFT": {"over": "more than 20 GB"}}},
    ]
    assert evidence.steps({"points": points}, "TFT") == {"1": 2.0}
