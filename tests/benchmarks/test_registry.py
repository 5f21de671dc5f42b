"""Every benchmark is in order before anyone waits for it."""

import pickle

import pytest

from benchmarks.core.speed import Speed
from benchmarks.registry import BENCHMARKS, MODULES


def test_names_are_unique():
    assert len(BENCHMARKS) == sum(len(module.BENCHMARKS) for module in MODULES)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_fresh_process_finds_the_cases(name):
    for case in BENCHMARKS[name].cases.values():
        pickle.dumps(case)


@pytest.mark.parametrize("name", [name for name, one in BENCHMARKS.items() if isinstance(one, Speed)])
def test_a_fresh_process_finds_the_checks_and_each_is_of_a_case(name):
    for case, check in BENCHMARKS[name].checks.items():
        assert case in BENCHMARKS[name].cases
        pickle.dumps(check)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_goals_can_be_read_off_results_that_are_not_there(name):
    for goal in BENCHMARKS[name].goals:
        assert goal.figure({}) is None
        assert goal.bound
