"""The ranking follows the figures that the rules name."""

import math

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

import darts_tsformers
from darts_tsformers import recommend
from darts_tsformers.recommendation.evidence import Evidence, measured
from darts_tsformers.recommendation.facts import Facts
from darts_tsformers.recommendation.ranking import CANDIDATES, SIMPLER, rank
from darts_tsformers.recommendation.rules import RULES
from tests.helpers import exactly

FACTS = {
    "horizon": 48,
    "lookback": 96,
    "n_steps": 8640,
    "n_windows": 8497,
    "n_components": 7,
    "season": 24,
    "seasonal_strength": 0.4,
    "missing_share": 0.0,
    "has_future": False,
}
NAMES = [*CANDIDATES, *SIMPLER]
SECONDS = {name: 2.0 + i for i, name in enumerate(CANDIDATES)}
STEPS = {name: {1: 5.0, 7: 5.0, 100: 5.0} for name in CANDIDATES} | {"PatchTST": {1: 5.0, 7: 35.0, 100: 500.0}}


def facts(**changes: object) -> Facts:
    return Facts(**FACTS | changes)


def errors(best: str) -> dict[str, float]:
    return {name: 0.1 if name == best else 0.2 + i / 100 for i, name in enumerate(NAMES)}


def evidence(**best: str) -> Evidence:
    """Make up figures, by the model that did best in each benchmark."""
    return Evidence({name.replace("_at_", " "): errors(one) for name, one in best.items()}, SECONDS, STEPS)


@pytest.mark.parametrize(
    ("changes", "benchmarks"),
    [
        ({}, ["ETTh1 96", "ETTh2 96"]),
        ({"season": 96}, ["ETTm1 96", "weather 96"]),
        ({"seasonal_strength": 0.09}, ["exchange_rate 96"]),
        ({"n_steps": 1999}, ["national_illness 24"]),
        ({"n_steps": 1999, "seasonal_strength": 0.0}, ["national_illness 24"]),
        ({"n_components": 15}, ["ETTh1 96", "ETTh2 96", "weather 96"]),
        ({"has_future": True}, ["ETTh1 96", "ETTh2 96", "epf_NP 24", "epf_PJM 24", "epf_BE 24"]),
        ({"missing_share": 0.05}, ["ETTh1 96", "ETTh2 96", "ETTh1 96 with gaps"]),
    ],
)
def test_which_benchmarks_speak_for_a_series(changes, benchmarks):
    holding = [rule for rule in RULES if rule.holds(facts(**changes))]
    assert [name for rule in holding for name in rule.benchmarks] == benchmarks


def test_the_best_where_series_were_alike_comes_first():
    known = evidence(ETTh1_at_96="Autoformer", exchange_rate_at_96="LogSparse")
    assert rank(facts(), known).best.model == "AutoformerModel"
    choice = rank(facts(seasonal_strength=0.0), known).best
    assert (choice.model, choice.arguments, choice.excess) == (
        "LogSparseTransformerModel",
        {"mode": "direct"},
        pytest.approx(1),
    )
    assert choice.reasons == ("exchange_rate 96: MSE 0.100, the lowest error",)


def test_several_benchmarks_count_alike_by_how_far_each_is_above_the_lowest():
    known = evidence(ETTh1_at_96="TFT", ETTh2_at_96="FEDformer")
    scaled = Evidence(known.errors | {"ETTh2 96": {n: 100 * e for n, e in errors("FEDformer").items()}}, SECONDS, STEPS)
    names = list(CANDIDATES)
    expected = math.sqrt((0.2 + names.index("FEDformer") / 100) / 0.1)
    for each in (known, scaled):
        found = {one.model: one.excess for one in rank(facts(), each).ranking}
        assert found["FEDformerModel"] == pytest.approx(expected)
    assert len(found) == len(CANDIDATES)


def test_without_a_benchmark_like_it_all_count():
    known = evidence(weather_at_96="iTransformer")
    found = rank(facts(), known)
    assert found.best.model == "ITransformerModel"
    assert found.rules == (
        "a season of 24 steps (strength 0.40); no benchmark like that was run in full",
        "so all benchmarks that were run count",
    )


