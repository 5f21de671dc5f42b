"""What is said of accuracy, from results of which it is known."""

import json
from dataclasses import replace
from string import Formatter

import pandas as pd
import pytest

from benchmarks import evidence
from benchmarks.accuracy import choice, long_horizon, prices
from benchmarks.accuracy.models import MODELS
from benchmarks.accuracy.protocol import without_gaps
from benchmarks.accuracy.published import SMAMBA, TABLES, Published
from benchmarks.accuracy.summary import beside_published
from benchmarks.accuracy.tasks import TASKS, Task
from benchmarks.core import data
from benchmarks.core.figures import mean_of
from benchmarks.core.tables import number
from darts_tsformers.recommendation import ranking
from darts_tsformers.recommendation.evidence import Evidence


def figures(**mse):
    result = {"lookback": 96, "stride": 3, "mae": 0.5}
    cases = {
        f"{model}, seed {seed}": {"result": {"model": model, "mse": one, "mse, published windows": one / 2} | result}
        for model, errors in mse.items()
        for seed, one in enumerate(errors, start=1)
    }
    return {"cases": cases | {"broken": {"over": "more than 3 s"}}}


def test_the_mean_and_the_spread_stand_beside_what_was_published():
    found = beside_published({"A": Published(0.2, 0.3, 336, "Somebody 2020")}, figures(A=[0.3, 0.5, 0.4], B=[0.25]))
    assert found.splitlines()[2:] == [
        "| A | 3 | 96 | 1 in 3 | – | 0.400 | 0.200 | 0.500 | 0.200 | 0.200 | 0.300 | 336 | Somebody 2020 |",
        "| B | 1 | 96 | 1 in 3 | – | 0.250 | – | 0.500 | 0.125 | – | – | – | – |",
    ]


@pytest.mark.parametrize(("source", "beside"), [(SMAMBA, "0.400"), ("Somebody 2020", "0.200")])
def test_the_windows_are_those_of_the_paper_beside(source, beside):
    found = beside_published({"A": Published(0.2, 0.3, 96, source)}, figures(A=[0.4]))
    assert f"| 0.500 | {beside} | 0.200 |" in found


def test_a_figure_beside_a_published_one_that_knew_less_says_so():
    told = [
        long_horizon.known_of(replace(TASKS[0], has_future=future), "iTransformer", figures(iTransformer=errors))
        for future in (False, True)
        for errors in ([0.3, 0.4, 0.5], [0.3])
    ]
    more = "knows more than the published one"
    assert told == ["", "1 of 3 seeds", more, f"1 of 3 seeds, {more}"]


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("iTransformer", ""),
        ("FEDformer", "normalises each window, as the published one does not"),
        ("DLinear", "the published one looks back on 336"),
    ],
)
def test_a_figure_beside_a_published_one_that_is_made_otherwise_says_so(model, said):
    assert long_horizon.known_of(TASKS[0], model, figures(**{model: [0.3, 0.4, 0.5]})) == said


def test_of_prices_the_worst_seed_counts():
    what = "least of a driver / most of noise, over the horizon"
    cases = {str(seed): {"result": {"model": "TFT", what: least}} for seed, least in enumerate((4.0, 1.03, 1.3))}
    assert prices.least_of_a_driver({"cases": cases}) == 1.03
    assert prices.least_of_a_driver({"cases": {}}) is None


def test_the_validation_loss_by_which_was_chosen_stands_in_the_table_where_every_seed_kept_it():
    found = figures(A=[0.25, 0.25], B=[0.25, 0.25])
    for name, loss in (("A, seed 1", 0.5), ("A, seed 2", 0.75), ("B, seed 2", 0.75)):
        found["cases"][name]["result"]["validation loss"] = loss
    head, _, *rows = beside_published({}, found).splitlines()
    at = head.split(" | ").index("validation loss")
    assert [row.split(" | ")[at] for row in rows] == ["0.625", "–"]


