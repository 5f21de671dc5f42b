"""What users, editors and sktime see of the package and its classes."""

import inspect
import subprocess
import sys

import darts_tsformers.sktime
from darts_tsformers.adapter.docs import full_signature, parameters_of
from tests.sktime.cases import every_forecaster
from tests.test_layout import FILES, dotted, imported, room

WITHOUT_A_PLACE = {"output_chunk_shift", "use_static_covariates", "categorical_embedding_sizes"}
"""What sktime has no place for: the horizon says which steps are wanted, and there are no static covariates."""
FROM_DARTS = {"batch_size", "n_epochs", "random_state"}
OWN = {"quantiles", "num_samples", "model_kwargs"}


def test_there_is_a_forecaster_for_every_model():
    assert [name.replace("Forecaster", "Model") for name in darts_tsformers.sktime.__all__] == darts_tsformers.__all__


@every_forecaster
def test_the_arguments_are_those_of_the_darts_model(forecaster_class):
    ours = inspect.signature(forecaster_class.__init__).parameters
    theirs = full_signature(inspect.signature(forecaster_class.model_class.__init__)).parameters
    explicit = set(inspect.signature(forecaster_class.model_class.__init__).parameters) - {"self", "kwargs"}
    assert set(ours) - {"self"} == explicit - WITHOUT_A_PLACE | FROM_DARTS | OWN
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
    code = "import sys, darts_tsformers; assert 'sktime' not in sys.modules"
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
