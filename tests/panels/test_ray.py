"""Ray on this one machine: two workers train together, tasks forecast, and both survive a kill."""

import os
import secrets
import shutil
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
import pytorch_lightning as pl
import ray
import torch
from darts.utils.likelihood_models.torch import GaussianLikelihood

from darts_tsformers import PatchTSTModel
from darts_tsformers.panels import Panel, fit_on_ray, fit_panel, forecast_on_ray, forecast_panel
from tests.panels.tables import NAMED, untidy
from tests.panels.test_fitting import weights
from tests.panels.test_forecasting import QUIET, SIZES, future, patchtst

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray", "ignore::FutureWarning:ray")
on_ray = pytest.mark.skipif("ALL_FORMS" not in os.environ, reason="starting Ray takes a minute: make check-ray")
ROOT = Path(__file__).parents[2]
HOW = {"windows_per_epoch": 28, "epochs": 2}


@pytest.fixture(scope="module")
def cluster():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one into the user's home
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_worker_niceness", "0")  # or other tests leave its workers no time
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()


@pytest.fixture(scope="module")
def panel():
    known = {"units": 0.0, "price": 0.0, "visits": 0.0}
    return Panel.from_pandas(untidy(5, seed=2, least=17).fillna(known).pipe(future), **NAMED)


def deterministic(batch_size, **trainer):
    exact = {"dropout": 0.0, "norm": "layer", "optimizer_cls": torch.optim.SGD, "optimizer_kwargs": {"lr": 1e-2}}
    return PatchTSTModel(
        **SIZES | PatchTSTModel.tiny | exact | {"batch_size": batch_size}, pl_trainer_kwargs=QUIET | trainer
    )


class KillsOnce:
    """Kills its process the first time, as seen by a file that others see too."""

    def __init__(self, mark):
        self.mark = mark

    def kill(self):
        if not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)


class KillsTraining(KillsOnce, pl.Callback):
    """In the second epoch, one of two workers."""

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == 1 and batch_idx == 1 and trainer.global_rank == 1:
            self.kill()


class KillsForecasting(Panel):
    """A panel that is read from once in vain."""

    def ids_of(self, series):
        if series[0] > 0:
            KillsOnce(self.path.with_name("killed")).kill()
        return super().ids_of(series)


@on_ray
@pytest.mark.usefixtures("cluster")
def test_two_workers_train_as_one_process_on_their_joint_batches_even_if_one_is_killed(panel, tmp_path):
    mark = tmp_path / "killed"
    model = deterministic(7, callbacks=[KillsTraining(mark)])
    assert fit_on_ray(model, panel, storage_path=tmp_path / "run", **HOW) is model
    assert mark.exists()
    alone = fit_panel(deterministic(14), panel, **HOW)
    torch.testing.assert_close(weights(model), weights(alone), rtol=1e-5, atol=1e-6)
    assert model.epochs_trained == 2
    assert "strategy" not in model.trainer_params
    with pytest.raises(ValueError, match=r"holds the result of another run \(stride=1, now 2\)"):
        fit_on_ray(model, panel, storage_path=tmp_path / "run", stride=2, **HOW)


@on_ray
@pytest.mark.usefixtures("cluster")
def test_files_are_those_of_one_process_even_if_a_worker_is_killed(panel, tmp_path):
    model = fit_panel(patchtst(likelihood=GaussianLikelihood()), panel)
    how = {"num_samples": 3, "series_per_file": 2}
    forecast_panel(model, panel, 2, out=tmp_path / "alone", **how)
    shutil.copytree(panel.path, tmp_path / "panel")
    out = forecast_on_ray(model, KillsForecasting(tmp_path / "panel"), 2, out=tmp_path / "ray", **how)
    assert (tmp_path / "killed").exists()
    assert out == tmp_path / "ray"
    pd.testing.assert_frame_equal(pd.read_parquet(out), pd.read_parquet(tmp_path / "alone"))
    made = {path.name: path.stat().st_mtime_ns for path in out.glob("*.parquet")}
    (out / "part-00001.parquet").unlink()
    forecast_on_ray(model, panel, 2, out=out, **how)
    again = {path.name for path in out.glob("*.parquet") if path.stat().st_mtime_ns != made[path.name]}
    assert again == {"part-00001.parquet"}
    with pytest.raises(ValueError, match="has fewer than the 7 steps"):
        forecast_on_ray(model, short(), 2, out=tmp_path / "short", **how)


def short():
    """Make a panel of which one series is too short for a forecast."""
    table = future(untidy(3, seed=2, least=17))
    few = (table["shop"] == table["shop"].min()) & (table.groupby("shop")["day"].rank(ascending=False) > 8)
    return Panel.from_pandas(table[~few], **NAMED)


@pytest.mark.parametrize(
    ("how", "rule"),
    [
        ({"num_workers": 0}, "num_workers=0 must be an integer of at least 1"),
        ({"max_failures": -1}, "max_failures=-1 must be an integer of at least 0"),
        ({"epochs": 0}, "epochs=0 must be an integer of at least 1"),
        ({"windows_per_epoch": 9999}, "n=9999 must be at most"),
    ],
)
def test_arguments_that_break_a_rule_start_nothing(how, rule, panel, tmp_path):
    with pytest.raises(ValueError, match=rule):
        fit_on_ray(patchtst(), panel, storage_path=tmp_path / "run", **how)
    assert not (tmp_path / "run").exists()


def test_without_ray_the_error_names_the_extra(panel, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    for call in (
        lambda: fit_on_ray(patchtst(), panel, storage_path=tmp_path),
        lambda: forecast_on_ray(patchtst(), panel, 2, out=tmp_path),
    ):
        with pytest.raises(ImportError, match=r"pip install 'darts-tsformers\[ray\]'"):
            call()
