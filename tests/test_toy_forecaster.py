"""A new file in ``models/`` is all that a new forecaster needs to be found, at every place that lists them."""

import doctest
import inspect
import pickle
import sys
from unittest.mock import patch

import darts.utils.serialization.registry as safe
import pandas as pd
import pytest

import darts_tsformers
import darts_tsformers.sktime
from benchmarks.accuracy.models import every_model
from darts_tsformers import models
from darts_tsformers.capabilities import capability_table
from darts_tsformers.catalogue import Entry, forecasters, load_all
from darts_tsformers.cli import main
from darts_tsformers.sktime._make import MADE
from darts_tsformers.stubs import PACKAGE, stubs
from tests.contracts.cases import cases_of, make_data
from tests.helpers import registries_as_before
from tests.sktime.cases import make_y, tiny

TOY = '''
from fractions import Fraction
from typing import ClassVar

from torch import nn

from darts_tsformers.models import TSFormerModel
from darts_tsformers.networks import Network


class Toy(Network, name="toy"):
    """A line through the look-back.

    Parameters
    ----------
    share
        Of the forecast, what is kept.
    """

    width_tie = None

    def __init__(self, sizes, *, d_model=7, share=1):
        super().__init__(sizes)
        self.share = float(share)
        n_out = sizes.output_length * sizes.n_parameters
        self.map = nn.Sequential(nn.Linear(sizes.input_length, d_model), nn.Linear(d_model, n_out))

    def forward(self, window):
        return self.share * self.map(window.target.mT).unflatten(-1, (-1, self.sizes.n_parameters)).transpose(1, 2)


class ToyModel(TSFormerModel):
    """Toy: two maps and no more.

    For tests.

    Notes
    -----
    Takes all that Darts has.
    """

    network_class = Toy
    tiny: ClassVar[dict[str, int]] = {"d_model": 2}
    tiny_variants: ClassVar[dict[str, dict[str, int]]] = {"wide": {"d_model": 3}}

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        *,
        d_model: int = 7,
        share: int | Fraction = 1,
        use_instance_norm: bool = True,
        **kwargs,
    ) -> None:
        super().__init__()

    def slope(self) -> float:
        """Give the slope of the line.

        It is known after training.
        """
        return 1.0
'''


@pytest.fixture(scope="module", autouse=True)
def _toy(tmp_path_factory):
    """Add a folder with one file to the room of forecasters, and take away afterwards all that has come of it."""
    load_all()
    folder = tmp_path_factory.mktemp("more")
    folder.joinpath("toy.py").write_text(TOY, encoding="utf-8")
    models.__path__.append(str(folder))
    with registries_as_before(), patch.dict(MADE), patch.object(safe, "_process_globals", safe.get_safe_globals()):
        yield
    models.__path__.remove(str(folder))
    sys.modules.pop("darts_tsformers.models.toy", None)
    vars(models).pop("toy", None)


def test_the_catalogue_lists_it():
    assert forecasters()["toy"] == Entry("toy", "ToyModel", "Toy: two maps and no more.")


@pytest.mark.parametrize("room", [darts_tsformers, models])
def test_the_package_exports_it(room):
    assert "ToyModel" in room.__all__
    assert "ToyModel" in dir(room)
    assert room.ToyModel is forecasters()["toy"].load()


def test_the_benchmarks_train_it():
    assert every_model()["Toy"].args == (forecasters()["toy"].load(),)


def test_the_command_line_offers_it(capsys):
    assert main(["models"]) == 0
    assert "\n toy " in capsys.readouterr().out


def test_the_table_of_capabilities_has_it():
    row = capability_table().loc["ToyModel"]
    assert row["static covariates"]
    assert not row["short histories"]


def test_the_contracts_have_a_case_for_each_of_its_forms():
    cases = cases_of(darts_tsformers.ToyModel)
    assert {case.name: case.arguments for case in cases} == {
        "ToyModel": {"d_model": 2},
        "ToyModel-wide": {"d_model": 3},
    }
    data = make_data()
    for case in cases:
        assert len(case.model().fit(data.series, **data.covariates()).predict(3, **data.covariates())) == 3


def test_sktime_has_a_class_for_it():
    assert "ToyForecaster" in darts_tsformers.sktime.__all__
    toy = darts_tsformers.sktime.ToyForecaster
    assert toy is darts_tsformers.sktime.ToyForecaster
    assert f"{toy.__module__}.{toy.__qualname__}" == "darts_tsformers.sktime.ToyForecaster"
    own = ["input_chunk_length", "output_chunk_length", "d_model", "share", "use_instance_norm"]
    assert list(inspect.signature(toy).parameters)[: len(own)] == own


def test_its_sktime_class_forecasts_and_can_be_pickled():
    y = make_y()
    forecaster = tiny(darts_tsformers.sktime.ToyForecaster).fit(y, fh=[1, 2])
    again = pickle.loads(pickle.dumps(forecaster))
    pd.testing.assert_frame_equal(again.predict(), forecaster.predict())
    assert type(again) is type(forecaster)


def test_its_sktime_class_says_what_its_model_says():
    toy = darts_tsformers.sktime.ToyForecaster
    assert toy.__doc__.startswith(
        "Toy: two maps and no more.\n\nFor tests.\n\nSee :class:`darts_tsformers.ToyModel`.\n\nParameters\n"
    )
    assert "\n\n``model_.darts.slope``: give the slope of the line.\n\n" in toy.__doc__
    assert "\nd_model\n    Width of a token (``D``).\nshare\n    Of the forecast, what is kept.\n" in toy.__doc__
    assert "Takes all that Darts has" not in toy.__doc__
    (test,) = doctest.DocTestFinder().find(toy, module=False, globs={}, name="toy")[:1]
    assert doctest.DocTestRunner(verbose=False).run(test) == doctest.TestResults(failed=0, attempted=6)


def test_the_stubs_have_it():
    written = stubs()
    line = "from darts_tsformers.models.toy import ToyModel as ToyModel\n"
    assert line in written[PACKAGE / "__init__.pyi"]
    assert line in written[PACKAGE / "models" / "__init__.pyi"]
    stub = written[PACKAGE / "sktime" / "__init__.pyi"]
    assert "\nfrom fractions import Fraction\n" in stub
    assert "\nfrom darts_tsformers.models.toy import ToyModel\n" in stub
    assert "\nclass ToyForecaster(TSFormerForecaster):\n" in stub
    assert "\n        share: int | Fraction = 1,\n" in stub