def test_what_is_over_the_budget_goes_to_the_end():
    known = evidence(ETTh1_at_96="TFT")
    free = rank(facts(), known)
    assert [one.is_within_budget for one in free.ranking] == [True] * len(CANDIDATES)
    times = {one.model: one.seconds for one in free.ranking}
    some = rank(facts(), known, budget_seconds=times["ITransformerModel"])
    within = [one.model for one in some.ranking if one.is_within_budget]
    assert within == ["PatchTSTModel", "ITransformerModel"]
    assert [one.model for one in some.ranking[:2]] == within
    assert some.ranking[2].model == "TemporalFusionTransformerModel"
    assert "about 50 s to train, over the budget" in str(some)
    assert not any("budget" in remark for remark in some.remarks)


def test_that_all_are_over_the_budget_is_said():
    found = rank(facts(), evidence(ETTh1_at_96="TFT"), budget_seconds=1.5)
    said = "Every model is over the budget of 1.5 s; the quickest is PatchTSTModel, about 20 s to train"
    assert found.remarks == (said,)
    assert f"- {said}" in str(found)


def test_that_no_window_fits_is_said():
    found = recommend(SERIES, np.int64(60))
    assert (found.facts.lookback, found.facts.n_windows) == (60, 0)
    assert found.remarks[0] == (
        "No series has the 120 steps of a look-back of 60 and a horizon of 60, so there is no window to train on: "
        "shorten look-back or horizon"
    )
    assert "time not estimated" in str(found)
    assert not any("look-back" in remark for remark in recommend(SERIES, 51).remarks)


@pytest.mark.parametrize(
    ("n_components", "times"), [(1, 0.25), (2, 0.5), (4, 1.0), (7, 1.0), (14, 2.0), (21, 3.0), (28, 4.0), (112, 64.0)]
)
def test_time_grows_as_a_power_between_and_beyond_what_was_measured(n_components, times):
    known = Evidence({}, {}, {"A": {2: 3.0, 4: 6.0, 7: 6.0, 28: 24.0, 56: 96.0}})
    assert known.growth("A", n_components) == pytest.approx(times)


def test_time_grows_with_windows_look_back_and_as_measured_with_components():
    known = evidence(ETTh1_at_96="TFT")

    def seconds(**changes):
        return {one.model: one.seconds for one in rank(facts(**changes), known).ranking}

    base = seconds()
    assert base["ITransformerModel"] == pytest.approx(10 * 3.0 * 8497 / 8449)
    assert seconds(n_components=70)["ITransformerModel"] == base["ITransformerModel"]
    assert seconds(n_components=70)["PatchTSTModel"] == pytest.approx(10 * base["PatchTSTModel"])
    assert seconds(lookback=192, n_windows=16994)["InformerModel"] == pytest.approx(4 * base["InformerModel"])
    assert "less than a second to train" in str(rank(facts(n_windows=1), known))


def test_something_simpler_that_did_better_is_named():
    found = rank(facts(), evidence(ETTh1_at_96="NLinear"))
    assert found.best.model == "PatchTSTModel"
    assert found.remarks == (
        "Darts' NLinearModel, one component at a time, had the lowest error there and is simpler: try it too",
    )
    assert found.remarks[0] in str(found)


def test_what_is_simpler_is_held_against_what_the_budget_allows():
    known = evidence(ETTh1_at_96="TFT")
    assert rank(facts(), known).remarks == ()
    known.errors["ETTh1 96"]["DLinear"] = 0.15
    assert rank(facts(), known).remarks == ()
    (said,) = rank(facts(), known, budget_seconds=25).remarks
    assert said.startswith("Darts' DLinearModel")


def test_what_it_says():
    lines = str(rank(facts(), evidence(ETTh1_at_96="TFT"))).splitlines()
    assert lines[:8] == [
        "What counts of the series, and the benchmarks (data and horizon) that are like it:",
        "- a season of 24 steps (strength 0.40), as in ETTh1 96",
        "",
        "Models by their mean squared error (MSE) there, as a multiple of the lowest that any forecaster had",
        "(of several benchmarks, the geometric mean):",
        "1. TemporalFusionTransformerModel: the lowest error; about 80 s to train",
        "   ETTh1 96: MSE 0.100, the lowest error",
        "2. PatchTSTModel: 2.000 times the lowest error; about 20 s to train",
    ]
    assert any(line.startswith("4. InformerModel with use_instance_norm=True: ") for line in lines)
    assert lines[-2].startswith("- Look-backs were those of the papers")
    assert lines[-1] == "- Times are rough: 10 epochs at width 64 and a look-back of 96 on one core"


