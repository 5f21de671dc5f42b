"""What users, editors and type checkers see of a model."""

import inspect
import subprocess
import sys

import pytest
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

import darts_tsformers
from darts_tsformers.adapter.arguments import DOCS, DartsArguments
from darts_tsformers.adapter.docs import SHARED
from darts_tsformers.docstrings import parameters_of
from darts_tsformers.models import TSFormerModel

MODELS = [getattr(darts_tsformers, name) for name in darts_tsformers.__all__]
every_model = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@every_model
def test_the_arguments_of_a_model_are_its_networks_and_the_shared_ones(model: type[TSFormerModel]):
    network = {
        name: parameter.default
        for name, parameter in inspect.signature(model.network_class).parameters.items()
        if name != "sizes"
    }
    shared = set(SHARED) - network.keys()
    own = {
        name: parameter.default
        for name, parameter in inspect.signature(model.__init__).parameters.items()
        if name not in shared and name not in ("self", "kwargs")
    }
    assert own == network


@every_model
def test_every_argument_is_explicit_and_documented(model: type[TSFormerModel]):
    signature = inspect.signature(model)
    assert not any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    documented = parameters_of(model.__doc__)
    assert list(documented) == list(signature.parameters)
    assert all(text for text in documented.values())
    assert all(p.annotation is not p.empty for p in signature.parameters.values())


@every_model
def test_the_docstring_keeps_its_source(model: type[TSFormerModel]):
    assert "Notes\n-----\n" in model.__doc__
    assert "Examples\n--------\n" in model.__doc__


def test_the_arguments_of_darts_are_all_known():
    """A new argument in Darts has to be documented and typed here."""

    def names(function):
        return set(inspect.signature(function).parameters) - {"self"}

    ours = {"input_chunk_length", "output_chunk_length", "output_chunk_shift", "train_sample_shape"}
    assert names(TorchForecastingModel.__init__) | names(PLForecastingModule.__init__) - ours == set(DOCS)
    assert set(DartsArguments.__annotations__) == set(DOCS)


def test_the_package_alone_does_not_import_darts():
    code = "import sys, darts_tsformers; assert 'darts' not in sys.modules; darts_tsformers.PatchTSTModel"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_of_the_package():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        darts_tsformers.Nothing  # noqa: B018
    assert set(darts_tsformers.__all__) <= set(dir(darts_tsformers))
