"""A run that was killed goes on from its last whole epoch, and ends where it would have ended."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from darts_tsformers.models import PatchTSTModel, TSFormerModel
from tests.contracts.cases import SAMPLE, Case, H, make_data
from tests.distributed.killed import KILLED_IN, N_EPOCHS, REACHED, Order, fit, new_model
from tests.distributed.runs import case_of

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")


def resumed(case: Case, folder: Path) -> TSFormerModel:
    return case.model_class.load_from_checkpoint("run", work_dir=str(folder), best=False)


def assert_same(ours: TSFormerModel, theirs: TSFormerModel) -> None:
    assert ours.epochs_trained == theirs.epochs_trained > 0
    np.testing.assert_allclose(ours.model.loss_history, theirs.model.loss_history, rtol=1e-6)
    data = make_data(2)
    forecasts = [model.predict(H, data.series, **data.covariates()).values() for model in (ours, theirs)]
    np.testing.assert_allclose(*forecasts, rtol=1e-4, atol=1e-5)


def test_a_killed_run_loses_only_the_unfinished_epoch(tmp_path: Path):
    command = [sys.executable, "-m", "tests.distributed.killed", str(tmp_path / "killed")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
        assert any(REACHED in line for line in run.stdout)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    case = case_of(PatchTSTModel)
    model = resumed(case, tmp_path / "killed")
    assert len(model.model.loss_history) == KILLED_IN
    fit(model, Order(), epochs=N_EPOCHS)
    assert_same(model, fit(new_model(case, tmp_path / "whole"), Order()))


STEADY = [case for case in SAMPLE if not case.learns_from_noise]


@pytest.mark.parametrize("case", STEADY, ids=lambda case: case.name)
def test_going_on_from_a_checkpoint_is_as_if_nothing_had_happened(case: Case, tmp_path: Path):
    fit(new_model(case, tmp_path / "stopped", n_epochs=1), Order())
    went_on = fit(resumed(case, tmp_path / "stopped"), Order(), epochs=2)
    assert_same(went_on, fit(new_model(case, tmp_path / "whole", n_epochs=2), Order()))
