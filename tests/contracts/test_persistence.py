"""A saved model forecasts what it forecast before, also in another process and by every way Darts has to load it."""

import copy
import io
import os
import pickle
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from darts.utils.callbacks import TFMProgressBar
from darts.utils.likelihood_models.torch import GaussianLikelihood, QuantileRegression
from darts.utils.serialization.base import UnpicklingError
from pytorch_lightning.callbacks import EarlyStopping

from darts_tsformers.attention import LogSparseAttention, ProbSparseAttention
from darts_tsformers.models import PatchTSTModel, TSFormerModel
from tests.checkpoints.generate import HERE, forecast, inputs
from tests.contracts.cases import CASE, CASES, MAIN, TRAINER, Case, H, every_model, make_data, some_models

ITRANSFORMER = next(case for case in CASES if case.name == "ITransformerModel")

FRESH_PROCESS = """
import logging, sys, warnings
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import numpy as np
from pathlib import Path
from tests.contracts.cases import MAIN, H, make_data

folder, data = Path(sys.argv[1]), make_data()
forecasts = {}
for case in MAIN:
    own = folder / case.name
    weights = case.model()
    weights.load_weights(str(own / "saved.pt"), map_location="cpu")
    ways = {
        "load": case.model_class.load(str(own / "saved.pt"), map_location="cpu"),
        "load_from_checkpoint": case.model_class.load_from_checkpoint("run", work_dir=str(own), best=False),
        "load_weights": weights,
    }
    for way, model in ways.items():
        forecast = model.predict(H + 2, data.series, verbose=False, **data.covariates())
        forecasts[f"{case.name} {way}"] = forecast.values()
np.savez(folder / "fresh.npz", **forecasts)
"""


def test_a_fresh_process_gives_the_same_forecasts(tmp_path: Path):
    data = make_data()
    validation = {f"val_{name}": series for name, series in data.covariates().items()}
    expected = {}
    for case in MAIN:
        folder = tmp_path / case.name
        model = case.model(model_name="run", work_dir=str(folder), save_checkpoints=True)
        model.fit(data.series, **data.covariates(), val_series=data.series, **validation)
        expected[case.name] = model.predict(H + 2, data.series, **data.covariates()).values()
        model.save(folder / "saved.pt")
    command = [sys.executable, "-c", FRESH_PROCESS, str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "fresh.npz") as fresh:
        assert len(fresh) == 3 * len(MAIN)
        for name, values in fresh.items():
            np.testing.assert_allclose(values, expected[name.split()[0]], rtol=1e-6, err_msg=name)


ALL_AT_ONCE = {
    "informer": (
        CASE["InformerModel"],
        {
            "attention": ProbSparseAttention(factor=3),
            "likelihood": GaussianLikelihood(prior_mu=0.5, prior_strength=0.1),
            "categorical_embedding_sizes": {"store": (5, 2)},
            "add_encoders": {
                "cyclic": {"future": ["dayofweek"]},
                "position": {"past": ["relative"]},
                "transformer": Scaler(),
            },
        },
    ),
    "log_sparse": (
        CASE["LogSparseTransformerModel"],
        {
            "attention": LogSparseAttention(sub_length=3),
            "likelihood": QuantileRegression([0.1, 0.5, 0.9]),
            "add_encoders": {"datetime_attribute": {"past": ["month"], "future": ["day"]}},
        },
    ),
}

LOADED_ELSEWHERE = """
import logging, sys, warnings
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import numpy as np
from pathlib import Path
from darts import TimeSeries
from darts_tsformers.models import TSFormerModel

folder, names = Path(sys.argv[1]), sys.argv[2:]
forecasts = {}
for name in names:
    ways = {
        "load": TSFormerModel.load(folder / f"{name}.pt"),
        "load_from_checkpoint": TSFormerModel.load_from_checkpoint(name, work_dir=folder, best=False),
    }
    for way, model in ways.items():
        forecast = model.predict(model.output_chunk_length, predict_likelihood_parameters=True, verbose=False)
        forecasts[f"{name} {way}"] = forecast.values()
np.savez(folder / "fresh.npz", **forecasts)
"""