SERIES = TimeSeries.from_times_and_values(
    pd.date_range("2024-01-01", periods=103, freq="D"), np.random.default_rng(0).normal(size=(103, 3))
)


def test_what_comes_first_can_be_made_and_several_series_count_together():
    found = recommend([SERIES, SERIES[:59]], 7, future_covariates=SERIES)
    assert (found.facts.n_steps, found.facts.has_future) == (162, True)
    for one in found.ranking:
        getattr(darts_tsformers, one.model)(21, 7, **one.arguments)
    assert found.to_frame().index.tolist() == [one.model for one in found.ranking]


OTHER = TimeSeries.from_times_and_values(pd.date_range("2024-01-01", periods=103, freq="h"), np.ones((103, 3)))
COVARIATES = "None, a TimeSeries or a sequence of them"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"horizon": 0}, "horizon=0 must be an integer of at least 1"),
        ({"horizon": 103}, "series must be longer than horizon=103, the longest has 103 steps"),
        ({"budget_seconds": 0}, "budget_seconds=0 must be a number above 0"),
        ({"budget_seconds": math.nan}, "budget_seconds=nan must be a number above 0"),
        ({"budget_seconds": "60"}, "budget_seconds='60' must be a number above 0"),
        ({"budget_seconds": True}, "budget_seconds=True must be a number above 0"),
        ({"horizon": True}, "horizon=True must be an integer of at least 1"),
        ({"horizon": 7.0}, "horizon=7.0 must be an integer of at least 1"),
        ({"series": []}, "series is empty: it must be a TimeSeries or a sequence of at least one"),
        ({"series": None}, "series must be a TimeSeries or a sequence of them, not NoneType"),
        ({"series": np.ones(50)}, "series must be a TimeSeries or a sequence of them, not ndarray"),
        ({"series": [SERIES, None]}, "series must be a TimeSeries or a sequence of them, but series[1] is NoneType"),
        ({"future_covariates": 5}, f"future_covariates must be {COVARIATES}, not int"),
        ({"future_covariates": "promo"}, f"future_covariates must be {COVARIATES}, not str"),
        ({"future_covariates": True}, f"future_covariates must be {COVARIATES}, not bool"),
        ({"future_covariates": np.ones(103)}, f"future_covariates must be {COVARIATES}, not ndarray"),
        ({"future_covariates": SERIES.to_dataframe()}, f"future_covariates must be {COVARIATES}, not DataFrame"),
        (
            {"future_covariates": [None]},
            f"future_covariates must be {COVARIATES}, but future_covariates[0] is NoneType",
        ),
        ({"future_covariates": []}, "future_covariates must be one for each series, not 0 for 1"),
        ({"future_covariates": [SERIES] * 3}, "future_covariates must be one for each series, not 3 for 1"),
        (
            {"series": [SERIES, SERIES.univariate_component(0)]},
            "series must all have the same number of components, not 1 and 3",
        ),
        ({"series": [SERIES, OTHER]}, "series must all have the same frequency, not D and h"),
        ({"series": OTHER * np.nan}, "series must have values that were observed"),
        ({"series": OTHER * np.inf}, "series 0 has infinite values; what was not observed has to be NaN"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=exactly(message)):
        recommend(**{"series": SERIES, "horizon": 7} | arguments)


def test_covariates_are_one_for_all_series_or_one_for_each():
    assert not recommend(SERIES, 7).facts.has_future
    for known in (SERIES, (SERIES, SERIES)):
        assert recommend([SERIES, SERIES], 7, future_covariates=known).facts.has_future


@pytest.mark.parametrize("budget", [np.int64(20), np.float32(20), 20])
def test_numbers_of_numpy_are_numbers(budget):
    found = recommend(SERIES, np.int32(7), budget_seconds=budget)
    assert found == recommend(SERIES, 7, budget_seconds=20)
    assert type(found.facts.horizon) is int


def test_what_the_package_comes_with_has_every_candidate():
    known = measured()
    assert known.errors
    for errors_there in known.errors.values():
        assert errors_there.keys() >= set(NAMES)
    assert known.seconds.keys() == known.steps.keys() == CANDIDATES.keys()
    for name in CANDIDATES:
        assert known.growth(name, 862) > known.growth(name, 321) > known.growth(name, 7) == 1
