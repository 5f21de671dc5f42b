"""A saved model forecasts what it forecast before, also in another process and by every way Darts has to load it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from darts import TimeSeries

from darts_tsformers.models import PatchTSTModel
from tests.contracts.cases import CASES, Case, H, make_data

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


def test_a_foreign_file_is_refused(tmp_path: Path):
    path = tmp_path / "model.pt"
    path.write_text("no model")
    with pytest.raises(Exception, match=r"(?i)invalid|unpickl|load|magic|persistent"):
        PatchTSTModel.load(path)


def test_a_model_saved_again_right_after_loading_keeps_its_weights(tmp_path: Path):
    case, data = CASES[0], make_data(1, ())
    model = case.model().fit(data.series)
    model.save(tmp_path / "a.pt")
    case.model_class.load(tmp_path / "a.pt").save(tmp_path / "b.pt")
    again: TimeSeries = case.model_class.load(tmp_path / "b.pt").predict(H, data.series)
    np.testing.assert_array_equal(again.values(), model.predict(H).values())
