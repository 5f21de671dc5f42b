"""A saved model forecasts what it forecast before, also in another process and by every way Darts has to load it."""

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
import pytest
import torch
from darts import TimeSeries
from darts.utils.serialization.base import UnpicklingError

from darts_tsformers.models import PatchTSTModel, TSFormerModel
from tests.checkpoints.generate import HERE, forecast, inputs
from tests.contracts.cases import CASES, TRAINER, Case, H, make_data

ITRANSFORMER = next(case for case in CASES if case.name == "ITransformerModel")
every_model = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)

FRESH_PROCESS = """
import logging, sys, warnings
warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
import numpy as np
from pathlib import Path
from darts import TimeSeries
import darts_tsformers
from tests.contracts.cases import CASES, H, make_data

folder, name = Path(sys.argv[1]), sys.argv[2]
case = next(case for case in CASES if case.name == name)
data = make_data()
cls = getattr(darts_tsformers, case.model_class.__name__)
whole = cls.load(folder / "saved.pt", map_location="cpu")
checkpoint = cls.load_from_checkpoint("run", work_dir=str(folder), best=False)
weights = case.model(**{"attention": case.model().model_params["attention"]} if case.takes("attention") else {})
weights.load_weights(str(folder / "saved.pt"), map_location="cpu")
np.savez(folder / "fresh.npz", **{
    way: model.predict(H + 2, data.series, verbose=False, **data.covariates()).values()
    for way, model in {"load": whole, "load_from_checkpoint": checkpoint, "load_weights": weights}.items()
})
"""


@every_model
def test_a_fresh_process_gives_the_same_forecast(case: Case, tmp_path: Path):
    data = make_data()
    model = case.model(model_name="run", work_dir=str(tmp_path), save_checkpoints=True, force_reset=True)
    validation = {f"val_{name}": series for name, series in data.covariates().items()}
    model.fit(data.series, **data.covariates(), val_series=data.series, **validation)
    expected = model.predict(H + 2, data.series, **data.covariates()).values()
    model.save(tmp_path / "saved.pt")
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", FRESH_PROCESS, str(tmp_path), case.name]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "fresh.npz") as fresh:
        assert set(fresh) == {"load", "load_from_checkpoint", "load_weights"}
        for way, values in fresh.items():
            np.testing.assert_allclose(values, expected, rtol=1e-6, err_msg=way)


@every_model
def test_the_best_checkpoint_can_be_loaded_after_fit(case: Case, tmp_path: Path):
    data = make_data(3, ())
    train, val = data.series[:30], data.series[15:]
    model = case.model(n_epochs=3, work_dir=str(tmp_path), save_checkpoints=True)
    model.fit(train, val_series=val, load_best=True)
    assert np.isfinite(model.predict(H, data.series).values()).all()


@every_model
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
    with pytest.raises(ValueError, match=r"Could not find base model save file"):
        PatchTSTModel.load_from_checkpoint("nothing", work_dir=str(tmp_path))


def test_an_untrained_model_is_loaded_without_weights(tmp_path: Path):
    CASES[0].model().save(tmp_path / "new.pt")
    assert PatchTSTModel.load(tmp_path / "new.pt").model is None


def test_a_model_of_another_class_is_refused(saved: Path):
    with pytest.raises(ValueError, match=r"path='.*model.pt' must hold PatchTSTModel, but holds ITransformerModel"):
        PatchTSTModel.load(saved)
    with pytest.raises(ValueError, match=r"weights for PatchTSTModel must be its own, not of ITransformerModel"):
        CASES[0].model().load_weights(saved)
    assert type(TSFormerModel.load(saved)) is ITRANSFORMER.model_class


KEPT = [(case, version) for version in sorted(HERE.glob("[0-9]*")) for case in CASES]


@pytest.mark.parametrize(("case", "version"), KEPT, ids=[f"{version.name}-{case.name}" for case, version in KEPT])
def test_models_of_earlier_versions_load_and_forecast_the_same_and_are_never_written_anew(case: Case, version: Path):
    model = case.model_class.load(version / f"{case.name}.pt", map_location="cpu", pl_trainer_kwargs=TRAINER)
    np.testing.assert_allclose(
        forecast(model, inputs(version)), np.load(version / f"{case.name}.npy"), rtol=1e-6, atol=1e-6
    )


def test_a_model_saved_again_right_after_loading_keeps_its_weights(tmp_path: Path):
    case, data = CASES[0], make_data(1, ())
    model = case.model().fit(data.series)
    model.save(tmp_path / "a.pt")
    case.model_class.load(tmp_path / "a.pt").save(tmp_path / "b.pt")
    again: TimeSeries = case.model_class.load(tmp_path / "b.pt").predict(H, data.series)
    np.testing.assert_array_equal(again.values(), model.predict(H).values())