def test_a_likelihood_categories_encoders_and_a_mechanism_come_back_in_a_fresh_process(tmp_path: Path):
    stores = pd.DataFrame({"size": [0.5], "store": [3.0]}, dtype="float32")
    series = make_data(1, ()).series.with_static_covariates(stores)
    expected = {}
    for name, (case, arguments) in ALL_AT_ONCE.items():
        model = case.model(model_name=name, work_dir=str(tmp_path), save_checkpoints=True, **arguments)
        model.fit(series, val_series=series)
        model.save(tmp_path / f"{name}.pt")
        expected[name] = model.predict(H, predict_likelihood_parameters=True).values()
    command = [sys.executable, "-c", LOADED_ELSEWHERE, str(tmp_path), *ALL_AT_ONCE]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "fresh.npz") as fresh:
        assert len(fresh) == 2 * len(expected)
        for key, values in fresh.items():
            np.testing.assert_allclose(values, expected[key.split()[0]], rtol=1e-6, err_msg=key)


@some_models
def test_the_best_checkpoint_can_be_loaded_after_fit(case: Case, tmp_path: Path):
    data = make_data(3, ())
    train, val = data.series[:30], data.series[15:]
    model = case.model(n_epochs=3, work_dir=str(tmp_path), save_checkpoints=True)
    model.fit(train, val_series=val, load_best=True)
    assert np.isfinite(model.predict(H, data.series).values()).all()


@some_models
def test_training_goes_on_after_loading(case: Case, tmp_path: Path):
    data = make_data()
    case.model().fit(data.series, **data.covariates()).save(tmp_path / "saved.pt")
    loaded = case.model_class.load(tmp_path / "saved.pt")
    before = loaded.predict(H, data.series, **data.covariates()).values()
    loaded.fit(data.series, **data.covariates(), epochs=2)
    assert np.abs(loaded.predict(H, data.series, **data.covariates()).values() - before).max() > 1e-6


@every_model
def test_an_untrained_copy_has_the_same_arguments(case: Case):
    model = case.model(**{"attention": ("full", {})} if case.takes("attention") else {}, dropout=0.1)
    copy = model.untrained_model()
    assert dict(copy.model_params) == dict(model.model_params)
    assert copy.model is None


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "model.pt"
    ITRANSFORMER.model().fit(make_data(1, ()).series).save(path)
    return path


