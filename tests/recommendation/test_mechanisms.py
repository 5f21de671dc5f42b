"""Mechanisms are suggested by the figures that come with the package."""

import numpy as np
import pytest

from darts_tsformers import suggest_attention
from darts_tsformers.attention import attention_names, build_attention
from darts_tsformers.recommendation.mechanisms import Evidence, Scored, Timed, measured, suggested

TASKS, SEASONAL = ["copy", "seasons"], ["seasons"]
SHORT, LONG = 1000, 9000


def known(*figures):
    """Make up evidence: mechanism, argument for the season, error of a copy, error of seasons, time."""
    errors, costs = [], []
    for length in (SHORT, LONG):
        for name, season_as, copy, seasons, time in figures:
            of = {"length": length, "causal": False, "mechanism": name, "season_as": season_as}
            scored = {"copy": copy, "seasons": seasons} if season_as is None else {"seasons": seasons}
            if length == SHORT:
                errors.append(Scored(**of, errors=scored))
            costs.append(Timed(**of, time=time * length / SHORT, megabytes=5.0))
    return Evidence(TASKS, SEASONAL, errors, costs)


KNOWN = known(
    ("slow", None, 0.1, 0.3, 0.5),
    ("worse", None, 0.8, 0.4, 0.2),
    ("middle", None, 0.4, 0.4, 0.11),
    ("quick", None, 0.9, 0.9, 0.02),
    ("middle", "stride", None, 0.1, 0.13),
)


def test_each_suggestion_is_quicker_than_those_with_a_lower_error():
    found = suggested(KNOWN, SHORT, None, causal=False)
    assert [(one.name, one.error) for one in found] == [("slow", 0.2), ("middle", 0.4), ("quick", 0.9)]
    assert [one.time for one in found] == [0.5, 0.11, 0.02]


def test_a_season_counts_series_with_one_and_is_given_to_what_takes_it():
    found = suggested(KNOWN, SHORT, 24, causal=False)
    assert [(one.name, one.arguments) for one in found] == [("middle", {"stride": 24}), ("middle", {}), ("quick", {})]
    assert found[0].errors == {"seasons": 0.1}


@pytest.mark.parametrize(("length", "at"), [(2, SHORT), (2999, SHORT), (3001, LONG), (100_000, LONG)])
def test_the_nearest_length_counts_for_errors_and_cost_apart(length, at):
    best = suggested(KNOWN, length, None, causal=False)[0]
    assert (best.error_at, best.cost_at, best.time) == (SHORT, at, 0.5 * at / SHORT)


def test_series_that_were_not_measured_do_not_count():
    seasonal = [one._replace(errors={"seasons": one.errors["seasons"]}) for one in KNOWN.errors]
    found = suggested(KNOWN._replace(errors=seasonal), SHORT, None, causal=False)
    assert [(one.name, one.errors) for one in found] == [
        ("slow", {"seasons": 0.3}), ("middle", {"seasons": 0.4}), ("quick", {"seasons": 0.9})
    ]  # fmt: skip


def test_a_suggestion_says_what_it_rests_on():
    best = suggested(KNOWN, LONG, 24, causal=False)[0]
    assert str(best) == (
        "middle, stride=24: error 0.10 (at 1,000 steps), 1.17 of the time of exact attention and 5 MB a training step "
        "(at 9,000 steps)"
    )


def test_what_has_no_causal_form_is_not_suggested_for_causal_use():
    assert suggested(KNOWN, SHORT, None, causal=True) == []


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("season", [None, 24])
def test_every_suggestion_of_the_package_can_be_built(season, causal):
    found = suggest_attention(np.int64(1024), season, causal=causal)
    assert found
    for one in found:
        mechanism = build_attention(one.attention)
        assert mechanism.supports_causal or not causal
    assert found[0].error < 0.9


def test_the_package_comes_with_figures_of_every_mechanism():
    assert {one.mechanism for one in measured().errors if not one.causal} == set(attention_names())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"length": 1}, "length=1 must be an integer of at least 2"),
        ({"length": 96.0}, "length=96.0 must be an integer of at least 2"),
        ({"length": 96, "season": 1}, "season=1 must be an integer of at least 2"),
        ({"length": 97, "season": 49}, "season=49 must be at most half of length=97"),
        ({"length": 96, "causal": "yes"}, "causal='yes' must be True or False"),
    ],
)
def test_bad_input_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        suggest_attention(**given)
