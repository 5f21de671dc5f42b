"""Two processes train what one process would: the same losses, the same weights."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.distributed.runs import all_runs, train

ROOT = Path(__file__).parents[2]
Outcome = dict[str, dict[str, Any]]


def test_two_processes_train_what_one_would(tmp_path: Path):
    """One test, for both processes are started once for all of it."""
    command = [sys.executable, "-m", "tests.distributed.runs", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = (torch.load(tmp_path / f"{process}.pt", weights_only=True) for process in (0, 1))
    both_have_the_same_weights_and_losses(first, second)
    the_outcome_is_that_of_one_process_on_the_whole_batch(first)
    each_draws_its_own_random_numbers(first, second)


def both_have_the_same_weights_and_losses(first: Outcome, second: Outcome) -> None:
    for run in all_runs():
        ours, theirs = first[run.name], second[run.name]
        assert ours["weights"].keys() == theirs["weights"].keys()
        for name, weight in ours["weights"].items():
            assert torch.equal(weight, theirs["weights"][name]), f"{run.name}: {name}"
        assert ours["losses"] == theirs["losses"], run.name
        assert ours["logged"] == pytest.approx(ours["losses"][-1][1], rel=1e-6), run.name


def the_outcome_is_that_of_one_process_on_the_whole_batch(first: Outcome) -> None:
    for run in all_runs():
        if run.is_like_one_process:
            together, alone = first[run.name], train(run, n_processes=1)
            np.testing.assert_allclose(together["losses"], alone["losses"], rtol=1e-5, err_msg=run.name)
            for name, weight in together["weights"].items():
                np.testing.assert_allclose(weight, alone["weights"][name], atol=1e-5, err_msg=f"{run.name}: {name}")


def each_draws_its_own_random_numbers(first: Outcome, second: Outcome) -> None:
    ours, theirs = (outcome["dropout"]["draws"] for outcome in (first, second))
    assert len(ours) == len(theirs) > 10
    assert not set(ours) & set(theirs)