def test_a_model_is_held_against_the_paper_on_the_windows_of_the_paper():
    task = next(task for task in TASKS if task.name == "ETTh1 96")
    goals = {goal.what: goal for goal in long_horizon.goals(task, {"PatchTST": 0.385})}
    found = figures(PatchTST=[0.4], iTransformer=[0.4])
    assert TABLES["ETTh1 96"]["iTransformer"].source == SMAMBA
    assert goals["ETTh1 96: PatchTST, MSE"].figure(found) == 0.4
    assert goals["ETTh1 96: PatchTST as published (0.375), MSE"].figure(found) == 0.2
    assert goals["ETTh1 96: iTransformer as published (0.386), MSE"].figure(found) == 0.4
    assert goals["ETTh1 96: PatchTST as published (0.375), MSE"].at_most == pytest.approx(1.05 * 0.375)


def test_of_prices_the_last_column_is_forecast_and_the_others_are_known(monkeypatch):
    frame = pd.DataFrame({"load": [1.0, 2.0], "wind": [3.0, 4.0], "price": [5.0, 6.0]})
    frame.index = pd.date_range("2024-01-01", periods=2, freq="h")
    monkeypatch.setattr(data, "read", lambda name: data.DataSet(frame, 1, 1))
    task = Task(data="prices", horizon=1, lookback=1, longer=1, season=1, has_future=True)
    given, known = task.read()
    assert given.frame.columns.tolist() == ["price"]
    assert known.components.tolist() == ["load", "wind"]
    assert replace(task, has_future=False).read()[1] is None


def test_a_reason_has_the_errors_of_what_was_tried_or_says_that_it_was_not():
    why = "Without it the error is {A, without it}"
    assert long_horizon.told(why, figures(**{"A, without it": [0.25, 0.35]})) == "Without it the error is 0.300"
    assert long_horizon.told(why, figures(A=[0.25])) == "Not run yet, and to tell why: A, without it"
    assert long_horizon.told("", figures(A=[0.25])) == ""


def test_every_reason_names_what_is_tried():
    for task in TASKS:
        for why in task.why.values():
            names = {name for _, name, _, _ in Formatter().parse(why) if name}
            assert names
            assert names <= {*task.variants, *MODELS}


def test_what_is_tried_beside_the_models_is_no_evidence():
    assert evidence.errors(figures(PatchTST=[0.5], **{"PatchTST, without it": [0.25]})) == {"PatchTST": 0.5}


def test_mean_of_a_model_that_was_not_measured_is_none():
    assert mean_of("C")(figures(A=[0.3])) is None


NAMES = [*ranking.CANDIDATES, *ranking.SIMPLER]
FACTS = {
    "horizon": 96, "lookback": 96, "n_steps": 8640, "n_windows": 8449, "n_components": 7, "season": 24,
    "seasonal_strength": 0.3, "missing_share": 0.0, "has_future": False,
}  # fmt: skip
CASES = {
    "ETTh1 96": {"result": FACTS},
    "weather 96": {"result": FACTS | {"season": 144}},
    "ETTh2 96": {"broken": "it was killed"},
    "new": {"result": FACTS},
}


def knows(monkeypatch, **errors):
    """Make up evidence, all errors that are not given 0.4."""
    found = {name.replace("_at_", " "): dict.fromkeys(NAMES, 0.4) | one for name, one in errors.items()}
    times = dict.fromkeys(NAMES, 1.0), {name: {1: 1.0, 7: 1.0} for name in NAMES}
    monkeypatch.setattr(choice, "measured", lambda: Evidence(found, *times))


