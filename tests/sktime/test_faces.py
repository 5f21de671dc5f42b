"""What users, editors and sktime see of the package and its classes."""

import copy
import inspect
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from unittest.mock import patch

import joblib
import pandas as pd
import pytest
from sklearn.base import clone

import darts_tsformers.sktime
from darts_tsformers.adapter.docs import full_signature
from darts_tsformers.docstrings import parameters_of
from darts_tsformers.sktime import PatchTSTForecaster, _make
from tests.helpers import exactly
from tests.sktime.cases import FORECASTERS, every_forecaster, make_y, tiny
from tests.test_layout import FILES, dotted, imported, room

WITHOUT_A_PLACE = {"output_chunk_shift", "use_static_covariates", "categorical_embedding_sizes"}
SHARED = ["quantiles", "num_samples", "batch_size", "n_epochs", "random_state", "pretraining", "model_kwargs"]
OWN = {"quantiles", "num_samples", "pretraining", "model_kwargs"}


def test_there_is_a_forecaster_for_every_model():
    assert [name.replace("Forecaster", "Model") for name in darts_tsformers.sktime.__all__] == darts_tsformers.__all__


@every_forecaster
def test_a_class_is_made_once_and_pickled_by_its_name(forecaster_class):
    name = forecaster_class.__name__
    assert f"{forecaster_class.__module__}.{forecaster_class.__qualname__}" == f"darts_tsformers.sktime.{name}"
    assert name in dir(darts_tsformers.sktime)
    assert getattr(darts_tsformers.sktime, name) is forecaster_class
    assert pickle.loads(pickle.dumps(forecaster_class)) is forecaster_class
    assert len(pickle.dumps(forecaster_class)) < 100


def test_two_threads_are_given_the_same_class():
    together, make = Barrier(2, timeout=60), _make._make

    def make_together(*arguments):
        together.wait()
        return make(*arguments)

    with patch.dict(_make.MADE, clear=True), patch.object(_make, "_make", make_together), ThreadPoolExecutor(2) as pool:
        one, other = pool.map(getattr, [darts_tsformers.sktime] * 2, ["PatchTSTForecaster"] * 2)
    assert one is other
    assert one is not PatchTSTForecaster


def test_unknown_names_of_the_room():
    with pytest.raises(AttributeError, match="has no attribute 'ProphetForecaster'"):
        darts_tsformers.sktime.ProphetForecaster  # noqa: B018


@pytest.mark.parametrize(
    ("positional", "by_keyword", "message"),
    [
        ((), {}, "missing a required argument: 'input_chunk_length'"),
        ((4,), {}, "missing a required argument: 'output_chunk_length'"),
        ((4, 3, 1), {}, "too many positional arguments"),
        ((4, 3), {"input_chunk_length": 4}, "multiple values for argument 'input_chunk_length'"),
        ((4, 3), {"output_chunk_shift": 1}, "got an unexpected keyword argument 'output_chunk_shift'"),
    ],
)
def test_wrong_arguments(positional, by_keyword, message):
    with pytest.raises(TypeError, match=exactly(f"PatchTSTForecaster.__init__() {message}")):
        PatchTSTForecaster(*positional, **by_keyword)


@every_forecaster
def test_a_copy_has_the_same_arguments(forecaster_class):
    forecaster = forecaster_class(4, 3, n_epochs=2)
    for again in (
        clone(forecaster),
        forecaster.clone(),
        copy.deepcopy(forecaster),
        pickle.loads(pickle.dumps(forecaster)),
    ):
        assert type(again) is forecaster_class
        assert again.get_params() == forecaster.get_params()
    assert clone(forecaster).set_params(n_epochs=5).get_params() == forecaster.get_params() | {"n_epochs": 5}


def test_a_process_that_has_imported_nothing_reads_a_pickle(tmp_path):
    forecaster = tiny(PatchTSTForecaster).fit(make_y(), fh=[1, 2])
    tmp_path.joinpath("one").write_bytes(pickle.dumps(forecaster))
    joblib.dump(forecaster, tmp_path / "other")
    code = """
import joblib, pickle, sys
for forecaster in (pickle.load(open("one", "rb")), joblib.load("other")):
    forecaster.predict().to_pickle(f"forecast_{len(sys.argv)}")
    sys.argv.append("")
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    for name in ("forecast_1", "forecast_2"):
        pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / name), forecaster.predict())


@every_forecaster
def test_a_docstring_names_the_model_and_what_it_does_beyond_forecasting(forecaster_class):
    model_class, text = forecaster_class.model_class, forecaster_class.__doc__
    assert f"\n\nSee :class:`darts_tsformers.{model_class.__name__}`.\n\nParameters\n" in text
    assert ("``model_.darts.decompose``: forecast, and give the trend" in text) == hasattr(model_class, "decompose")
    assert "model_.darts.fit" not in text


def test_some_models_decompose():
    assert 0 < sum(hasattr(forecaster.model_class, "decompose") for forecaster in FORECASTERS) < len(FORECASTERS)


@every_forecaster
def test_the_arguments_are_those_of_the_darts_model(forecaster_class):
    ours = inspect.signature(forecaster_class.__init__).parameters
    theirs = full_signature(inspect.signature(forecaster_class.model_class.__init__)).parameters
    explicit = inspect.signature(forecaster_class.model_class.__init__).parameters
    assert list(ours) == [*(n for n in explicit if n not in {"kwargs", *WITHOUT_A_PLACE}), *SHARED]
    for name in set(ours) - {"self"} - OWN:
        assert (ours[name].default, ours[name].kind) == (theirs[name].default, theirs[name].kind), name
        assert ours[name].annotation == theirs[name].annotation, name


@every_forecaster
def test_every_argument_is_stored_as_it_came_and_documented(forecaster_class):
    given = {name: object() for name in forecaster_class.get_param_names() if name not in OWN}
    forecaster = forecaster_class(**given)
    assert all(getattr(forecaster, name) is value for name, value in given.items())
    documented = parameters_of(forecaster_class.__doc__)
    assert set(documented) == set(forecaster_class.get_param_names())
    assert all(documented.values())


def test_sktime_is_imported_on_demand_only():
    code = "import sys, darts_tsformers.sktime; assert not {'sktime', 'darts'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    others = [file for file in FILES if room(dotted(file)) != "sktime"]
    assert len(others) > 100
    assert not any(name.split(".")[0] == "sktime" for file in others for name in imported(file))


def test_without_sktime_the_message_names_the_extra():
    code = """
import importlib.util
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *package: None if name == "sktime" else found(name, *package)
try:
    import darts_tsformers.sktime
except ModuleNotFoundError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "darts_tsformers.sktime needs sktime, which is not installed: pip install 'darts_tsformers[sktime]'"
    assert done.stdout.strip() == expected