class Malicious:
    """Asks whoever unpickles it to make a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.folder),)


def pickled(thing: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(thing, buffer)
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("letter.txt", "no model")
    return buffer.getvalue()


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "text": lambda _: b"no model",
    "truncated": lambda whole: whole[: len(whole) // 2],
    "pickle": lambda _: pickle.dumps([1, 2]),
    "archive": lambda _: archive(),
    "flipped": lambda whole: whole[:500] + bytes([whole[500] ^ 255]) + whole[501:],
    "list": lambda _: pickled([1, 2]),
}


@pytest.mark.parametrize("suffix", ["", ".ckpt"], ids=["model", "weights"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_file_is_refused_by_its_name(saved: Path, damage: str, suffix: str, tmp_path: Path):
    for each in ("", ".ckpt"):
        shutil.copy(f"{saved}{each}", tmp_path / f"copy.pt{each}")
    bad = tmp_path / f"copy.pt{suffix}"
    bad.write_bytes(DAMAGES[damage](bad.read_bytes()))
    rule = re.escape(str(tmp_path / "copy.pt")) + r"\S*' must (be a file written by save|hold what save wrote)"
    with pytest.raises(ValueError, match=rule):
        ITRANSFORMER.model_class.load(tmp_path / "copy.pt")
    with pytest.raises(ValueError, match=rule):
        ITRANSFORMER.model().load_weights(tmp_path / "copy.pt")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    model = ITRANSFORMER.model(model_name="run", work_dir=str(folder), save_checkpoints=True)
    series = make_data(1, ()).series
    model.fit(series, val_series=series)
    return folder


def copied(run: Path, folder: Path, pattern: str) -> Path:
    """Copy a run, and return the one file of it that the pattern names."""
    shutil.copytree(run, folder, dirs_exist_ok=True)
    (path,) = folder.glob(f"run/{pattern}")
    return path


every_file_of_a_run = pytest.mark.parametrize(
    "pattern", ["_model.pth.tar", "checkpoints/last-*"], ids=["model", "weights"]
)


@every_file_of_a_run
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_or_foreign_file_of_a_run_is_refused_by_its_path(
    run: Path, damage: str, pattern: str, tmp_path: Path
):
    bad = copied(run, tmp_path, pattern)
    bad.write_bytes(DAMAGES[damage](bad.read_bytes()))
    named = {
        "list": rf"model_name='run' in '{re.escape(str(tmp_path))}' must hold what save wrote, but cannot be read",
    }
    rule = named.get(damage, rf"path='{re.escape(str(bad))}' must be a file written by save: it is damaged")
    with pytest.raises(ValueError, match=rule) as caught:
        ITRANSFORMER.model_class.load_from_checkpoint("run", work_dir=tmp_path, best=False)
    assert damage == "list" or any(str(tmp_path) in note for note in caught.value.__notes__)


@every_file_of_a_run
def test_no_code_in_a_file_of_a_run_is_run(run: Path, pattern: str, tmp_path: Path):
    copied(run, tmp_path, pattern).write_bytes(pickled(Malicious(tmp_path / "ran")))
    with pytest.raises(UnpicklingError, match=r"Blocked unsafe global `posix.mkdir`") as caught:
        ITRANSFORMER.model_class.load_from_checkpoint("run", work_dir=tmp_path, best=False)
    assert any(f"model_name='run' in '{tmp_path}'" in note for note in caught.value.__notes__)
    assert not (tmp_path / "ran").exists()


@every_file_of_a_run
def test_a_file_of_a_run_that_is_not_there_is_named(run: Path, pattern: str, tmp_path: Path):
    gone = copied(run, tmp_path, pattern)
    gone.unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(str(gone.parent))):
        ITRANSFORMER.model_class.load_from_checkpoint("run", work_dir=tmp_path, best=False)
    with pytest.raises(FileNotFoundError, match=re.escape(f"path='{gone}' must be a file written by save")):
        ITRANSFORMER.model_class.load_from_checkpoint("run", work_dir=tmp_path, file_name=gone.name)


def test_a_checkpoint_of_another_run_is_refused(run: Path, tmp_path: Path):
    own = copied(run, tmp_path / "own", "checkpoints/last-*")
    series = make_data(1, ()).series
    other = ITRANSFORMER.model(model_name="run", work_dir=str(tmp_path / "other"), save_checkpoints=True)
    other.fit(series, val_series=series)
    shutil.copy(next((tmp_path / "other").glob("run/checkpoints/last-*")), own)
    rule = re.escape(f"path='{own}' must be a checkpoint of the run whose model is")
    with pytest.raises(ValueError, match=rule):
        ITRANSFORMER.model_class.load_from_checkpoint("run", work_dir=tmp_path / "own", best=False)
    with pytest.raises(ValueError, match=rule):
        other.load_weights_from_checkpoint("run", work_dir=tmp_path / "own", best=False)
    assert other.predict(2) == ITRANSFORMER.model_class.load_from_checkpoint(
        "run", work_dir=tmp_path / "other", best=False
    ).predict(2, series)


def test_a_run_is_found_below_the_current_folder(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(run, tmp_path / "darts_logs")
    monkeypatch.chdir(tmp_path)
    model = ITRANSFORMER.model_class.load_from_checkpoint("run", best=False)
    assert np.isfinite(model.predict(H, make_data(1, ()).series).values()).all()
    with pytest.raises(ValueError, match=r"model_name='run' in '.*darts_logs' must be a run of PatchTSTModel, but is"):
        PatchTSTModel.load_from_checkpoint("run", best=False)


@pytest.mark.parametrize("suffix", ["", ".ckpt"], ids=["model", "weights"])
def test_no_code_in_a_file_is_run(saved: Path, suffix: str, tmp_path: Path):
    for each in ("", ".ckpt"):
        shutil.copy(f"{saved}{each}", tmp_path / f"copy.pt{each}")
    (tmp_path / f"copy.pt{suffix}").write_bytes(pickled(Malicious(tmp_path / "ran")))
    for load in (ITRANSFORMER.model_class.load, ITRANSFORMER.model().load_weights):
        with pytest.raises(UnpicklingError, match=r"Blocked unsafe global `posix.mkdir`") as caught:
            load(tmp_path / "copy.pt")
        assert any(str(tmp_path / "copy.pt") in note for note in caught.value.__notes__)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_not_there_is_named(saved: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"path='.*nowhere.pt' must be a file written by save: there is none"):
        PatchTSTModel.load(tmp_path / "nowhere.pt")
    shutil.copy(saved, tmp_path / "alone.pt")
    with pytest.raises(ValueError, match=r"alone.pt' must have its weights beside it, in '.*alone.pt.ckpt'"):
        ITRANSFORMER.model_class.load(tmp_path / "alone.pt")
    with pytest.raises(FileNotFoundError, match=r"path='.*alone.pt.ckpt' must be a file written by save"):
        ITRANSFORMER.model().load_weights(tmp_path / "alone.pt")
    with pytest.raises(FileNotFoundError, match=r"path='.*nothing/_model.pth.tar' must be a file written by save"):
        PatchTSTModel.load_from_checkpoint("nothing", work_dir=str(tmp_path))


def test_an_untrained_model_is_loaded_without_weights(tmp_path: Path):
    CASE["PatchTSTModel"].model().save(tmp_path / "new.pt")
    assert PatchTSTModel.load(tmp_path / "new.pt").model is None


def test_a_model_of_another_class_is_refused(saved: Path):
    with pytest.raises(ValueError, match=r"path='.*model.pt' must hold PatchTSTModel, but holds ITransformerModel"):
        PatchTSTModel.load(saved)
    with pytest.raises(ValueError, match=r"weights for PatchTSTModel must be its own, not of ITransformerModel"):
        CASE["PatchTSTModel"].model().load_weights(saved)
    assert type(TSFormerModel.load(saved)) is ITRANSFORMER.model_class


KEPT = [(CASE[file.stem], file.parent) for file in sorted(HERE.glob("[0-9]*/*.pt"))]
"""The models that a version had."""


@pytest.mark.parametrize(("case", "version"), KEPT, ids=[f"{version.name}-{case.name}" for case, version in KEPT])
def test_models_of_earlier_versions_load_and_forecast_the_same_and_are_never_written_anew(case: Case, version: Path):
    model = case.model_class.load(version / f"{case.name}.pt", map_location="cpu", pl_trainer_kwargs=TRAINER)
    np.testing.assert_allclose(
        forecast(model, inputs(version)), np.load(version / f"{case.name}.npy"), rtol=1e-6, atol=1e-6
    )


def test_a_model_saved_again_right_after_loading_keeps_its_weights(tmp_path: Path):
    case, data = CASE["PatchTSTModel"], make_data(1, ())
    model = case.model().fit(data.series)
    model.save(tmp_path / "a.pt")
    case.model_class.load(tmp_path / "a.pt").save(tmp_path / "b.pt")
    again: TimeSeries = case.model_class.load(tmp_path / "b.pt").predict(H, data.series)
    np.testing.assert_array_equal(again.values(), model.predict(H).values())


def test_a_fitted_model_is_saved_with_the_weights_it_took_over(run: Path, tmp_path: Path):
    case, series = ITRANSFORMER, make_data(1, ()).series
    other = case.model(random_state=8).fit(series)
    other.save(tmp_path / "other.pt")
    expected = other.predict(H).values()
    model = case.model().fit(series)
    assert np.abs(model.predict(H).values() - expected).max() > 1e-3
    model.load_weights(tmp_path / "other.pt")
    model.save(tmp_path / "a.pt")
    np.testing.assert_array_equal(case.model_class.load(tmp_path / "a.pt").predict(H, series).values(), expected)
    model.load_weights_from_checkpoint("run", work_dir=str(run), best=False)
    model.save(tmp_path / "b.pt")
    of_run = case.model_class.load_from_checkpoint("run", work_dir=run, best=False).predict(H, series).values()
    np.testing.assert_array_equal(case.model_class.load(tmp_path / "b.pt").predict(H, series).values(), of_run)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.parametrize(
    "how", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"]
)
def test_a_copy_has_lost_its_weights_and_says_so(how: Callable[[TSFormerModel], TSFormerModel], tmp_path: Path):
    series = make_data(1, ()).series
    model = CASE["PatchTSTModel"].model(save_checkpoints=True, work_dir=str(tmp_path)).fit(series, val_series=series)
    without = how(model)
    for use in (
        lambda: without.predict(H),
        lambda: without.historical_forecasts(series, retrain=False, forecast_horizon=2),
        lambda: without.save(tmp_path / "copy.pt"),
    ):
        with pytest.raises(
            ValueError, match="PatchTSTModel was fitted, but has no weights: copy and pickle leave them"
        ):
            use()
    assert not (tmp_path / "copy.pt").exists()
    assert np.isfinite(without.fit(series, val_series=series).predict(H).values()).all()


def test_a_model_that_was_reset_is_an_unfitted_one(tmp_path: Path):
    series = make_data(1, ()).series
    model = CASE["PatchTSTModel"].model().fit(series)
    model.save(tmp_path / "a.pt")
    model.reset_model()
    with pytest.raises(ValueError, match="must be fitted before it can forecast"):
        model.predict(H, series)
    model.save(tmp_path / "a.pt")
    assert PatchTSTModel.load(tmp_path / "a.pt").model is None


def test_an_unfitted_model_leaves_no_weights_of_what_it_is_saved_over(saved: Path, tmp_path: Path):
    for suffix in ("", ".ckpt"):
        shutil.copy(f"{saved}{suffix}", tmp_path / f"a.pt{suffix}")
    ITRANSFORMER.model().save(tmp_path / "a.pt")
    assert ITRANSFORMER.model_class.load(tmp_path / "a.pt").model is None


def stopped() -> tuple[TSFormerModel, TimeSeries]:
    """A model that was stopped early, by a callback that remembers when."""
    callbacks = [EarlyStopping("val_loss", patience=1, min_delta=1e9), TFMProgressBar(enable_prediction_bar=False)]
    trainer = {"callbacks": callbacks, "enable_progress_bar": True}
    series = make_data().series
    model = ITRANSFORMER.model(n_epochs=9, pl_trainer_kwargs=trainer).fit(series, val_series=series)
    assert model.epochs_trained == 2
    return model, series


def test_what_callbacks_remember_does_not_go_into_a_copy_or_a_file(tmp_path: Path):
    model, series = stopped()
    for callbacks in (
        model.untrained_model().trainer_params["callbacks"],
        model.model_params["pl_trainer_kwargs"]["callbacks"],
    ):
        assert (callbacks[0].wait_count, callbacks[0].stopped_epoch) == (0, 0)
    model.save(tmp_path / "stopped.pt")
    loaded = type(model).load(tmp_path / "stopped.pt")
    assert np.array_equal(loaded.predict(H, series).values(), model.predict(H, series).values())


def test_retraining_stops_by_what_it_sees_itself():
    model, series = stopped()
    again = model.untrained_model().fit(series, val_series=series)
    assert again.epochs_trained == 2