def test_advice_is_judged_with_and_without_the_figures_of_the_data_set(monkeypatch):
    knows(monkeypatch, ETTh1_at_96={"TFT": 0.2}, weather_at_96={"TFT": 0.3, "PatchTST": 0.2}, ETTh2_at_96={})
    assert [tuple(one) for one in choice.judged({"cases": CASES})] == [
        ("ETTh1 96", "TemporalFusionTransformerModel", 1.0, "PatchTSTModel", 2.0),
        ("weather 96", "PatchTSTModel", 1.0, "TemporalFusionTransformerModel", pytest.approx(1.5)),
    ]
    assert choice.share_near("excess")({"cases": CASES}) == 1
    assert choice.share_near("held_out_excess")({"cases": CASES}) == 0


def test_advice_stands_beside_the_best_constant_answer(monkeypatch):
    knows(monkeypatch, ETTh1_at_96={"TFT": 0.2}, weather_at_96={"TFT": 0.3, "PatchTST": 0.2})
    lines = choice.summary({"cases": CASES}).splitlines()
    first, held_out = "TemporalFusionTransformerModel", "PatchTSTModel"
    assert lines[0].endswith(f"| always {first} |")
    assert lines[2:7] == [
        f"| ETTh1 96 | {first} | 1.000 | {held_out} | 2.000 | 1.000 |",
        f"| weather 96 | {held_out} | 1.000 | {first} | 1.500 | 1.500 |",
        "| geometric mean |  | 1.000 |  | 1.732 | 1.225 |",
        "| at most 1.05 |  | 2 of 2 |  | 0 of 2 | 1 of 2 |",
        "",
    ]
    assert f"is another than {first} for 1 of 2; beside always naming it that makes errors 41.4% larger" in lines[7]


def test_advice_that_is_always_the_same_gains_nothing(monkeypatch):
    knows(monkeypatch, ETTh1_at_96={"TFT": 0.2}, weather_at_96={"TFT": 0.2})
    said = (
        "is another than TemporalFusionTransformerModel for 0 of 2; beside always naming it that makes no difference."
    )
    assert said in choice.summary({"cases": CASES})


def test_data_sets_that_are_not_judged_are_named_with_what_they_lack(monkeypatch, tmp_path):
    knows(monkeypatch, ETTh1_at_96={}, ETTh2_at_96={})
    monkeypatch.setattr(choice, "RESULTS", tmp_path)
    (tmp_path / "cpu").mkdir()
    stored = {name: {"result": {"model": name, "mse": 0.4}} for name in NAMES if name not in ("TFT", "DLinear")}
    (tmp_path / "cpu" / "accuracy_weather_96.json").write_text(json.dumps({"cases": stored}))
    left_out = list(choice.left_out({"cases": CASES}))
    assert left_out[:3] == [
        "ETTh2 96: what the rules ask of it was not measured",
        "ETTm1 96: no figure of any model",
        "weather 96: no figure of TFT; DLinear",
    ]
    assert len(left_out) == len(long_horizon.TASKS) - 1
    assert choice.summary({}).startswith("Not judged yet:\n\n- ETTh1 96: what")


def test_the_note_of_the_advice_tells_the_look_backs():
    differing = {(task.longer, task.lookback) for task in long_horizon.TASKS if task.longer != task.lookback}
    assert differing == {(336, 96), (104, 36)}
    (trials,) = choice.BENCHMARKS
    assert "336 steps of ETT and weather and on 104 of illness, the others on 96 and 36" in trials.note


@pytest.mark.parametrize(
    ("value", "written"), [(float("nan"), "nan"), (float("inf"), "inf"), (None, "–"), (3e-7, "3.00e-07")]
)
def test_a_figure_that_is_no_number_does_not_lose_the_report(value, written):
    assert number(value) == written


def test_gaps_are_closed_by_what_came_before_them():
    nan = float("nan")
    frame = pd.DataFrame({"a": [nan, 2.0, nan, nan, 5.0], "b": [1.0, nan, 3.0, nan, nan]})
    closed = without_gaps(data.DataSet(frame, train=3, validation=4)).frame
    assert closed["a"].tolist() == [2, 2, 2, 2, 5]
    assert closed["b"].tolist() == [1, 1, 3, 3, 3]
