from dataclasses import replace

import pytest


def scored(comparison, best, naive, column="MASE", **weights):
    """A comparison in which the best and the seasonal naive have these scores."""
    scores = comparison.scores.copy()
    changed = replace(comparison, scores=scores, weights=dict.fromkeys(comparison.weights, 0.0) | weights)
    scores.loc["NaiveSeasonal", column] = naive
    scores.loc[changed.best, column] = best
    return changed


@pytest.mark.parametrize(
    ("best", "naive", "weights", "said"),
    [
        (0.6, 0.8, {"Theta": 1.0}, "Use Theta: MASE 0.6, 25 % below the seasonal naive, on rows held back."),
        (0.9, 0.75, {"Naive": 1.0}, "Use Naive: MASE 0.9, 20 % above the seasonal naive, on rows held back."),
        (0.801, 0.8, {"Theta": 1.0}, "Use Theta: MASE 0.801, as good as the seasonal naive, on rows held back."),
        (0.7, 0.7, {"NaiveSeasonal": 1.0}, "Use NaiveSeasonal: MASE 0.7 on rows held back."),
        (
            0.4,
            0.8,
            {"PatchTSTModel": 0.1, "Theta": 0.35, "ExponentialSmoothing": 0.55},
            "Use a mix of 55 % ExponentialSmoothing, 35 % Theta and 10 % PatchTSTModel: MASE 0.4, 50 % below the "
            "seasonal naive, on rows held back.",
        ),
    ],
)
def test_the_summary_begins_with_what_to_use_and_by_how_much(comparison, best, naive, weights, said):
    found = scored(comparison, best, naive, **weights)
    assert found.verdict() == said
    assert found.summary().splitlines()[0] == said
    assert found.forecast == comparison.forecasts[found.best]


def test_without_mase_the_verdict_is_by_the_absolute_error(comparison):
    found = scored(comparison, 3.0, 6.0, column="MAE", Theta=1.0)
    found.scores["MASE"] = float("nan")
    assert found.verdict() == "Use Theta: MAE 3, 50 % below the seasonal naive, on rows held back."
